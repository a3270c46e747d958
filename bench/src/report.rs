//! What the bench prints: Markdown on standard output, progress on standard error.

use std::io::Write as _;

/// One line for the person who waits.
pub(crate) fn progress(text: &str) {
    // Nobody is left to hear of a closed error output.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// One line of the result.
pub(crate) fn line(text: &str) {
    // The same of the output.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A table in Markdown.
pub(crate) struct Table {
    columns: usize,
}

impl Table {
    /// Prints the title and the heads of the columns.
    pub(crate) fn start<const N: usize>(title: &str, heads: [&str; N]) -> Self {
        line(&format!("\n### {title}\n"));
        line(&format!("| {} |", heads.join(" | ")));
        line(&format!("|---{}|", "|---:".repeat(N - 1)));
        Self { columns: N }
    }

    /// Prints a row.
    pub(crate) fn row(&self, cells: &[String]) {
        debug_assert_eq!(cells.len(), self.columns);
        line(&format!("| {} |", cells.join(" | ")));
    }
}

/// The middle value; 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match (
        sorted.get(sorted.len().saturating_sub(1) / 2),
        sorted.get(sorted.len() / 2),
    ) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => 0.0,
    }
}

/// `part / whole` as `1.23x`.
pub(crate) fn ratio(part: f64, whole: f64) -> String {
    if whole > 0.0 {
        format!("{:.2}x", part / whole)
    } else {
        "-".to_owned()
    }
}

/// Instructions, in thousands.
pub(crate) fn thousands(count: f64) -> String {
    format!("{:.0} k", count / 1e3)
}

/// Bytes, in millions.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
