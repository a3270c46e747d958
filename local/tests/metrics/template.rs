//! What `template.yaml` watches, read out of its text, with references put in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use serde_norway::Value;
use serde_norway::value::TaggedValue;
use shoptrail_local::template::{EMBEDDED, Template};

use crate::STACK;

/// A metric's identity: namespace, name, and dimensions with their values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watched {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) dimensions: BTreeMap<String, String>,
}

/// An alarm.
#[derive(Debug)]
pub(crate) struct Alarm {
    pub(crate) id: String,
    pub(crate) properties: Value,
    /// The metrics that it reads, by their ids; that of an alarm on one metric has the id `metric`.
    pub(crate) metrics: BTreeMap<String, Watched>,
    /// Its expressions, by their ids, with all that conditions could make of them.
    pub(crate) expressions: Vec<(String, String)>,
}

/// What the dashboard searches for: the names of the dimensions, and what must have which value.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) namespace: String,
    pub(crate) dimensions: BTreeSet<String>,
    pub(crate) name: String,
    pub(crate) values: BTreeMap<String, String>,
}

/// What the template declares, for what watches it.
pub(crate) struct Source {
    document: Value,
    pub(crate) template: Template,
}

impl Source {
    pub(crate) fn read() -> Self {
        Self {
            document: serde_norway::from_str(EMBEDDED).unwrap(),
            template: Template::parse(EMBEDDED, &BTreeMap::new()).unwrap(),
        }
    }

    pub(crate) fn resources(&self, kind: &str) -> Vec<(String, &Value)> {
        let resources = self.document["Resources"].as_mapping().unwrap();
        let named = resources.iter().filter(|(_, value)| value["Type"] == kind);
        named
            .map(|(id, value)| (id.as_str().unwrap().to_owned(), value))
            .collect()
    }

    pub(crate) fn alarms(&self) -> Vec<Alarm> {
        let alarms = self.resources("AWS::CloudWatch::Alarm").into_iter();
        alarms.map(|(id, alarm)| self.alarm(id, alarm)).collect()
    }

    fn alarm(&self, id: String, resource: &Value) -> Alarm {
        let properties = resource["Properties"].clone();
        let mut alarm = Alarm {
            id,
            metrics: BTreeMap::new(),
            expressions: Vec::new(),
            properties,
        };
        if alarm.properties.get("MetricName").is_some() {
            let metric = self.watched(&alarm.properties);
            alarm.metrics.insert("metric".into(), metric);
            return alarm;
        }
        let queries = alarm.properties["Metrics"].as_sequence().unwrap().clone();
        let mut returned = 0;
        for query in &queries {
            let id = self.text(&query["Id"]);
            returned += usize::from(query["ReturnData"].as_bool().unwrap_or(true));
            if let Some(stat) = query.get("MetricStat") {
                let metric = self.watched(&stat["Metric"]);
                assert_eq!(alarm.metrics.insert(id, metric), None, "{}", alarm.id);
            } else {
                for expression in self.alternatives(&query["Expression"]) {
                    alarm.expressions.push((id.clone(), expression));
                }
            }
        }
        assert_eq!(returned, 1, "{} watches one series", alarm.id);
        alarm
    }

    fn watched(&self, metric: &Value) -> Watched {
        let dimensions = metric["Dimensions"].as_sequence().unwrap();
        Watched {
            namespace: self.text(&metric["Namespace"]),
            name: self.text(&metric["MetricName"]),
            dimensions: dimensions
                .iter()
                .map(|pair| (self.text(&pair["Name"]), self.text(&pair["Value"])))
                .collect(),
        }
    }

    /// The dashboard, as CloudWatch gets it.
    pub(crate) fn dashboard(&self) -> Json {
        let dashboards = self.resources("AWS::CloudWatch::Dashboard");
        let [(_, dashboard)] = dashboards.as_slice() else {
            panic!("one dashboard")
        };
        let body = self.text(&dashboard["Properties"]["DashboardBody"]);
        serde_json::from_str(&body).expect("the dashboard is JSON")
    }

