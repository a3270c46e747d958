//! What may be done with what, in the words of IAM, and how a request is put into them.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;
use shoptrail_local::testing::Recorded;

/// An action on a resource of the template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Permission {
    /// Such as `dynamodb:Query`.
    pub(crate) action: String,
    /// A table's name, `table/index/name`, or the logical id of a queue or a secret.
    pub(crate) resource: String,
}

impl Permission {
    pub(crate) fn new(action: &str, resource: &str) -> Self {
        Self {
            action: action.to_owned(),
            resource: resource.to_owned(),
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.action, self.resource)
    }
}

/// What a request needs.
///
/// A transaction has no permission of its own but needs those of the actions in it, and an index is a resource of its
/// own: whoever asks an index needs nothing of its table.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html>
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>
///
/// Messages are sent with one permission, be it one or many at once.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html>
pub(crate) fn needed(request: &Recorded) -> BTreeSet<Permission> {
    let Recorded {
        operation, body, ..
    } = request;
    let of_dynamodb = |operation: &str, resource: &str| {
        assert!(!resource.is_empty(), "{operation} names no table: {body}");
        Permission::new(&format!("dynamodb:{operation}"), resource)
    };
    match (request.service.as_str(), operation.as_str()) {
        ("DynamoDB_20120810", "TransactWriteItems") => list(&body["TransactItems"])
            .map(|item| {
                let (kind, action) = only_field(item);
                let operation = match kind {
                    "ConditionCheck" => "ConditionCheckItem",
                    "Delete" => "DeleteItem",
                    "Put" => "PutItem",
                    "Update" => "UpdateItem",
                    other => panic!("a transaction with {other}"),
                };
                of_dynamodb(operation, text(&action["TableName"]))
            })
            .collect(),
        ("DynamoDB_20120810", "BatchGetItem" | "BatchWriteItem") => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            tables
                .map(|(table, _)| of_dynamodb(operation, table))
                .collect()
        }
        (
            "DynamoDB_20120810",
            "DeleteItem" | "GetItem" | "PutItem" | "Query" | "Scan" | "UpdateItem",
        ) => {
            let table = text(&body["TableName"]);
            let resource = match &body["IndexName"] {
                Value::String(index) => format!("{table}/index/{index}"),
                _ => table.to_owned(),
            };
            [of_dynamodb(operation, &resource)].into()
        }
        ("AmazonSQS", "SendMessage" | "SendMessageBatch") => {
            let url = text(&body["QueueUrl"]);
            let queue = url.rsplit('/').next().unwrap_or_default();
            [Permission::new("sqs:SendMessage", queue)].into()
        }
        (service, operation) => panic!("nobody knows what {service}.{operation} needs"),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn only_field(value: &Value) -> (&str, &Value) {
    let mut fields = value.as_object().into_iter().flatten();
    let (name, value) = fields.next().expect("a field");
    assert!(fields.next().is_none(), "one field alone");
    (name, value)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn needs(service: &str, operation: &str, body: Value) -> Vec<String> {
        let request = Recorded {
            service: service.into(),
            operation: operation.into(),
            body,
            scanned: 0,
            units: 0.0,
        };
        needed(&request).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_transaction_needs_what_its_actions_need() {
        let actions = json!({ "TransactItems": [
            { "Put": { "TableName": "a" } }, { "Put": { "TableName": "a" } }, { "Delete": { "TableName": "b" } },
            { "Update": { "TableName": "c" } }, { "ConditionCheck": { "TableName": "d" } },
        ] });
        assert_eq!(
            needs("DynamoDB_20120810", "TransactWriteItems", actions),
            [
                "dynamodb:ConditionCheckItem on d",
                "dynamodb:DeleteItem on b",
                "dynamodb:PutItem on a",
                "dynamodb:UpdateItem on c"
            ]
        );
    }

    #[test]
    fn an_index_is_asked_for_itself_and_a_batch_for_each_of_its_tables() {
        let query = json!({ "TableName": "a", "IndexName": "i" });
        assert_eq!(
            needs("DynamoDB_20120810", "Query", query),
            ["dynamodb:Query on a/index/i"]
        );
        let batch = json!({ "RequestItems": { "a": [], "b": [] } });
        assert_eq!(
            needs("DynamoDB_20120810", "BatchWriteItem", batch),
            [
                "dynamodb:BatchWriteItem on a",
                "dynamodb:BatchWriteItem on b"
            ]
        );
    }
}
