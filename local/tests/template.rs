//! What the gateway reads from a template, and what it says about a broken one.
#![expect(
    clippy::expect_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::BTreeMap;

use shoptrail_local::template::{
    AttributeType, EMBEDDED, Index, Key, Projection, Route, RouteMatch, Template, Throttle,
};

const SMALL: &str = r#"
Parameters:
  TablePrefix: { Type: String, Default: "dev_" }
  Rate: { Type: Number, Default: 2.5 }
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefaultRouteSettings: { ThrottlingRateLimit: !Ref Rate, ThrottlingBurstLimit: 5 }
      RouteSettings:
        POST /ingest: { ThrottlingBurstLimit: 50 }
        GET /sessions/{session}: { DetailedMetricsEnabled: true }
  Sessions:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub "${TablePrefix}sessions"
      AttributeDefinitions:
        - { AttributeName: pk, AttributeType: S }
        - { AttributeName: at, AttributeType: N }
      KeySchema:
        - { AttributeName: pk, KeyType: HASH }
      GlobalSecondaryIndexes:
        - IndexName: by_time
          KeySchema:
            - { AttributeName: pk, KeyType: HASH }
            - { AttributeName: at, KeyType: RANGE }
          Projection: { ProjectionType: INCLUDE, NonKeyAttributes: [store] }
      TimeToLiveSpecification: { AttributeName: expires_at, Enabled: true }
  Ingest:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: session-ingest } }
    Properties:
      Role: !If [SomeCondition, !GetAtt Role.Arn, !Ref AWS::NoValue]
      Events:
        Post: { Type: HttpApi, Properties: { Method: post, Path: /ingest } }
        Get: { Type: HttpApi, Properties: { Method: GET, Path: "/sessions/{session}" } }
        Any: { Type: HttpApi, Properties: { Method: ANY, Path: /any } }
        Rest: { Type: HttpApi, Properties: { Method: ANY, Path: $default } }
        Daily: { Type: Schedule, Properties: { Schedule: rate(1 day) } }
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Changed: { Type: DynamoDB, Properties: { Stream: !GetAtt Sessions.StreamArn, StartingPosition: LATEST } }
"#;

fn parse(text: &str) -> Result<Template, String> {
    Template::parse(text, &BTreeMap::new()).map_err(|error| error.to_string())
}

/// The message about the small template after one change.
fn complaint(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "the change applies");
    parse(&SMALL.replacen(from, to, 1)).expect_err("the changed template is refused")
}

#[test]
fn the_template_of_this_repository_is_readable() {
    let template = parse(EMBEDDED).unwrap();
    assert!(
        template
            .tables
            .iter()
            .any(|table| table.name == "cart_tracking_events")
    );
    assert!(
        template
            .routes
            .iter()
            .any(|route| route.matches == RouteMatch::Default)
    );
    assert!(
        template
            .tables
            .iter()
            .all(|table| table.ttl_attribute.as_deref() == Some("expires_at"))
    );
    assert!(template.throttling.for_route("POST /ingest").is_some());
}

#[test]
fn tables_are_read_with_keys_indexes_and_ttl() {
    let template = parse(SMALL).unwrap();
    let [table] = template.tables.as_slice() else {
        panic!("one table")
    };
    assert_eq!(table.name, "dev_sessions");
    assert_eq!(
        table.key,
        Key {
            partition: "pk".into(),
            sort: None
        }
    );
    assert_eq!(table.attributes["at"], AttributeType::Number);
    assert_eq!(table.ttl_attribute.as_deref(), Some("expires_at"));
    assert_eq!(
        table.indexes,
        [Index {
            name: "by_time".into(),
            key: Key {
                partition: "pk".into(),
                sort: Some("at".into())
            },
            projection: Projection::Include(vec!["store".into()]),
        }]
    );
}

#[test]
fn a_parameter_can_be_overridden() {
    let overrides = BTreeMap::from([("TablePrefix".to_owned(), "other_".to_owned())]);
    let template = Template::parse(SMALL, &overrides).unwrap();
    assert_eq!(template.tables[0].name, "other_sessions");
}

#[test]
fn routes_are_read_with_their_binaries() {
    let route = |path: &str, method: Option<&str>| Route {
        function: "session-ingest".into(),
        matches: RouteMatch::Path {
            path: path.into(),
            method: method.map(Into::into),
        },
    };
    assert_eq!(
        parse(SMALL).unwrap().routes,
        [
            route("/any", None),
            route("/ingest", Some("POST")),
            route("/sessions/{session}", Some("GET")),
            Route {
                function: "session-ingest".into(),
                matches: RouteMatch::Default
            },
        ]
    );
}