    /// What the dashboard shows, and what it searches for.
    pub(crate) fn shown(&self) -> (Vec<Watched>, Vec<Search>) {
        let (mut shown, mut searched) = (Vec::new(), Vec::new());
        let dashboard = self.dashboard();
        for widget in dashboard["widgets"].as_array().unwrap() {
            let metrics = widget["properties"]["metrics"].as_array();
            for metric in metrics.into_iter().flatten() {
                let parts: Vec<_> = metric.as_array().unwrap().iter().collect();
                match parts.as_slice() {
                    [options] => searched.push(Search::read(options)),
                    [namespace, name, rest @ ..] => {
                        let texts: Vec<_> = rest.iter().filter_map(|part| part.as_str()).collect();
                        assert_eq!(texts.len() % 2, 0, "{metric}");
                        let pairs = texts.chunks_exact(2);
                        shown.push(Watched {
                            namespace: namespace.as_str().unwrap().to_owned(),
                            name: name.as_str().unwrap().to_owned(),
                            dimensions: pairs
                                .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
                                .collect(),
                        });
                    }
                    [] => panic!("an empty metric in {widget}"),
                }
            }
        }
        (shown, searched)
    }

    /// A value with references put in.
    pub(crate) fn text(&self, value: &Value) -> String {
        let mut alternatives = self.alternatives(value);
        assert_eq!(alternatives.len(), 1, "{value:?}");
        alternatives.remove(0)
    }

    /// All that a value can be, whatever the conditions are.
    fn alternatives(&self, value: &Value) -> Vec<String> {
        match value {
            Value::String(text) => vec![text.clone()],
            Value::Number(number) => vec![number.to_string()],
            Value::Tagged(tagged) => self.call(tagged),
            other => panic!("{other:?} is no text"),
        }
    }

    fn call(&self, tagged: &TaggedValue) -> Vec<String> {
        match (tagged.tag.to_string().as_str(), &tagged.value) {
            ("!Ref", name) => vec![self.reference(name.as_str().unwrap())],
            ("!GetAtt", place) => vec![place.as_str().unwrap().to_owned()],
            ("!Sub", text) => vec![self.substitute(text.as_str().unwrap())],
            ("!If", Value::Sequence(parts)) => parts[1..]
                .iter()
                .flat_map(|part| self.alternatives(part))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    fn substitute(&self, text: &str) -> String {
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').expect("a closed reference");
            match name.strip_prefix('!') {
                Some(literal) => whole.push_str(&format!("${{{literal}}}")),
                None => whole.push_str(&self.reference(name)),
            }
            whole.push_str(rest);
        }
        whole
    }

    /// What `!Ref` of a pseudo parameter, a parameter, a table or a function is; of other resources, its own name.
    fn reference(&self, name: &str) -> String {
        let tables = &self.template.tables;
        if name == "AWS::StackName" {
            STACK.to_owned()
        } else if let Some(value) = self.template.parameters.get(name) {
            value.clone()
        } else if let Some(table) = tables.iter().find(|table| table.logical_id == name) {
            table.name.clone()
        } else {
            let resource = name.split('.').next().unwrap_or_default();
            let is_there =
                name.starts_with("AWS::") || self.document["Resources"].get(resource).is_some();
            assert!(is_there, "{name} is declared");
            match &self.document["Resources"][name]["Properties"]["FunctionName"] {
                Value::Null => name.to_owned(),
                function => self.text(function),
            }
        }
    }
}

impl Search {
    /// Reads `SEARCH('{Namespace,Dimension,…} MetricName="…" Dimension="…"', 'Sum', 300)`.
    fn read(options: &Json) -> Self {
        let expression = options["expression"].as_str().unwrap();
        let (_, search) = expression.split_once("SEARCH('{").expect(expression);
        let (schema, search) = search.split_once('}').expect(expression);
        let (terms, _) = search.split_once('\'').expect(expression);
        let mut schema = schema.split(',').map(str::to_owned);
        let terms = terms.split_whitespace();
        let mut values: BTreeMap<String, String> = terms
            .map(|term| {
                let (key, value) = term.split_once('=').expect(expression);
                (key.to_owned(), value.trim_matches('"').to_owned())
            })
            .collect();
        Self {
            namespace: schema.next().expect(expression),
            dimensions: schema.collect(),
            name: values.remove("MetricName").expect(expression),
            values,
        }
    }

    /// Whether it finds this metric.
    pub(crate) fn finds(&self, metric: &Watched) -> bool {
        let names: BTreeSet<_> = metric.dimensions.keys().cloned().collect();
        let has = |(key, value): (&String, &String)| metric.dimensions.get(key) == Some(value);
        self.namespace == metric.namespace
            && self.name == metric.name
            && self.dimensions == names
            && self.values.iter().all(has)
    }
}
