//! The parameters of a query, as all read routes take them.

use crate::Reason;
use crate::error::Problems;

/// A parameter's text, trimmed; an empty parameter is an absent one.
#[must_use]
pub fn given(parameter: Option<&str>) -> Option<&str> {
    parameter.map(str::trim).filter(|text| !text.is_empty())
}

impl Problems {
    /// The value of a parameter; `None` where it is absent or empty, or with the problem noted.
    pub(crate) fn parameter<T>(
        &mut self,
        name: &'static str,
        parameter: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, Reason>,
    ) -> Option<T> {
        let text = given(parameter)?;
        self.note(name, parse(text))
    }
}

/// A whole number from `min` to `max`, in digits alone.
pub(crate) fn number(text: &str, min: usize, max: usize) -> Result<usize, Reason> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text
        .parse()
        .ok()
        .filter(|number| (min..=max).contains(number));
    number
        .filter(|_| is_number)
        .ok_or(Reason::NotANumberFrom { min, max })
}
