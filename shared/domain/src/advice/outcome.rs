//! What became of a decision, as the storefront reports it.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::Problems;
use crate::schema::{DecisionIdText, TrackerSession};
use crate::session::SessionId;
use crate::wire::Scalar;
use crate::{ParseError, ParseErrors, Reason};

/// The form of a decision's id, a UUID: `f` stands for a hexadecimal digit.
const DECISION_ID_FORM: &[u8] = b"ffffffff-ffff-ffff-ffff-ffffffffffff";

/// The body of `POST /askai/outcome`, as it comes.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "session": "af4bac4d-077a-4756-91d0-fa2570fd206f", "decisionId": "019363a1-5e2a-7c4b-9d1e-3f5a7b9c1d2e", "outcome": "shown",
}))]
pub struct ReportOutcome {
    /// The session that was decided about.
    #[schema(value_type = TrackerSession, required = true)]
    #[serde(default)]
    pub session: Scalar,
    /// The decision, by the `decisionId` of its answer.
    #[schema(value_type = DecisionIdText, required = true)]
    #[serde(default)]
    pub decision_id: Scalar,
    /// What became of it.
    #[schema(value_type = Outcome, required = true)]
    #[serde(default)]
    pub outcome: Scalar,
}

/// What can become of a decision.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The popup was shown.
    Shown,
    /// It was closed unused.
    Dismissed,
    /// What it offers was clicked.
    Clicked,
    /// An order followed.
    Converted,
}

/// A report that keeps every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeReport {
    /// The session that was decided about.
    pub session: SessionId,
    /// The decision's id: a UUID in small letters.
    pub decision_id: String,
    /// What became of it.
    pub outcome: Outcome,
}

impl OutcomeReport {
    /// Validates and normalizes in one step.
    ///
    /// # Errors
    ///
    /// All fields that break a rule.
    pub fn parse(wire: &ReportOutcome) -> Result<Self, ParseErrors> {
        let mut problems = Problems::default();
        let text = |field: &Scalar| Ok(field.text()?.ok_or(Reason::Required)?.to_owned());
        let session = problems.note(
            "session",
            text(&wire.session).and_then(|session| SessionId::parse(&session)),
        );
        let decision_id = problems.note(
            "decisionId",
            text(&wire.decision_id).and_then(|id| parse_decision_id(&id)),
        );
        let outcome = problems.note(
            "outcome",
            text(&wire.outcome).and_then(|outcome| Outcome::parse(&outcome)),
        );
        problems.into_result()?;
        // What could not be read is among the problems above.
        let missing = |field: &'static str| ParseError::new(field, Reason::Required);
        Ok(Self {
            session: session.ok_or_else(|| missing("session"))?,
            decision_id: decision_id.ok_or_else(|| missing("decisionId"))?,
            outcome: outcome.ok_or_else(|| missing("outcome"))?,
        })
    }
}

impl Outcome {
    /// All of them, in the contract's order.
    pub const ALL: [Self; 4] = [Self::Shown, Self::Dismissed, Self::Clicked, Self::Converted];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::Dismissed => "dismissed",
            Self::Clicked => "clicked",
            Self::Converted => "converted",
        }
    }

    /// Takes the exact name on the wire.
    ///
    /// # Errors
    ///
    /// [`Reason::NotAnOutcome`].
    pub fn parse(name: &str) -> Result<Self, Reason> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
            .ok_or(Reason::NotAnOutcome)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn parse_decision_id(id: &str) -> Result<String, Reason> {
    let is_like = |(byte, form): (u8, &u8)| match form {
        b'f' => byte.is_ascii_hexdigit(),
        form => byte == *form,
    };
    if id.len() == DECISION_ID_FORM.len() && id.bytes().zip(DECISION_ID_FORM).all(is_like) {
        Ok(id.to_ascii_lowercase())
    } else {
        Err(Reason::NotADecisionId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "019363a1-5e2a-7c4b-9d1e-3f5a7b9c1d2e";

    fn parse(body: &str) -> Result<OutcomeReport, Vec<(String, Reason)>> {
        let wire = crate::json::decode(body.as_bytes()).unwrap();
        OutcomeReport::parse(&wire).map_err(|errors| {
            let errors = errors.iter();
            errors
                .map(|error| (error.field.to_string(), error.reason))
                .collect()
        })
    }

    #[test]
    fn a_report_names_the_session_the_decision_and_the_outcome() {
        for outcome in Outcome::ALL {
            let body = format!(
                r#"{{"session":" s-1","decisionId":"{}","outcome":"{outcome}"}}"#,
                ID.to_uppercase()
            );
            let report = parse(&body).unwrap();
            assert_eq!(report.session.as_str(), "s-1");
            assert_eq!(report.decision_id, ID);
            assert_eq!(report.outcome, outcome);
        }
    }

    #[test]
    fn every_field_that_is_wrong_is_named() {
        let problems = |reasons: [Reason; 3]| {
            let fields = ["session", "decisionId", "outcome"].map(str::to_owned);
            Err(fields.into_iter().zip(reasons).collect())
        };
        assert_eq!(parse("{}"), problems([Reason::Required; 3]));
        assert_eq!(
            parse(r#"{"session":"a b","decisionId":"tally","outcome":"Shown"}"#),
            problems([
                Reason::NotASessionId,
                Reason::NotADecisionId,
                Reason::NotAnOutcome
            ])
        );
        assert_eq!(
            parse(r#"{"session":1,"decisionId":{},"outcome":true}"#),
            problems([Reason::NotAString; 3])
        );
        let almost = format!(r#"{{"session":"s-1","decisionId":"{ID}0","outcome":"shown"}}"#);
        assert_eq!(
            parse(&almost),
            Err(vec![("decisionId".into(), Reason::NotADecisionId)])
        );
    }
}
