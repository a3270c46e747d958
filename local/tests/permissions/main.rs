//! No function may touch a table or do anything that it does not need, and each may do all that it does: everything
//! that the functions can be asked is asked, each on a way to the database of its own, and what they then asked of AWS
//! is held against what the template grants them, in both directions.
//!
//! What every function needs for its logs and its traces SAM adds by itself, and it stands in no policy here.
//! <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html>
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

mod asked;
mod granted;
mod permission;

use std::collections::{BTreeMap, BTreeSet};

use shoptrail_local::template::EMBEDDED;

use asked::WriteMode;
use granted::{Function, functions};
use permission::Permission;

type Used = BTreeMap<String, BTreeSet<Permission>>;

/// What Lambda does as a function, which no request of the function shows: it takes the messages and the changes that it
/// hands over.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions>
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html>
const DONE_BY_LAMBDA: [(&str, &str, &str); 7] = [
    ("cart-writer", "sqs:DeleteMessage", "EventQueue"),
    ("cart-writer", "sqs:GetQueueAttributes", "EventQueue"),
    ("cart-writer", "sqs:ReceiveMessage", "EventQueue"),
    (
        "privacy-worker",
        "dynamodb:DescribeStream",
        "privacy_jobs/stream",
    ),
    (
        "privacy-worker",
        "dynamodb:GetRecords",
        "privacy_jobs/stream",
    ),
    (
        "privacy-worker",
        "dynamodb:GetShardIterator",
        "privacy_jobs/stream",
    ),
    ("privacy-worker", "dynamodb:ListStreams", "*"),
];

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:a-secret";

