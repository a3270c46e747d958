//! What the template grants each function. Whatever stands there that this cannot read is an error, and a wildcard is
//! one: nothing may be granted that nobody looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde_norway::Value;
use shoptrail_local::template::Template;

use crate::permission::Permission;

/// Every resource of the account.
const ALL: &str = "*";
/// Actions that IAM grants for everything or not at all.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>
const ABOUT_NO_RESOURCE: [&str; 1] = ["dynamodb:ListStreams"];

/// A permission, and where it is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) permission: Permission,
    /// The statement's `Sid`.
    pub(crate) statement: String,
}

/// A function as the template describes it.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) grants: Vec<Grant>,
    /// The secrets that its environment tells it to fetch: it fetches each of them while it starts, and no other.
    pub(crate) secrets: BTreeSet<String>,
    /// The queue that its environment names, if it does.
    pub(crate) queue: Option<String>,
}

/// The functions of a template by the names of their binaries.
///
/// # Errors
///
/// What in the template is not understood, or grants too much on the face of it.
pub(crate) fn functions(
    template: &str,
    parameters: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Function>, String> {
    let parsed = Template::parse(template, parameters).map_err(|error| error.to_string())?;
    let document: Value = serde_norway::from_str(template).map_err(|error| error.to_string())?;
    let reader = Reader {
        tables: parsed
            .tables
            .iter()
            .map(|table| {
                let indexes = table.indexes.iter().map(|index| index.name.clone());
                let table_of = (table.name.clone(), indexes.collect());
                (table.logical_id.clone(), table_of)
            })
            .collect(),
        parameters: parsed.parameters,
        document: &document,
    };
    let resources = document["Resources"].as_mapping();
    let mut functions = BTreeMap::new();
    for (name, resource) in resources.into_iter().flatten() {
        if resource["Type"] == "AWS::Serverless::Function" {
            let name = name.as_str().unwrap_or_default();
            let function = reader
                .function(resource)
                .map_err(|reason| format!("{name}: {reason}"))?;
            let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str();
            let binary = binary.ok_or(format!("{name} has no binary"))?;
            functions.insert(binary.to_owned(), function);
        }
    }
    Ok(functions)
}

struct Reader<'a> {
    document: &'a Value,
    parameters: BTreeMap<String, String>,
    /// Their names and those of their indexes, by logical id.
    tables: BTreeMap<String, (String, BTreeSet<String>)>,
}

