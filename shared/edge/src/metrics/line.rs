//! A line of metrics.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::time::Duration;

use serde::{Serialize, Serializer};
use shoptrail_domain::advice::Source;
use shoptrail_domain::refusal::Refusal;

use super::noted::{CartEvents, Noted};
use super::{Measured, MetricsConfig};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Shoptrail";
/// What most lines need, in bytes, so that they are written without growing.
const LINE_BYTES: usize = 1_536;
/// As many directives as there are: a line has each at most once.
const MOST_DIRECTIVES: usize = 9;

/// Says which members of a line are metrics, and under which dimensions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [&'static [&'static str]; 1],
    metrics: &'static [Definition],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, Serialize)]
enum Unit {
    Count,
    Milliseconds,
    Percent,
}

const fn directive(
    dimensions: &'static [&'static str],
    metrics: &'static [Definition],
) -> Directive {
    Directive {
        namespace: NAMESPACE,
        dimensions: [dimensions],
        metrics,
    }
}

const fn metric(name: &'static str, unit: Unit) -> Definition {
    Definition { name, unit }
}

const BY_FUNCTION: &[&str] = &["Stack", "Function"];
const BY_STACK: &[&str] = &["Stack"];

const REQUEST: &Directive = &directive(
    BY_FUNCTION,
    &[
        metric("Requests", Unit::Count),
        metric("ServerErrors", Unit::Count),
        metric("Latency", Unit::Milliseconds),
        metric("DatabaseErrors", Unit::Count),
        metric("RateLimited", Unit::Count),
    ],
);
/// The same of an event, which no limit forbids.
const EVENT: &Directive = &directive(
    BY_FUNCTION,
    &[
        metric("Requests", Unit::Count),
        metric("ServerErrors", Unit::Count),
        metric("Latency", Unit::Milliseconds),
        metric("DatabaseErrors", Unit::Count),
    ],
);
const DATABASE_LATENCY: &Directive = &directive(
    BY_FUNCTION,
    &[metric("DatabaseLatency", Unit::Milliseconds)],
);
const CART_EVENTS: &Directive = &directive(
    &["Stack", "Store", "Action"],
    &[metric("CartEvents", Unit::Count)],
);
const DECISIONS: &Directive = &directive(&["Stack", "Source"], &[metric("Decisions", Unit::Count)]);
const REFUSALS: &Directive = &directive(&["Stack", "Reason"], &[metric("Refusals", Unit::Count)]);
const SESSIONS: &Directive = &directive(BY_STACK, &[metric("Sessions", Unit::Count)]);
const IMAGE_GENERATIONS: &Directive =
    &directive(BY_STACK, &[metric("ImageGenerations", Unit::Count)]);
const MODEL_CALLS: &Directive = &directive(BY_STACK, &[metric("ModelCalls", Unit::Count)]);
const MODEL_BUDGET_USED: &Directive =
    &directive(BY_STACK, &[metric("ModelBudgetUsed", Unit::Percent)]);

type Directives = [Option<&'static Directive>; MOST_DIRECTIVES];

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    timestamp: i64,
    #[serde(serialize_with = "present")]
    cloud_watch_metrics: Directives,
}

fn present<S: Serializer>(directives: &Directives, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(directives.iter().flatten())
}

/// A line: what of it is a metric, the dimensions and metrics themselves, and what they belong to. Fields that are absent
/// are no members of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Line<'a> {
    #[serde(rename = "_aws")]
    metadata: Metadata,
    stack: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_errors: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limited: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<Milliseconds<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database_errors: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database_latency: Option<Milliseconds<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cart_events: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusals: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_generations: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_calls: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_budget_used: Option<u32>,
    #[serde(rename = "requestId")]
    request_id: &'a str,
    #[serde(rename = "traceId", skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

/// One time, or several values of one metric.
#[derive(Debug, Clone, Copy)]
enum Milliseconds<'a> {
    One(Duration),
    Each(&'a [Duration]),
}

impl Serialize for Milliseconds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let milliseconds = |time: &Duration| time.as_micros() as f64 / 1_000.0;
        match self {
            Self::One(time) => serializer.serialize_f64(milliseconds(time)),
            Self::Each(times) => serializer.collect_seq(times.iter().map(milliseconds)),
        }
    }
}

impl<'a> Line<'a> {
    /// A line without any metric.
    fn about(config: &'a MetricsConfig, measured: &'a Measured<'_>) -> Self {
        Self {
            metadata: Metadata {
                timestamp: measured.at.as_millis(),
                cloud_watch_metrics: [None; MOST_DIRECTIVES],
            },
            stack: &config.stack,
            function: None,
            requests: None,
            server_errors: None,
            rate_limited: None,
            latency: None,
            database_errors: None,
            database_latency: None,
            store: None,
            action: None,
            cart_events: None,
            source: None,
            decisions: None,
            reason: None,
            refusals: None,
            sessions: None,
            image_generations: None,
            model_calls: None,
            model_budget_used: None,
            request_id: measured.request_id,
            trace_id: measured.trace_id,
        }
    }

