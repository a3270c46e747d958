//! Reads `template.yaml`, the one declaration of tables, routes and throttles, into plain structs.
//!
//! Only what the gateway serves is read: DynamoDB tables, the HTTP API's routes with the binaries
//! behind them, the throttling settings, and the queue that a function is handed the messages of. Everything else in the template (policies, alarms,
//! outputs) is CloudFormation's business and is passed over, so that it can use any intrinsic
//! function; where the gateway does read, `!Ref` and `!Sub` of parameters are understood.

use std::collections::{BTreeMap, BTreeSet};

use serde_norway::Value;
use thiserror::Error;

/// The template of the source tree that this binary was built from.
///
/// It is built in, not looked up at run time, for two reasons: the binary runs from any folder and
/// on a host that has no source tree, and the routes always fit the handlers that were compiled
/// beside them. Whoever wants to try other throttles without a build passes `--template`.
pub const EMBEDDED: &str = include_str!("../../template.yaml");

/// What the local gateway takes from a SAM template.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The parameters with their values: the overrides, else the template's defaults.
    pub parameters: BTreeMap<String, String>,
    /// The DynamoDB tables, in the order of their logical ids.
    pub tables: Vec<Table>,
    /// The routes of the HTTP API, sorted by function, path and method.
    pub routes: Vec<Route>,
    /// The HTTP API's throttles.
    pub throttling: Throttling,
    /// The queue whose messages a function is handed, where there is one.
    pub queue: Option<Queue>,
}

/// An `AWS::SQS::Queue` with its `AWS::Lambda::EventSourceMapping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// How many messages a function is handed at once, at most.
    pub batch_size: usize,
    /// How many seconds a message is hidden once it was handed over.
    pub visibility_seconds: u64,
    /// How often a message is handed over before it goes to the dead letters.
    pub max_receives: u32,
}

/// One `AWS::DynamoDB::Table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The resource's name in the template.
    pub logical_id: String,
    /// The table's name, with the parameters put in.
    pub name: String,
    /// The primary key.
    pub key: Key,
    /// The types of all key attributes, those of the indexes included.
    pub attributes: BTreeMap<String, AttributeType>,
    /// The global secondary indexes, in the template's order.
    pub indexes: Vec<Index>,
    /// The attribute that holds an item's expiry in unix seconds, where the table has a TTL.
    pub ttl_attribute: Option<String>,
}

/// A partition key, perhaps with a sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The attribute of type HASH.
    pub partition: String,
    /// The attribute of type RANGE.
    pub sort: Option<String>,
}

/// The type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeType {
    /// `S`
    String,
    /// `N`
    Number,
    /// `B`
    Binary,
}

/// One global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// What it holds besides the keys.
    pub projection: Projection,
}

/// What an index holds besides the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// The whole item.
    All,
    /// Nothing.
    KeysOnly,
    /// These attributes.
    Include(Vec<String>),
}

/// A route of the HTTP API and the binary that answers it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The `Metadata.BuildProperties.Binary` of the function.
    pub function: String,
    /// What the route matches.
    pub matches: RouteMatch,
}

/// What a route matches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteMatch {
    /// A method and a path.
    Path {
        /// A path as API Gateway writes it: `/sessions/{session}`, `/demo/{proxy+}`.
        path: String,
        /// An upper-case method; `None` is `ANY`.
        method: Option<String>,
    },
    /// `$default`: whatever no other route matches.
    Default,
}

impl RouteMatch {
    /// The route key as API Gateway writes it: `POST /ingest`, `ANY /x` or `$default`.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Default => "$default".to_owned(),
            Self::Path { path, method } => {
                format!("{} {path}", method.as_deref().unwrap_or("ANY"))
            }
        }
    }
}

/// The throttles of the HTTP API.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Throttling {
    /// What each route without settings of its own has, for itself.
    pub default: Option<Throttle>,
    /// Settings by route key.
    pub routes: BTreeMap<String, Throttle>,
}