impl Reader<'_> {
    fn function(&self, resource: &Value) -> Result<Function, String> {
        let properties = &resource["Properties"];
        if !properties["Role"].is_null() {
            return Err("its role stands elsewhere".to_owned());
        }
        for (name, event) in properties["Events"].as_mapping().into_iter().flatten() {
            // For all others, SAM gives the function a policy of AWS's own that is about all of the account.
            let kind = event["Type"].as_str().unwrap_or_default();
            if !["HttpApi", "Schedule"].contains(&kind) {
                return Err(format!("its event {name:?} grants what nobody wrote"));
            }
        }
        let mut grants = Vec::new();
        let policies = properties["Policies"].as_sequence();
        for policy in policies.ok_or("its policies are no list")? {
            if let Some(policy) = self.chosen(policy)? {
                self.policy(policy, &mut grants)?;
            }
        }

        let of_all = &self.document["Globals"]["Function"]["Environment"]["Variables"];
        let own = &properties["Environment"]["Variables"];
        let mut environment = BTreeMap::new();
        for variables in [of_all, own].into_iter().filter_map(Value::as_mapping) {
            for (name, value) in variables {
                environment.insert(name.as_str().unwrap_or_default(), value);
            }
        }
        let named = environment
            .iter()
            .filter(|(name, _)| name.ends_with("_ARN"));
        let secrets = named.filter_map(|(_, value)| self.named(value));
        let queue = environment.get("EVENT_QUEUE_URL");
        Ok(Function {
            grants,
            secrets: secrets.collect(),
            queue: queue.and_then(|value| self.named(value)),
        })
    }

    /// The logical id that a variable of the environment refers to; none where its value is empty.
    fn named(&self, value: &Value) -> Option<String> {
        let name = called(value, "Ref")?.as_str()?;
        let is_empty = self.parameters.get(name).is_some_and(String::is_empty);
        (!is_empty).then(|| name.to_owned())
    }

    /// What stands there once `!If` has chosen; none is `AWS::NoValue`.
    fn chosen<'a>(&self, value: &'a Value) -> Result<Option<&'a Value>, String> {
        if let Some(choice) = called(value, "If") {
            let condition = choice[0].as_str().unwrap_or_default();
            let condition = self.holds(&self.document["Conditions"][condition])?;
            return self.chosen(&choice[if condition { 1 } else { 2 }]);
        }
        let is_absent = called(value, "Ref").is_some_and(|name| name == "AWS::NoValue");
        Ok((!is_absent).then_some(value))
    }

    fn holds(&self, condition: &Value) -> Result<bool, String> {
        if let Some(negated) = called(condition, "Not") {
            return Ok(!self.holds(&negated[0])?);
        }
        let sides = called(condition, "Equals");
        let sides = sides.ok_or(format!(
            "a condition that nobody understands: {condition:?}"
        ))?;
        let text = |side: &Value| match called(side, "Ref").and_then(Value::as_str) {
            Some(name) => self.parameters.get(name).cloned(),
            None => side.as_str().map(str::to_owned),
        };
        match (text(&sides[0]), text(&sides[1])) {
            (Some(one), Some(other)) => Ok(one == other),
            _ => Err(format!("a condition that nobody understands: {sides:?}")),
        }
    }

    /// A policy in place, or the managed one of the template that is referred to.
    fn policy(&self, policy: &Value, grants: &mut Vec<Grant>) -> Result<(), String> {
        let document = match called(policy, "Ref").and_then(Value::as_str) {
            Some(name) => {
                let managed = &self.document["Resources"][name];
                if managed["Type"] != "AWS::IAM::ManagedPolicy" {
                    return Err(format!("{name} is no policy of the template"));
                }
                &managed["Properties"]["PolicyDocument"]
            }
            None => policy,
        };
        // SAM's policy templates and AWS's own policies have no statements, and grant more than is used.
        let statements = document["Statement"].as_sequence();
        for statement in statements.ok_or(format!("a policy without statements: {policy:?}"))? {
            let sid = statement["Sid"].as_str();
            let sid = sid.ok_or(format!("a statement without a Sid: {statement:?}"))?;
            self.statement(sid, statement, grants)
                .map_err(|reason| format!("{sid} {reason}"))?;
        }
        Ok(())
    }

    fn statement(
        &self,
        sid: &str,
        statement: &Value,
        grants: &mut Vec<Grant>,
    ) -> Result<(), String> {
        let fields = statement.as_mapping().into_iter().flatten();
        for (field, _) in fields {
            if !["Sid", "Effect", "Action", "Resource"]
                .contains(&field.as_str().unwrap_or_default())
            {
                return Err(format!("has {field:?}, which nobody understands"));
            }
        }
        if statement["Effect"] != "Allow" {
            return Err("does not allow".to_owned());
        }
        let resources = one_or_many(&statement["Resource"]);
        let mut named = Vec::new();
        for resource in resources {
            if let Some(resource) = self.chosen(resource)? {
                named.push(self.resource(resource)?);
            }
        }
        for action in one_or_many(&statement["Action"]) {
            let action = action.as_str().ok_or("has an action that is no text")?;
            if action.contains('*') {
                return Err(format!("allows {action}, a wildcard"));
            }
            if named.iter().any(|resource| resource == ALL) && !ABOUT_NO_RESOURCE.contains(&action)
            {
                return Err(format!("allows {action} on everything"));
            }
            grants.extend(named.iter().map(|resource| Grant {
                permission: Permission::new(action, resource),
                statement: sid.to_owned(),
            }));
        }
        Ok(())
    }

    fn resource(&self, resource: &Value) -> Result<String, String> {
        if resource == ALL {
            return Ok(ALL.to_owned());
        }
        let unknown = || format!("allows something on {resource:?}, which nobody understands");
        if let Some(name) = called(resource, "Ref").and_then(Value::as_str) {
            return Ok(name.to_owned());
        }
        if let Some(attribute) = called(resource, "GetAtt").and_then(Value::as_str) {
            if let Some(owner) = attribute.strip_suffix(".StreamArn") {
                let (table, _) = self.tables.get(owner).ok_or_else(unknown)?;
                return Ok(format!("{table}/stream"));
            }
            let owner = attribute.strip_suffix(".Arn").ok_or_else(unknown)?;
            let table = self.tables.get(owner);
            return Ok(table.map_or(owner, |(table, _)| table).to_owned());
        }
        let text = called(resource, "Sub").and_then(Value::as_str);
        let text = text.and_then(|text| text.strip_prefix("${"));
        let text = text.and_then(|text| text.split_once(".Arn}/index/"));
        let (owner, index) = text.ok_or_else(unknown)?;
        let (table, indexes) = self.tables.get(owner).ok_or_else(unknown)?;
        if !indexes.contains(index) {
            return Err(format!("names {index}, which is no index of {table}"));
        }
        Ok(format!("{table}/index/{index}"))
    }
}

fn one_or_many(value: &Value) -> &[Value] {
    match value {
        Value::Sequence(items) => items,
        one => std::slice::from_ref(one),
    }
}

/// What an intrinsic function is called with.
fn called<'a>(value: &'a Value, function: &str) -> Option<&'a Value> {
    match value {
        Value::Tagged(tagged) if tagged.tag == function => Some(&tagged.value),
        _ => None,
    }
}