    fn declare(&mut self, directive: &'static Directive) {
        let mut places = self.metadata.cloud_watch_metrics.iter_mut();
        if let Some(place) = places.find(|place| place.is_none()) {
            *place = Some(directive);
        }
    }

    fn add_request(&mut self, measured: &'a Measured<'_>) {
        let is_request = measured.is_rate_limited.is_some();
        self.declare(if is_request { REQUEST } else { EVENT });
        self.function = Some(measured.function);
        self.requests = Some(1);
        self.server_errors = Some(measured.has_failed.into());
        self.rate_limited = measured.is_rate_limited.map(u8::from);
        self.latency = Some(Milliseconds::One(measured.latency));
        self.database_errors = Some(measured.operations.failures);
        if !measured.operations.times.is_empty() {
            self.declare(DATABASE_LATENCY);
            self.database_latency = Some(Milliseconds::Each(&measured.operations.times));
        }
    }

    fn add_cart_events(&mut self, config: &'a MetricsConfig, events: &CartEvents) {
        self.declare(CART_EVENTS);
        self.store = Some(config.stores.at(events.store));
        self.action = Some(events.action);
        self.cart_events = Some(events.count);
    }

    fn add_refusals(&mut self, (reason, count): (Refusal, u64)) {
        self.declare(REFUSALS);
        self.reason = Some(reason.as_str());
        self.refusals = Some(count);
    }

    fn add_decision(&mut self, source: Source) {
        self.declare(DECISIONS);
        self.source = Some(source.as_str());
        self.decisions = Some(1);
    }

    /// What has no dimension but the stack.
    fn add_counts(&mut self, noted: &Noted) {
        let some = |count: u64| (count > 0).then_some(count);
        self.sessions = some(noted.sessions);
        self.image_generations = some(noted.image_generations);
        self.model_calls = some(noted.model_calls);
        self.model_budget_used = noted.model_budget_used_percent;
        for (is_there, directive) in [
            (self.sessions.is_some(), SESSIONS),
            (self.image_generations.is_some(), IMAGE_GENERATIONS),
            (self.model_calls.is_some(), MODEL_CALLS),
            (self.model_budget_used.is_some(), MODEL_BUDGET_USED),
        ] {
            if is_there {
                self.declare(directive);
            }
        }
    }
}