impl Throttling {
    /// The throttle of one route, by its key.
    #[must_use]
    pub fn for_route(&self, key: &str) -> Option<Throttle> {
        self.routes.get(key).copied().or(self.default)
    }
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttle {
    /// Tokens a second.
    pub rate_per_second: f64,
    /// The bucket's size.
    pub burst: u32,
}

/// Why a template cannot be served. Each names the place.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// The text is no YAML.
    #[error("the template is no valid YAML")]
    Syntax(#[source] serde_norway::Error),
    /// Something required is not there.
    #[error("the template lacks {place}")]
    Missing {
        /// The path from the resource's name.
        place: String,
    },
    /// Something has the wrong form.
    #[error("the template's {place} must be {expected}")]
    Wrong {
        /// The path from the resource's name.
        place: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A reference to something that has no value here.
    #[error("the template's {place} refers to {name}, which is no parameter with a default")]
    UnknownReference {
        /// The path from the resource's name.
        place: String,
        /// The name referred to.
        name: String,
    },
    /// An intrinsic function other than `!Ref` and `!Sub`.
    #[error("the template's {place} uses {function}, which the local gateway cannot work out")]
    UnsupportedFunction {
        /// The path from the resource's name.
        place: String,
        /// The function, as written.
        function: String,
    },
    /// A table key without an attribute definition.
    #[error("the template's {table} has the key attribute {attribute} without a definition")]
    UndefinedAttribute {
        /// The table's logical id.
        table: String,
        /// The attribute.
        attribute: String,
    },
    /// An attribute definition that no key uses: DynamoDB refuses such a table.
    #[error("the template's {table} defines the attribute {attribute}, which no key uses")]
    UnusedAttribute {
        /// The table's logical id.
        table: String,
        /// The attribute.
        attribute: String,
    },
    /// Two routes with one key.
    #[error("the template declares the route {key} twice")]
    DuplicateRoute {
        /// The route key.
        key: String,
    },
    /// A throttle for a route that does not exist.
    #[error("the template throttles the route {key}, which it does not declare")]
    UnknownThrottledRoute {
        /// The route key.
        key: String,
    },
    /// A function is handed the messages of something that is no queue of the template.
    #[error("the template's {mapping} names no queue of the template")]
    UnknownQueue {
        /// The mapping's logical id.
        mapping: String,
    },
    /// Two HTTP APIs: the gateway has one address.
    #[error("the template declares more than one AWS::Serverless::HttpApi")]
    SeveralApis,
}

impl Template {
    /// Reads a template, with `overrides` in the place of parameters' defaults.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] with the place at fault.
    pub fn parse(text: &str, overrides: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let document: Value = serde_norway::from_str(text).map_err(TemplateError::Syntax)?;
        let nothing = BTreeMap::new();
        let mut parameters = BTreeMap::new();
        let root = Node {
            value: &document,
            place: String::new(),
            parameters: &nothing,
        };
        for (name, declared) in root.optional_fields("Parameters")? {
            if let Some(value) = overrides.get(&name) {
                parameters.insert(name, value.clone());
            } else if let Some(default) = declared.optional("Default")? {
                parameters.insert(name, default.text()?);
            }
        }

        let mut tables = Vec::new();
        let mut routes = Vec::new();
        let mut throttling = None;
        let (mut queues, mut mapping) = (BTreeMap::new(), None);
        for (logical_id, resource) in root
            .with_parameters(&parameters)
            .required_fields("Resources")?
        {
            match resource.required("Type")?.text()?.as_str() {
                "AWS::DynamoDB::Table" => tables.push(read_table(logical_id, &resource)?),
                "AWS::Serverless::Function" => read_routes(&resource, &mut routes)?,
                "AWS::Serverless::HttpApi" if throttling.is_some() => {
                    return Err(TemplateError::SeveralApis);
                }
                "AWS::Serverless::HttpApi" => throttling = Some(read_throttling(&resource)?),
                "AWS::SQS::Queue" => {
                    queues.extend(read_queue(&resource)?.map(|queue| (logical_id, queue)));
                }
                "AWS::Lambda::EventSourceMapping" => {
                    let read = read_mapping(&resource)?;
                    mapping = read.map(|read| (logical_id, read)).or(mapping);
                }
                _ => {}
            }
        }
        tables.sort_by(|a, b| a.logical_id.cmp(&b.logical_id));
        routes.sort();
        let throttling = throttling.unwrap_or_default();

        let mut keys = BTreeSet::new();
        for route in &routes {
            let key = route.matches.key();
            if !keys.insert(key.clone()) {
                return Err(TemplateError::DuplicateRoute { key });
            }
        }
        // API Gateway refuses such a deployment, and here it would be a throttle that never acts.
        if let Some(key) = throttling.routes.keys().find(|key| !keys.contains(*key)) {
            return Err(TemplateError::UnknownThrottledRoute { key: key.clone() });
        }
        let queue = mapping.map(
            |(mapping, (source, batch_size))| match queues.get(&source) {
                Some(queue) => Ok(Queue {
                    batch_size,
                    ..*queue
                }),
                None => Err(TemplateError::UnknownQueue { mapping }),
            },
        );
        Ok(Self {
            parameters,
            tables,
            routes,
            throttling,
            queue: queue.transpose()?,
        })
    }
}

fn read_table(logical_id: String, resource: &Node<'_>) -> Result<Table, TemplateError> {
    let properties = resource.required("Properties")?;
    let mut attributes = BTreeMap::new();
    for definition in properties.required("AttributeDefinitions")?.items()? {
        let kind = definition.required("AttributeType")?;
        let kind = match kind.text()?.as_str() {
            "S" => AttributeType::String,
            "N" => AttributeType::Number,
            "B" => AttributeType::Binary,
            _ => return Err(kind.wrong("S, N or B")),
        };
        attributes.insert(definition.required("AttributeName")?.text()?, kind);
    }
    let key = read_key(&properties)?;
    let mut indexes = Vec::new();
    for index in properties.optional_items("GlobalSecondaryIndexes")? {
        let projection = index.required("Projection")?;
        let kind = projection.required("ProjectionType")?;
        let projection = match kind.text()?.as_str() {
            "ALL" => Projection::All,
            "KEYS_ONLY" => Projection::KeysOnly,
            "INCLUDE" => Projection::Include(
                projection
                    .required("NonKeyAttributes")?
                    .items()?
                    .iter()
                    .map(Node::text)
                    .collect::<Result<_, _>>()?,
            ),
            _ => return Err(kind.wrong("ALL, KEYS_ONLY or INCLUDE")),
        };
        indexes.push(Index {
            name: index.required("IndexName")?.text()?,
            key: read_key(&index)?,
            projection,
        });
    }
    let ttl_attribute = match properties.optional("TimeToLiveSpecification")? {
        Some(ttl) if ttl.required("Enabled")?.boolean()? => {
            Some(ttl.required("AttributeName")?.text()?)
        }
        _ => None,
    };
    let table = Table {
        name: match properties.optional("TableName")? {
            Some(name) => name.text()?,
            // CloudFormation makes up a name with a random tail; here the logical id is unique enough.
            None => logical_id.clone(),
        },
        logical_id,
        key,
        attributes,
        indexes,
        ttl_attribute,
    };

    let mut used = BTreeSet::new();
    for key in std::iter::once(&table.key).chain(table.indexes.iter().map(|index| &index.key)) {
        used.insert(key.partition.as_str());
        used.extend(key.sort.as_deref());
    }
    if let Some(attribute) = used
        .iter()
        .find(|name| !table.attributes.contains_key(**name))
    {
        return Err(TemplateError::UndefinedAttribute {
            attribute: (*attribute).to_owned(),
            table: table.logical_id.clone(),
        });
    }
    if let Some(attribute) = table
        .attributes
        .keys()
        .find(|name| !used.contains(name.as_str()))
    {
        return Err(TemplateError::UnusedAttribute {
            attribute: attribute.clone(),
            table: table.logical_id.clone(),
        });
    }
    Ok(table)
}

fn read_key(holder: &Node<'_>) -> Result<Key, TemplateError> {
    let schema = holder.required("KeySchema")?;
    let (mut partition, mut sort) = (None, None);
    for element in schema.items()? {
        let kind = element.required("KeyType")?;
        let slot = match kind.text()?.as_str() {
            "HASH" => &mut partition,
            "RANGE" => &mut sort,
            _ => return Err(kind.wrong("HASH or RANGE")),
        };
        if slot
            .replace(element.required("AttributeName")?.text()?)
            .is_some()
        {
            return Err(schema.wrong("one HASH and at most one RANGE key"));
        }
    }
    match partition {
        Some(partition) => Ok(Key { partition, sort }),
        None => Err(schema.wrong("one HASH and at most one RANGE key")),
    }
}

fn read_routes(resource: &Node<'_>, routes: &mut Vec<Route>) -> Result<(), TemplateError> {
    let properties = resource.required("Properties")?;
    for (_, event) in properties.optional_fields("Events")? {
        if event.required("Type")?.text()? != "HttpApi" {
            continue;
        }
        // Only a function with routes needs a binary that the gateway knows.
        let function = resource
            .required("Metadata")?
            .required("BuildProperties")?
            .required("Binary")?
            .text()?;
        let (path, method) = match event.optional("Properties")? {
            Some(properties) => (properties.optional("Path")?, properties.optional("Method")?),
            None => (None, None),
        };
        let matches = match path {
            // SAM's two ways of writing the catch-all: no path, or its name.
            None => RouteMatch::Default,
            Some(path) if path.text()? == "$default" => RouteMatch::Default,
            Some(path) => {
                let text = path.text()?;
                if !text.starts_with('/') {
                    return Err(path.wrong("$default or a path that begins with /"));
                }
                let method = match method {
                    None => None,
                    Some(method) => match method.text()?.to_ascii_uppercase().as_str() {
                        "ANY" | "*" | "X-AMAZON-APIGATEWAY-ANY-METHOD" => None,
                        name @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"
                        | "OPTIONS") => Some(name.to_owned()),
                        _ => return Err(method.wrong("an HTTP method or ANY")),
                    },
                };
                RouteMatch::Path { path: text, method }
            }
        };
        routes.push(Route { function, matches });
    }
    Ok(())
}

/// A queue with dead letters; without them it is one itself.
fn read_queue(resource: &Node<'_>) -> Result<Option<Queue>, TemplateError> {
    const SECONDS: &str = "a whole number of seconds";
    // What SQS takes for a queue that does not say.
    const VISIBILITY_SECONDS: u64 = 30;
    let Some(properties) = resource.optional("Properties")? else {
        return Ok(None);
    };
    let Some(redrive) = properties.optional("RedrivePolicy")? else {
        return Ok(None);
    };
    let visibility = properties.optional("VisibilityTimeout")?;
    Ok(Some(Queue {
        batch_size: 0,
        visibility_seconds: match visibility {
            Some(seconds) => seconds.parsed(SECONDS)?,
            None => VISIBILITY_SECONDS,
        },
        max_receives: redrive
            .required("maxReceiveCount")?
            .parsed("a whole number of deliveries")?,
    }))
}

/// The logical id of what a function is handed the messages of, and how many at once; none where it is handed the changes
/// of a table, which the gateway's own worker looks for itself.
fn read_mapping(resource: &Node<'_>) -> Result<Option<(String, usize)>, TemplateError> {
    // What Lambda takes for a mapping that does not say.
    const BATCH_SIZE: usize = 10;
    let properties = resource.required("Properties")?;
    let source = properties.required("EventSourceArn")?;
    if source.is_arn_of_stream() {
        return Ok(None);
    }
    let batch_size = match properties.optional("BatchSize")? {
        Some(size) => size.parsed("a whole number of messages")?,
        None => BATCH_SIZE,
    };
    Ok(Some((source.owner_of_arn()?, batch_size)))
}

fn read_throttling(resource: &Node<'_>) -> Result<Throttling, TemplateError> {
    let Some(properties) = resource.optional("Properties")? else {
        return Ok(Throttling::default());
    };
    let default = match properties.optional("DefaultRouteSettings")? {
        Some(settings) => read_throttle(&settings, None)?,
        None => None,
    };
    let mut routes = BTreeMap::new();
    for (key, settings) in properties.optional_fields("RouteSettings")? {
        // Route settings may hold logging alone, and may set one of the two numbers.
        if let Some(throttle) = read_throttle(&settings, default)? {
            routes.insert(key, throttle);
        }
    }
    Ok(Throttling { default, routes })
}

fn read_throttle(
    settings: &Node<'_>,
    inherited: Option<Throttle>,
) -> Result<Option<Throttle>, TemplateError> {
    let rate = settings.optional("ThrottlingRateLimit")?;
    let burst = settings.optional("ThrottlingBurstLimit")?;
    if rate.is_none() && burst.is_none() {
        return Ok(inherited);
    }
    let rate_per_second = match &rate {
        Some(rate) => rate.parsed::<f64>("a number of requests a second, 0 or more")?,
        None => inherited
            .map(|throttle| throttle.rate_per_second)
            .ok_or_else(|| settings.missing("ThrottlingRateLimit"))?,
    };
    if let Some(rate) = &rate
        && !(rate_per_second.is_finite() && rate_per_second >= 0.0)
    {
        return Err(rate.wrong("a number of requests a second, 0 or more"));
    }
    let burst = match &burst {
        Some(burst) => burst.parsed::<u32>("a whole number of requests, 0 or more")?,
        None => inherited
            .map(|throttle| throttle.burst)
            .ok_or_else(|| settings.missing("ThrottlingBurstLimit"))?,
    };
    Ok(Some(Throttle {
        rate_per_second,
        burst,
    }))
}

/// A value with the way to it, so that every complaint names the place.
struct Node<'a> {
    value: &'a Value,
    place: String,
    parameters: &'a BTreeMap<String, String>,
}

