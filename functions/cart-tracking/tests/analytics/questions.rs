//! What is asked for, around the nights in which clocks are set.

use crate::facts::millis;

/// A range that is asked for, and how a person with a calendar divides it.
pub(crate) struct Question {
    pub(crate) query: Vec<(&'static str, &'static str)>,
    /// The first moments of the intervals, and of what comes after the last one.
    pub(crate) edges: Vec<i64>,
    pub(crate) interval: &'static str,
    pub(crate) timezone: &'static str,
}

impl Question {
    /// Intervals that begin at `start` and last so many minutes each.
    fn lasting(
        timezone: &'static str,
        interval: &'static str,
        days: [&'static str; 2],
        start: &str,
        minutes: &[i64],
    ) -> Self {
        let mut edges = vec![millis(start)];
        for minutes in minutes {
            edges.push(edges.last().unwrap() + minutes * 60_000);
        }
        Self {
            query: vec![
                ("startDate", days[0]),
                ("endDate", days[1]),
                ("timezone", timezone),
                ("interval", interval),
            ],
            edges,
            interval,
            timezone,
        }
    }
}

const DAY: i64 = 24 * 60;

/// Days and hours around the nights in which clocks are set.
pub(crate) fn questions() -> Vec<Question> {
    let mut half_hours = vec![60, 60, 30];
    half_hours.extend([60; 22]);
    let mut questions = vec![
        Question::lasting(
            "UTC",
            "day",
            ["2026-03-27", "2026-04-02"],
            "2026-03-27T00:00:00Z",
            &[DAY; 7],
        ),
        // 23 hours.
        Question::lasting(
            "Europe/Berlin",
            "day",
            ["2026-03-27", "2026-03-31"],
            "2026-03-26T23:00:00Z",
            &[DAY, DAY, DAY - 60, DAY, DAY],
        ),
        Question::lasting(
            "Europe/Berlin",
            "hour",
            ["2026-03-29", "2026-03-29"],
            "2026-03-28T23:00:00Z",
            &[60; 23],
        ),
        // 25 hours: on the day before, the clocks go from midnight back to eleven.
        Question::lasting(
            "America/Santiago",
            "hour",
            ["2026-04-04", "2026-04-04"],
            "2026-04-04T03:00:00Z",
            &[60; 25],
        ),
        Question::lasting(
            "America/Santiago",
            "day",
            ["2026-04-03", "2026-04-05"],
            "2026-04-03T03:00:00Z",
            &[DAY, DAY + 60, DAY],
        ),
        // No midnight: the clocks go from there to one o'clock.
        Question::lasting(
            "Asia/Beirut",
            "day",
            ["2026-03-28", "2026-03-30"],
            "2026-03-27T22:00:00Z",
            &[DAY, DAY - 60, DAY],
        ),
        // Half an hour twice.
        Question::lasting(
            "Australia/Lord_Howe",
            "hour",
            ["2026-04-05", "2026-04-05"],
            "2026-04-04T13:00:00Z",
            &half_hours,
        ),
        Question {
            query: vec![("startDate", "2026-04-07"), ("interval", "hour")],
            ..Question::lasting("UTC", "hour", ["", ""], "2026-04-07T00:00:00Z", &[60; 24])
        },
        // Nothing is said.
        Question {
            query: vec![],
            ..Question::lasting("UTC", "day", ["", ""], "2026-03-09T00:00:00Z", &[DAY; 30])
        },
    ];
    // From one moment to another, with days whose midnight is at a quarter past six in the evening.
    let kathmandu = [
        "2026-03-28T11:17:00.250Z",
        "2026-03-28T18:15:00Z",
        "2026-03-29T18:15:00Z",
        "2026-03-30T18:15:00Z",
        "2026-03-31T18:15:00Z",
        "2026-04-01T05:00:00.001Z",
    ];
    questions.push(Question {
        query: vec![
            ("startDate", "2026-03-28T11:17:00.250Z"),
            ("endDate", "2026-04-01T10:45:00+05:45"),
            ("timezone", "Asia/Kathmandu"),
        ],
        edges: kathmandu.map(millis).to_vec(),
        interval: "day",
        timezone: "Asia/Kathmandu",
    });
    questions
}