/// The lines of what was measured, each with its line break.
pub(super) fn lines(config: &MetricsConfig, measured: &Measured<'_>) -> Vec<u8> {
    let noted = &measured.noted;
    let (mut events, mut refusals) = (noted.cart_events.iter(), noted.refused());
    let mut lines = Vec::with_capacity(LINE_BYTES);
    let mut line = Line::about(config, measured);
    line.add_request(measured);
    line.add_counts(noted);
    if let Some(source) = noted.decision {
        line.add_decision(source);
    }
    let (mut more_events, mut more_refusals) = (events.next(), refusals.next());
    loop {
        if let Some(events) = more_events {
            line.add_cart_events(config, events);
        }
        if let Some(refusals) = more_refusals {
            line.add_refusals(refusals);
        }
        // Writing into memory what has text for keys does not fail.
        if serde_json::to_writer(&mut lines, &line).is_ok() {
            lines.push(b'\n');
        }
        (more_events, more_refusals) = (events.next(), refusals.next());
        if more_events.is_none() && more_refusals.is_none() {
            return lines;
        }
        line = Line::about(config, measured);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};
    use shoptrail_domain::cart_event::ActionType;
    use shoptrail_domain::{StoreName, Timestamp};
    use shoptrail_storage::{OPERATIONS_TIMED, Operations};

    use super::super::{MOST_STORES, Output};
    use super::*;

    fn config(stores: &str) -> MetricsConfig {
        MetricsConfig {
            is_on: true,
            stack: "a-stack".into(),
            stores: stores.parse().unwrap(),
            output: Output::Stdout,
        }
    }

    fn measured(noted: Noted) -> Measured<'static> {
        Measured {
            function: "a-function",
            at: Timestamp::from_millis(1_712_345_678_901),
            request_id: "a-request",
            trace_id: None,
            has_failed: false,
            is_rate_limited: Some(false),
            latency: Duration::from_micros(12_345),
            operations: Operations::default(),
            noted,
        }
    }

    fn written(config: &MetricsConfig, measured: &Measured<'_>) -> Vec<Value> {
        let lines = String::from_utf8(lines(config, measured)).unwrap();
        assert!(lines.ends_with('\n'));
        let lines = lines.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn event(noted: &mut Noted, config: &MetricsConfig, store: &str, action: &str) {
        let store = StoreName::parse(store).unwrap();
        let action = ActionType::parse(action).unwrap();
        noted.add_cart_event(config.stores.place(&store), &action);
    }

    #[test]
    fn a_request_is_one_line() {
        let config = config("");
        let mut measured = measured(Noted::default());
        measured.operations.times = vec![Duration::from_millis(2), Duration::from_micros(1_500)];
        assert_eq!(
            written(&config, &measured),
            [json!({
                "_aws": { "Timestamp": 1_712_345_678_901_u64, "CloudWatchMetrics": [
                    { "Namespace": "Shoptrail", "Dimensions": [["Stack", "Function"]], "Metrics": [
                        { "Name": "Requests", "Unit": "Count" },
                        { "Name": "ServerErrors", "Unit": "Count" },
                        { "Name": "Latency", "Unit": "Milliseconds" },
                        { "Name": "DatabaseErrors", "Unit": "Count" },
                        { "Name": "RateLimited", "Unit": "Count" },
                    ] },
                    { "Namespace": "Shoptrail", "Dimensions": [["Stack", "Function"]], "Metrics": [
                        { "Name": "DatabaseLatency", "Unit": "Milliseconds" },
                    ] },
                ] },
                "Stack": "a-stack", "Function": "a-function", "requestId": "a-request",
                "Requests": 1, "ServerErrors": 0, "RateLimited": 0, "Latency": 12.345, "DatabaseErrors": 0,
                "DatabaseLatency": [2.0, 1.5],
            })]
        );
    }

    #[test]
    fn what_has_several_values_of_a_dimension_takes_several_lines() {
        let config = config("one");
        let mut noted = Noted::default();
        for (store, action) in [
            ("one", "buy_now"),
            ("two", "buy_now"),
            ("one", "buy_now"),
            ("three", "buy_now"),
            ("one", "tried:on"),
        ] {
            event(&mut noted, &config, store, action);
        }
        noted.add_refusals(Refusal::Duplicate, 2);
        noted.add_refusals(Refusal::Invalid, 1);
        let lines = written(&config, &measured(noted));
        let told: Vec<_> = lines
            .iter()
            .map(|line| {
                [
                    "Store",
                    "Action",
                    "CartEvents",
                    "Reason",
                    "Refusals",
                    "Requests",
                ]
                .map(|member| line.get(member).map_or("-".to_owned(), Value::to_string))
                .join(" ")
            })
            .collect();
        assert_eq!(
            told,
            [
                r#""one.myshopify.com" "buy_now" 2 "invalid" 1 1"#,
                r#""other" "buy_now" 2 "duplicate" 2 -"#,
                r#""one.myshopify.com" "other" 1 - - -"#,
            ]
        );
        for line in lines {
            assert_eq!(line["requestId"], "a-request", "{line}");
        }
    }

    #[test]
    fn a_thousand_stores_are_a_bounded_number_of_series() {
        let named: Vec<_> = (0..MOST_STORES)
            .map(|number| format!("store-{number}"))
            .collect();
        let config = config(&named.join(","));
        let mut series = BTreeSet::new();
        for store in 0..1_000 {
            let mut noted = Noted::default();
            for action in ["add_to_cart", "buy_now", "remove_from_cart", "own", "other"] {
                event(&mut noted, &config, &format!("store-{store}"), action);
                event(
                    &mut noted,
                    &config,
                    &format!("store-{store}"),
                    &format!("{action}-{store}"),
                );
            }
            for line in written(&config, &measured(noted)) {
                series.insert((line["Store"].to_string(), line["Action"].to_string()));
            }
        }
        assert_eq!(series.len(), (MOST_STORES + 1) * 4);
    }

    #[test]
    fn a_line_has_room_for_all_that_a_request_can_note() {
        let config = config("");
        let mut noted = Noted {
            decision: Some(Source::Rules),
            sessions: 1,
            image_generations: 1,
            model_calls: 1,
            model_budget_used_percent: Some(0),
            ..Noted::default()
        };
        event(&mut noted, &config, "one", "buy_now");
        noted.add_refusals(Refusal::Erased, 1);
        let mut measured = measured(noted);
        measured.operations.times = vec![Duration::ZERO; OPERATIONS_TIMED];
        let lines = written(&config, &measured);
        assert_eq!(lines.len(), 1);
        let directives = lines[0]["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        assert_eq!(directives.len(), MOST_DIRECTIVES);
        assert_eq!(lines[0]["ModelBudgetUsed"], 0);
    }
}
