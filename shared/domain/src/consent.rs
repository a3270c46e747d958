//! Whether a shopper agrees to being recorded, as far as the message says.

use serde_json::Value;

use crate::Reason;

/// Nothing said is consent: whoever installs the tracker decides when it may run. `true` and `false` say it; so does
/// an object, as Shopify's customer privacy API has it, by its `analytics`.
///
/// # Errors
///
/// [`Reason::NotAConsent`]: what cannot be read must not be taken for a yes.
pub(crate) fn parse(value: &Value) -> Result<bool, Reason> {
    match value {
        Value::Null => Ok(true),
        Value::Bool(consents) => Ok(*consents),
        Value::Object(fields) => match fields.get("analytics") {
            None | Some(Value::Null) => Ok(true),
            Some(Value::Bool(consents)) => Ok(*consents),
            Some(_) => Err(Reason::NotAConsent),
        },
        _ => Err(Reason::NotAConsent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn consent_is_a_word_or_an_object() {
        assert_eq!(parse(&Value::Null), Ok(true));
        assert_eq!(parse(&json!(true)), Ok(true));
        assert_eq!(parse(&json!(false)), Ok(false));
        assert_eq!(
            parse(&json!({ "analytics": false, "marketing": true })),
            Ok(false)
        );
        assert_eq!(parse(&json!({ "marketing": false })), Ok(true));
        for unclear in [
            json!("no"),
            json!(0),
            json!([]),
            json!({ "analytics": "no" }),
        ] {
            assert_eq!(parse(&unclear), Err(Reason::NotAConsent), "{unclear}");
        }
    }
}