impl<'a> Node<'a> {
    fn with_parameters<'b>(&self, parameters: &'b BTreeMap<String, String>) -> Node<'b>
    where
        'a: 'b,
    {
        Node {
            value: self.value,
            place: self.place.clone(),
            parameters,
        }
    }

    fn child(&self, name: &str, value: &'a Value) -> Node<'a> {
        let place = match self.place.as_str() {
            // A reader looks for the resource's own name.
            "" | "Resources" => name.to_owned(),
            place => format!("{place}.{name}"),
        };
        Node {
            value,
            place,
            parameters: self.parameters,
        }
    }

    fn wrong(&self, expected: &'static str) -> TemplateError {
        TemplateError::Wrong {
            place: self.place.clone(),
            expected,
        }
    }

    fn missing(&self, name: &str) -> TemplateError {
        TemplateError::Missing {
            place: self.child(name, &Value::Null).place,
        }
    }

    fn optional(&self, name: &str) -> Result<Option<Node<'a>>, TemplateError> {
        match self.value {
            Value::Mapping(mapping) => Ok(mapping
                .get(name)
                .filter(|value| !value.is_null())
                .map(|value| self.child(name, value))),
            Value::Tagged(tagged) => Err(self.unsupported(&tagged.tag.to_string())),
            _ => Err(self.wrong("a mapping")),
        }
    }

    fn required(&self, name: &str) -> Result<Node<'a>, TemplateError> {
        self.optional(name)?.ok_or_else(|| self.missing(name))
    }

    fn required_fields(&self, name: &str) -> Result<Vec<(String, Node<'a>)>, TemplateError> {
        let holder = self.required(name)?;
        match holder.value {
            Value::Mapping(mapping) => mapping
                .iter()
                .map(|(key, value)| match key {
                    Value::String(key) => Ok((key.clone(), holder.child(key, value))),
                    _ => Err(holder.wrong("a mapping whose names are strings")),
                })
                .collect(),
            Value::Tagged(tagged) => Err(holder.unsupported(&tagged.tag.to_string())),
            _ => Err(holder.wrong("a mapping")),
        }
    }

    fn optional_fields(&self, name: &str) -> Result<Vec<(String, Node<'a>)>, TemplateError> {
        match self.optional(name)? {
            Some(_) => self.required_fields(name),
            None => Ok(Vec::new()),
        }
    }

    fn items(&self) -> Result<Vec<Node<'a>>, TemplateError> {
        match self.value {
            Value::Sequence(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(position, value)| Node {
                    value,
                    place: format!("{}[{position}]", self.place),
                    parameters: self.parameters,
                })
                .collect()),
            Value::Tagged(tagged) => Err(self.unsupported(&tagged.tag.to_string())),
            _ => Err(self.wrong("a list")),
        }
    }

    fn optional_items(&self, name: &str) -> Result<Vec<Node<'a>>, TemplateError> {
        self.optional(name)?
            .map_or_else(|| Ok(Vec::new()), |node| node.items())
    }

    /// Whether it is `!GetAtt X.StreamArn`.
    fn is_arn_of_stream(&self) -> bool {
        match self.value {
            Value::Tagged(tagged) if tagged.tag == "GetAtt" => {
                let text = tagged.value.as_str();
                text.is_some_and(|text| text.ends_with(".StreamArn"))
            }
            _ => false,
        }
    }

    /// The `X` of `!GetAtt X.Arn`.
    fn owner_of_arn(&self) -> Result<String, TemplateError> {
        const EXPECTED: &str = "!GetAtt and the ARN of a resource";
        let text = match self.value {
            Value::Tagged(tagged) if tagged.tag == "GetAtt" => tagged.value.as_str(),
            _ => None,
        };
        let owner = text.and_then(|text| text.strip_suffix(".Arn"));
        owner.map(str::to_owned).ok_or_else(|| self.wrong(EXPECTED))
    }

    /// The value as text, with references to parameters put in.
    fn text(&self) -> Result<String, TemplateError> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(truth) => Ok(truth.to_string()),
            Value::Tagged(tagged) => self.call(&tagged.tag.to_string(), &tagged.value),
            // The long forms: { Ref: X }, { "Fn::Sub": … }.
            Value::Mapping(mapping) if mapping.len() == 1 => match mapping.iter().next() {
                Some((Value::String(function), argument))
                    if function == "Ref" || function.starts_with("Fn::") =>
                {
                    self.call(function, argument)
                }
                _ => Err(self.wrong("a text")),
            },
            _ => Err(self.wrong("a text")),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Result<String, TemplateError> {
        let argument = match (
            function.trim_start_matches('!').trim_start_matches("Fn::"),
            argument,
        ) {
            ("Ref", Value::String(name)) => return self.parameter(name),
            ("Sub", Value::String(text)) => text,
            _ => return Err(self.unsupported(function)),
        };
        let mut text = String::with_capacity(argument.len());
        let mut rest = argument.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            text.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return Err(self.wrong("a !Sub whose ${…} are closed"));
            };
            match name.strip_prefix('!') {
                // `${!Name}` is a literal `${Name}`.
                Some(literal) => text.push_str(&format!("${{{literal}}}")),
                None => text.push_str(&self.parameter(name.trim())?),
            }
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }

    fn parameter(&self, name: &str) -> Result<String, TemplateError> {
        self.parameters
            .get(name)
            .cloned()
            .ok_or_else(|| TemplateError::UnknownReference {
                place: self.place.clone(),
                name: name.to_owned(),
            })
    }

    fn unsupported(&self, function: &str) -> TemplateError {
        TemplateError::UnsupportedFunction {
            place: self.place.clone(),
            function: function.to_owned(),
        }
    }

    fn boolean(&self) -> Result<bool, TemplateError> {
        self.parsed("true or false")
    }

    fn parsed<T: std::str::FromStr>(&self, expected: &'static str) -> Result<T, TemplateError> {
        self.text()?
            .trim()
            .parse()
            .map_err(|_| self.wrong(expected))
    }
}
