//! The alarms among themselves: that each can sound and says what to do, and that nothing goes unwatched.

use std::collections::BTreeSet;

use shoptrail_local::template::RouteMatch;

use crate::STACK;
use crate::template::{Alarm, Source, Watched};

/// Metrics that one alarm can read.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>
const MOST_METRICS: usize = 10;

#[test]
fn each_alarm_tells_the_topic_and_names_its_runbook() {
    let source = Source::read();
    for alarm in source.alarms() {
        let text = |name: &str| source.text(&alarm.properties[name]);
        for actions in ["AlarmActions", "OKActions"] {
            let actions = alarm.properties[actions]
                .as_sequence()
                .into_iter()
                .flatten();
            let told: Vec<_> = actions.map(|action| source.text(action)).collect();
            assert_eq!(told, ["AlarmTopic"], "{}", alarm.id);
        }
        assert_eq!(text("TreatMissingData"), "notBreaching", "{}", alarm.id);
        let name = text("AlarmName");
        let name = name.strip_prefix(&format!("{STACK}-")).expect(&alarm.id);
        let says = text("AlarmDescription");
        let runbook = format!("See docs/OPERATIONS.md#alarm-{name}");
        let sentence = says.trim_end().strip_suffix(&runbook).expect(&says);
        assert!(sentence.trim_end().ends_with('.'), "{says}");
        assert!(says.len() <= 1_024, "{says}");
    }
}

#[test]
fn each_alarm_reads_what_it_declares() {
    for Alarm {
        id,
        metrics,
        expressions,
        ..
    } in Source::read().alarms()
    {
        assert!((1..=MOST_METRICS).contains(&metrics.len()), "{id}");
        let mut read = BTreeSet::new();
        let mut ids: BTreeSet<&str> = metrics.keys().map(String::as_str).collect();
        ids.extend(expressions.iter().map(|(id, _)| id.as_str()));
        for (_, expression) in &expressions {
            if expression.contains("METRICS()") {
                read.extend(metrics.keys().map(String::as_str));
            }
            for (_, rest) in expression
                .match_indices("METRICS(\"")
                .map(|(at, part)| (at, &expression[at + part.len()..]))
            {
                let part = rest.split('"').next().unwrap();
                let found: Vec<_> = metrics.keys().filter(|id| id.contains(part)).collect();
                assert!(!found.is_empty(), "{id}: {expression}");
                read.extend(found.into_iter().map(String::as_str));
            }
            // Quoted parts are filters, and what begins with a capital letter is a function.
            let bare: String = expression
                .split('"')
                .step_by(2)
                .collect::<Vec<_>>()
                .join(" ");
            for word in bare.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_')) {
                if word.starts_with(|first: char| first.is_ascii_lowercase()) {
                    let known = ids.get(word);
                    read.insert(*known.unwrap_or_else(|| panic!("{id}: {word} in {expression}")));
                }
            }
        }
        if expressions.is_empty() {
            assert_eq!(metrics.len(), 1, "{id}");
        } else {
            let unread: Vec<_> = metrics
                .keys()
                .filter(|id| !read.contains(id.as_str()))
                .collect();
            assert!(unread.is_empty(), "{id}: {unread:?}");
        }
    }
}

/// All that the alarms read, as `namespace name value value…`.
fn watched(source: &Source) -> BTreeSet<String> {
    let alarms = source.alarms();
    let metrics = alarms.iter().flat_map(|alarm| alarm.metrics.values());
    metrics
        .map(
            |Watched {
                 namespace,
                 name,
                 dimensions,
             }| {
                let mut values: Vec<_> = dimensions.values().map(String::as_str).collect();
                values.sort_unstable();
                format!("{namespace} {name} {}", values.join(" "))
            },
        )
        .collect()
}

#[test]
fn each_table_and_each_index_is_watched_for_throttling() {
    let source = Source::read();
    let watched = watched(&source);
    for table in &source.template.tables {
        let mut places = vec![table.name.clone()];
        for index in &table.indexes {
            let mut values = [table.name.as_str(), &index.name];
            values.sort_unstable();
            places.push(values.join(" "));
        }
        for (place, kind) in places
            .iter()
            .flat_map(|place| [(place, "Read"), (place, "Write")])
        {
            let metric = format!("AWS/DynamoDB {kind}ThrottleEvents {place}");
            assert!(watched.contains(&metric), "{metric}");
        }
    }
}

#[test]
fn each_function_is_watched() {
    let source = Source::read();
    let watched = watched(&source);
    let answers: BTreeSet<_> = source
        .template
        .routes
        .iter()
        .filter(|route| route.matches != RouteMatch::Default)
        .map(|route| route.function.as_str())
        .collect();
    let functions = source.resources("AWS::Serverless::Function");
    assert!(functions.len() > answers.len());
    for (id, function) in functions {
        let name = source.text(&function["Metadata"]["BuildProperties"]["Binary"]);
        let full = source.text(&function["Properties"]["FunctionName"]);
        assert_eq!(full, format!("{STACK}-{name}"), "{id}");
        let mut metrics = vec![
            format!("AWS/Lambda Errors {full}"),
            format!("AWS/Lambda Throttles {full}"),
            format!("Shoptrail DatabaseErrors {STACK} {name}"),
        ];
        if answers.contains(name.as_str()) {
            for metric in ["Requests", "ServerErrors", "RateLimited", "Latency"] {
                metrics.push(format!("Shoptrail {metric} {STACK} {name}"));
            }
        }
        for metric in metrics {
            assert!(watched.contains(&metric), "{metric}");
        }
    }
}

#[test]
fn the_dashboard_shows_the_alarms() {
    let source = Source::read();
    let dashboard = source.dashboard().to_string();
    for (id, alarm) in source.resources("AWS::CloudWatch::Alarm") {
        // What is not always there cannot be referred to.
        let is_optional = alarm.get("Condition").is_some();
        assert_eq!(
            dashboard.contains(&format!("\"{id}.Arn\"")),
            !is_optional,
            "{id}"
        );
    }
}