/// The template's functions in a deployment of this write mode, which has all secrets.
fn deployed(template: &str, mode: WriteMode) -> Result<BTreeMap<String, Function>, String> {
    let parameters = [
        ("WriteMode", mode.as_str()),
        ("ShopifyApiSecretArn", ARN),
        ("GroqApiKeySecretArn", ARN),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    functions(template, &parameters.into())
}

/// What is granted and not used, what is granted twice, and what is used and not granted.
fn complaints(functions: &BTreeMap<String, Function>, used: &Used) -> Vec<String> {
    let mut complaints = Vec::new();
    let names: BTreeSet<_> = functions.keys().chain(used.keys()).collect();
    for name in names {
        let (Some(function), Some(used)) = (functions.get(name), used.get(name)) else {
            complaints.push(format!("{name} is not both deployed and asked"));
            continue;
        };
        let mut used = used.clone();
        let of_lambda = DONE_BY_LAMBDA.iter().filter(|(of, ..)| of == name);
        used.extend(of_lambda.map(|(_, action, resource)| Permission::new(action, resource)));
        let secrets = function.secrets.iter();
        used.extend(secrets.map(|secret| Permission::new("secretsmanager:GetSecretValue", secret)));
        let mut granted = BTreeSet::new();
        for grant in &function.grants {
            let (statement, permission) = (&grant.statement, &grant.permission);
            if !granted.insert(permission) {
                complaints.push(format!("{name}: {statement} grants {permission} once more"));
            } else if !used.contains(permission) {
                complaints.push(format!(
                    "{name}: {statement} grants {permission}, which is not used"
                ));
            }
        }
        let missing = used
            .iter()
            .filter(|permission| !granted.contains(permission));
        complaints.extend(
            missing.map(|permission| format!("{name} uses {permission}, which nothing grants")),
        );
    }
    complaints
}

async fn assert_granted_is_used(mode: WriteMode) {
    let functions = deployed(EMBEDDED, mode).unwrap();
    let used = asked::everything(mode, &functions).await;
    let complaints = complaints(&functions, &used);
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[tokio::test]
async fn each_function_may_do_what_it_does_and_no_more() {
    assert_granted_is_used(WriteMode::Direct).await;
}

#[tokio::test]
async fn each_function_may_do_what_it_does_and_no_more_with_a_queue() {
    assert_granted_is_used(WriteMode::Queue).await;
}

/// What a template grants, taken for what is used.
fn all_granted(functions: &BTreeMap<String, Function>) -> Used {
    let granted = functions.iter().map(|(name, function)| {
        let grants = function.grants.iter();
        let own = grants.map(|grant| grant.permission.clone());
        (name.clone(), own.collect())
    });
    granted.collect()
}

#[test]
fn a_secret_that_is_not_there_is_granted_to_nobody() {
    for (shopify, groq) in [("", ""), (ARN, ""), ("", ARN)] {
        let parameters = [
            ("ShopifyApiSecretArn", shopify),
            ("GroqApiKeySecretArn", groq),
        ];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let functions = functions(EMBEDDED, &parameters.into()).unwrap();
        for (name, function) in functions {
            let grants = function.grants.iter().map(|grant| &grant.permission);
            let granted: BTreeSet<_> = grants
                .filter(|permission| permission.action == "secretsmanager:GetSecretValue")
                .map(|permission| permission.resource.clone())
                .collect();
            assert_eq!(granted, function.secrets, "{name}, {shopify:?}, {groq:?}");
        }
    }
}

#[test]
fn an_action_too_many_one_too_few_and_another_table_are_found() {
    let used = all_granted(&deployed(EMBEDDED, WriteMode::Queue).unwrap());
    let found = |from: &str, to: &str| {
        assert!(EMBEDDED.contains(from), "the template has {from:?}");
        let changed = EMBEDDED.replacen(from, to, 1);
        complaints(&deployed(&changed, WriteMode::Queue).unwrap(), &used)
    };
    let popups = "Sid: ListPopups\n              Effect: Allow\n              Action: dynamodb:Query\n              \
                  Resource: !GetAtt AskAiDecisionsTable.Arn";
    let wider = popups.replace("dynamodb:Query", "[dynamodb:Query, dynamodb:PutItem]");
    assert_eq!(
        found(popups, &wider),
        [
            "cart-tracking: ListPopups grants dynamodb:PutItem on ask_ai_decisions, which is not used"
        ]
    );
    let elsewhere = popups.replace("AskAiDecisionsTable", "ApiKeysTable");
    assert_eq!(
        found(popups, &elsewhere),
        [
            "cart-tracking: ListPopups grants dynamodb:Query on api_keys, which is not used",
            "cart-tracking uses dynamodb:Query on ask_ai_decisions, which nothing grants",
        ]
    );
    let narrower = popups.replace("Action: dynamodb:Query", "Action: []");
    assert_eq!(
        found(popups, &narrower),
        ["cart-tracking uses dynamodb:Query on ask_ai_decisions, which nothing grants"]
    );
    let queue = "Action: sqs:SendMessage\n                Resource: !GetAtt EventQueue.Arn";
    let dead = queue.replace("EventQueue", "EventDeadLetterQueue");
    assert_eq!(found(queue, &dead).len(), 2);
}

#[test]
fn what_cannot_be_looked_at_is_refused() {
    let refused = |from: &str, to: &str| {
        assert!(EMBEDDED.contains(from), "the template has {from:?}");
        let changed = EMBEDDED.replacen(from, to, 1);
        deployed(&changed, WriteMode::Direct).unwrap_err()
    };
    let action = "Action: dynamodb:GetItem";
    assert_eq!(
        refused(action, "Action: dynamodb:*"),
        "CartTrackingFunction: ReadKeysAndSwitches allows dynamodb:*, a wildcard"
    );
    let index = "index/idx_session_id\"";
    assert!(refused(index, "index/*\"").ends_with("which is no index of cart_tracking_events"));
    for (from, to) in [
        ("Resource: !GetAtt ErasuresTable.Arn", "Resource: \"*\""),
        ("Effect: Allow", "Effect: Deny"),
        (action, "NotAction: dynamodb:GetItem"),
        ("- !Ref TrustPolicy", "- AmazonDynamoDBFullAccess"),
        (
            "- !Ref TrustPolicy",
            "- DynamoDBCrudPolicy: { TableName: a }",
        ),
    ] {
        refused(from, to);
    }
}
