//! Reads lines of metrics as CloudWatch does, and holds each against the embedded metric format.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
#![expect(
    clippy::expect_used,
    reason = "a test without its metrics cannot go on"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Dimensions that one set may name.
const MOST_DIMENSIONS: usize = 30;
/// Metrics that one directive may declare.
const MOST_METRICS: usize = 100;
/// Values that one metric may have in one line.
const MOST_VALUES: usize = 100;
/// Characters of the name of a namespace, a metric or a dimension.
const MOST_NAME_CHARS: usize = 255;
/// Characters of a dimension's value.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>
const MOST_VALUE_CHARS: usize = 1_024;
/// Bytes of one event of CloudWatch Logs, in its least generous reading.
const MOST_LINE_BYTES: usize = 256 * 1_024;
/// Values lie between these powers of two.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
const VALUE_EXPONENT: i32 = 360;
const UNITS: &str = "Seconds|Microseconds|Milliseconds|Bytes|Kilobytes|Megabytes|Gigabytes|Terabytes|Bits|Kilobits|Megabits|Gigabits|\
    Terabits|Percent|Count|Bytes/Second|Kilobytes/Second|Megabytes/Second|Gigabytes/Second|Terabytes/Second|Bits/Second|Kilobits/Second|\
    Megabits/Second|Gigabits/Second|Terabits/Second|Count/Second|None";

/// A metric as CloudWatch makes it out of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its dimensions with their values, which with the name are its identity.
    pub dimensions: BTreeMap<String, String>,
    /// Its unit.
    pub unit: String,
    /// What the line adds to it.
    pub values: Vec<f64>,
}

impl Metric {
    /// All values together.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.values.iter().sum()
    }
}

/// The metrics of some lines.
///
/// # Panics
///
/// When a line breaks a rule of the format.
#[must_use]
pub fn metrics(lines: &str) -> Vec<Metric> {
    let lines = lines.lines();
    lines
        .flat_map(|line| {
            let parsed = serde_json::from_str(line).expect("a line of metrics is JSON");
            metrics_of(&parsed)
        })
        .collect()
}

/// The metrics of one line.
///
/// # Panics
///
/// When it breaks a rule of the format.
#[must_use]
pub fn metrics_of(line: &Value) -> Vec<Metric> {
    assert!(line.is_object(), "{line}");
    assert!(line.to_string().len() <= MOST_LINE_BYTES);
    let metadata = &line["_aws"];
    let timestamp = metadata["Timestamp"].as_u64();
    assert!(
        timestamp.is_some_and(|ms| ms > 1_000_000_000_000),
        "milliseconds since 1970: {line}"
    );
    let mut found = Vec::new();
    for directive in list(&metadata["CloudWatchMetrics"]) {
        only(directive, &["Namespace", "Dimensions", "Metrics"]);
        let namespace = name(&directive["Namespace"]);
        let sets = list(&directive["Dimensions"]);
        assert!(!sets.is_empty(), "{directive}");
        let definitions = list(&directive["Metrics"]);
        assert!(definitions.len() <= MOST_METRICS, "{directive}");
        for set in sets {
            let dimensions = dimensions(line, set);
            for definition in definitions {
                only(definition, &["Name", "Unit"]);
                let (name, unit) = (name(&definition["Name"]), name(&definition["Unit"]));
                assert!(UNITS.split('|').any(|known| known == unit), "{definition}");
                let values = values(&line[&name]);
                found.push(Metric {
                    namespace: namespace.clone(),
                    name,
                    dimensions: dimensions.clone(),
                    unit,
                    values,
                });
            }
        }
    }
    let identities: BTreeSet<_> = found
        .iter()
        .map(|metric| (&metric.name, &metric.dimensions))
        .collect();
    assert_eq!(identities.len(), found.len(), "declared twice: {line}");
    found
}

fn dimensions(line: &Value, set: &Value) -> BTreeMap<String, String> {
    let keys = list(set);
    assert!(keys.len() <= MOST_DIMENSIONS, "{line}");
    let pairs = keys.iter().map(|key| {
        let key = name(key);
        let value = line[&key].as_str().expect("a dimension is a text");
        let is_printable = value
            .chars()
            .all(|char| char.is_ascii() && !char.is_ascii_control());
        let is_one = is_printable
            && !value.trim().is_empty()
            && value.len() <= MOST_VALUE_CHARS
            && !value.starts_with(':');
        assert!(is_one, "{key} is {value:?}");
        (key, value.to_owned())
    });
    pairs.collect()
}

fn values(target: &Value) -> Vec<f64> {
    let values: Vec<&Value> = match target {
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    };
    assert!((1..=MOST_VALUES).contains(&values.len()), "{target}");
    let most = 2_f64.powi(VALUE_EXPONENT);
    let numbers = values.into_iter().map(|value| {
        let number = value.as_f64().expect("a metric is a number");
        assert!(number.is_finite() && number.abs() <= most, "{number}");
        number
    });
    numbers.collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn name(value: &Value) -> String {
    let name = value.as_str().expect("a name is a text");
    assert!(
        (1..=MOST_NAME_CHARS).contains(&name.chars().count()),
        "{name}"
    );
    name.to_owned()
}

/// The format allows no other members in its own objects.
fn only(object: &Value, known: &[&str]) {
    let members = object.as_object().expect("an object");
    let unknown = members.keys().find(|key| !known.contains(&key.as_str()));
    assert_eq!(unknown, None, "{object}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line() -> Value {
        json!({
            "_aws": { "Timestamp": 1_574_109_732_004_u64, "CloudWatchMetrics": [
                { "Namespace": "N", "Dimensions": [["D"]], "Metrics": [{ "Name": "M", "Unit": "Count" }] },
            ] },
            "D": "d", "M": [1, 2.5],
        })
    }

    #[test]
    fn a_line_becomes_metrics() {
        let expected = Metric {
            namespace: "N".into(),
            name: "M".into(),
            dimensions: BTreeMap::from([("D".into(), "d".into())]),
            unit: "Count".into(),
            values: vec![1.0, 2.5],
        };
        assert_eq!(metrics_of(&line()), [expected]);
        assert_eq!(metrics(&format!("{}\n{}\n", line(), line())).len(), 2);
    }

    #[test]
    fn a_line_that_breaks_a_rule_is_found() {
        let changes: [(&str, Value); 9] = [
            ("/M", json!("3")),
            ("/M", json!([])),
            ("/M", json!(vec![1; 101])),
            ("/D", json!(7)),
            ("/D", json!("")),
            ("/_aws/Timestamp", json!(1_574_109_732)),
            ("/_aws/CloudWatchMetrics/0/Metrics/0/Unit", json!("Second")),
            ("/_aws/CloudWatchMetrics/0/Dimensions", json!([])),
            ("/_aws/CloudWatchMetrics/0/Namespace", json!("")),
        ];
        for (place, wrong) in changes {
            let mut line = line();
            *line.pointer_mut(place).unwrap() = wrong;
            let read = std::panic::catch_unwind(|| metrics_of(&line));
            assert!(read.is_err(), "{place}: {line}");
        }
    }
}
