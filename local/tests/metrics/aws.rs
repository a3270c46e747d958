//! The metrics of AWS's own that are watched, against what each service documents.

use std::collections::BTreeSet;

use crate::template::{Search, Source, Watched};

/// A service's namespace, where it is documented, its metrics, and the sets of dimensions that each of them has.
struct Service {
    namespace: &'static str,
    source: &'static str,
    metrics: &'static [&'static str],
    dimensions: &'static [&'static [&'static str]],
}

const SERVICES: [Service; 4] = [
    Service {
        namespace: "AWS/ApiGateway",
        source: "https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html",
        metrics: &[
            "4xx",
            "5xx",
            "Count",
            "IntegrationLatency",
            "Latency",
            "DataProcessed",
        ],
        dimensions: &[
            &["ApiId"],
            &["ApiId", "Stage"],
            &["ApiId", "Stage", "Method", "Resource"],
        ],
    },
    Service {
        namespace: "AWS/Lambda",
        source: "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
        metrics: &[
            "Errors",
            "Throttles",
            "Invocations",
            "Duration",
            "IteratorAge",
            "ConcurrentExecutions",
        ],
        dimensions: &[&["FunctionName"], &["FunctionName", "Resource"]],
    },
    Service {
        namespace: "AWS/DynamoDB",
        source: "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html",
        metrics: &[
            "ReadThrottleEvents",
            "WriteThrottleEvents",
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
        ],
        dimensions: &[&["TableName"], &["TableName", "GlobalSecondaryIndexName"]],
    },
    Service {
        namespace: "AWS/SQS",
        source: "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html",
        metrics: &[
            "ApproximateNumberOfMessagesVisible",
            "ApproximateAgeOfOldestMessage",
        ],
        dimensions: &[&["QueueName"]],
    },
];

fn assert_documented(namespace: &str, name: &str, dimensions: &BTreeSet<&str>) {
    let service = SERVICES
        .iter()
        .find(|service| service.namespace == namespace);
    let service = service.unwrap_or_else(|| panic!("{namespace} is no namespace of ours or AWS's"));
    let source = service.source;
    assert!(
        service.metrics.contains(&name),
        "{namespace} has no {name}: {source}"
    );
    let mut sets = service.dimensions.iter();
    assert!(
        sets.any(|set| set.iter().copied().collect::<BTreeSet<_>>() == *dimensions),
        "{namespace} has no {name} by {dimensions:?}: {source}"
    );
}

fn is_ours(namespace: &str) -> bool {
    namespace == shoptrail_edge::metrics::NAMESPACE
}

#[test]
fn what_is_watched_of_awss_own_is_documented() {
    let source = Source::read();
    let alarms = source.alarms();
    let (shown, searched) = source.shown();
    let watched = alarms.iter().flat_map(|alarm| alarm.metrics.values());
    let mut count = 0;
    for Watched {
        namespace,
        name,
        dimensions,
    } in watched.chain(&shown)
    {
        if !is_ours(namespace) {
            assert_documented(
                namespace,
                name,
                &dimensions.keys().map(String::as_str).collect(),
            );
            count += 1;
        }
    }
    for Search {
        namespace,
        name,
        dimensions,
        ..
    } in &searched
    {
        if !is_ours(namespace) {
            assert_documented(
                namespace,
                name,
                &dimensions.iter().map(String::as_str).collect(),
            );
        }
    }
    assert!(count > 50);
}