#[test]
fn a_route_inherits_what_its_throttle_leaves_out() {
    let throttling = parse(SMALL).unwrap().throttling;
    let default = Throttle {
        rate_per_second: 2.5,
        burst: 5,
    };
    assert_eq!(throttling.for_route("$default"), Some(default));
    assert_eq!(
        throttling.for_route("GET /sessions/{session}"),
        Some(default)
    );
    assert_eq!(
        throttling.for_route("POST /ingest"),
        Some(Throttle {
            rate_per_second: 2.5,
            burst: 50
        })
    );
}

#[test]
fn a_broken_template_is_refused_with_the_place() {
    assert_eq!(
        complaint("Binary: session-ingest", "Other: x"),
        "the template lacks Ingest.Metadata.BuildProperties.Binary"
    );
    assert_eq!(
        complaint("AttributeType: N", "AttributeType: Q"),
        "the template's Sessions.Properties.AttributeDefinitions[1].AttributeType must be S, N or B"
    );
    assert_eq!(
        complaint("${TablePrefix}sessions", "${Prefix}sessions"),
        "the template's Sessions.Properties.TableName refers to Prefix, which is no parameter with a default"
    );
    assert_eq!(
        complaint("!Sub \"${TablePrefix}sessions\"", "!GetAtt Other.Name"),
        "the template's Sessions.Properties.TableName uses !GetAtt, which the local gateway cannot work out"
    );
    assert_eq!(
        complaint(
            "{ AttributeName: pk, KeyType: HASH }\n      Global",
            "{ AttributeName: id, KeyType: HASH }\n      Global"
        ),
        "the template's Sessions has the key attribute id without a definition"
    );
    assert_eq!(
        complaint(
            "AttributeName: at, KeyType: RANGE",
            "AttributeName: pk, KeyType: RANGE"
        ),
        "the template's Sessions defines the attribute at, which no key uses"
    );
    assert_eq!(
        complaint("KeyType: RANGE", "KeyType: HASH"),
        "the template's Sessions.Properties.GlobalSecondaryIndexes[0].KeySchema must be one HASH and at most one RANGE key"
    );
    assert_eq!(
        complaint("Method: ANY, Path: /any", "Method: POST, Path: /ingest"),
        "the template declares the route POST /ingest twice"
    );
    assert_eq!(
        complaint("POST /ingest:", "POST /ingset:"),
        "the template throttles the route POST /ingset, which it does not declare"
    );
    assert_eq!(
        complaint("Path: /any", "Path: any"),
        "the template's Ingest.Properties.Events.Any.Properties.Path must be $default or a path that begins with /"
    );
    assert_eq!(
        complaint("Method: post", "Method: fetch"),
        "the template's Ingest.Properties.Events.Post.Properties.Method must be an HTTP method or ANY"
    );
    assert_eq!(
        complaint("Default: 2.5", "Default: -1"),
        "the template's Api.Properties.DefaultRouteSettings.ThrottlingRateLimit must be a number of requests a second, 0 or more"
    );
    assert_eq!(
        complaint("ThrottlingBurstLimit: 50", "ThrottlingBurstLimit: many"),
        "the template's Api.Properties.RouteSettings.POST /ingest.ThrottlingBurstLimit must be a whole number of requests, 0 or more"
    );
    assert_eq!(
        complaint("Resources:", "Things:"),
        "the template lacks Resources"
    );
}

#[test]
fn no_text_makes_the_reader_panic() {
    for text in [
        "",
        "null",
        "[]",
        "42",
        "Resources: 7",
        "Resources: !Ref X",
        "a: b: c",
        "Parameters: [1]\nResources: {}",
        "Resources: { A: 1 }",
        "Resources: { A: { Type: AWS::DynamoDB::Table } }",
        "? [a]\n: b",
        "Resources: { 1: { Type: X } }",
        "\u{0}",
    ] {
        assert!(parse(text).is_err(), "{text:?} is refused");
    }
    for end in (0..EMBEDDED.len())
        .step_by(97)
        .filter(|end| EMBEDDED.is_char_boundary(*end))
    {
        // Whether half a template makes sense does not matter here.
        let _ = parse(&EMBEDDED[..end]);
    }
}
