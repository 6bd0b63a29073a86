//! Dify's metadata conditions over an entry's fields. A field that is missing counts as empty: it satisfies `empty` and the
//! negative operators (`not contains`, `is not`, `not in`, `≠`), and no other. Of a list, one element is enough.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::reply::Moment;

/// Most conditions of one request.
const MAX_CONDITIONS: usize = 64;

/// `metadata_condition` of a request.
#[derive(Debug, Clone, Deserialize)]
pub struct MetadataCondition {
    /// `and` (if not given) or `or`.
    #[serde(default)]
    pub logical_operator: Option<String>,
    /// The conditions, up to 64.
    pub conditions: Vec<Condition>,
}

/// One condition.
#[derive(Debug, Clone, Deserialize)]
pub struct Condition {
    /// The field, or several of which one has to satisfy it (all for `empty` and the negative operators but `not empty`).
    pub name: OneOrMany,
    /// The operator, as Dify writes it.
    pub comparison_operator: String,
    /// What to compare with; not looked at by `empty` and `not empty`.
    #[serde(default)]
    pub value: Value,
}

/// A name, or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Contains,
    StartWith,
    EndWith,
    Is,
    In,
    Empty,
    Equal,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Before,
    After,
}

/// The operators by their written forms; `true` for the opposite of the operator named.
const OPERATORS: &[(&str, Operator, bool)] = &[
    ("contains", Operator::Contains, false),
    ("not contains", Operator::Contains, true),
    ("start with", Operator::StartWith, false),
    ("end with", Operator::EndWith, false),
    ("is", Operator::Is, false),
    ("is not", Operator::Is, true),
    ("in", Operator::In, false),
    ("not in", Operator::In, true),
    ("empty", Operator::Empty, false),
    ("not empty", Operator::Empty, true),
    ("null", Operator::Empty, false),
    ("not null", Operator::Empty, true),
    ("=", Operator::Equal, false),
    ("≠", Operator::Equal, true),
    (">", Operator::Greater, false),
    ("<", Operator::Less, false),
    ("≥", Operator::GreaterOrEqual, false),
    ("≤", Operator::LessOrEqual, false),
    ("before", Operator::Before, false),
    ("after", Operator::After, false),
];

/// Conditions that were read and can be applied.
pub(super) struct Matcher<'a> {
    any: bool,
    conditions: Vec<(&'a Condition, Operator, bool)>,
    zone: &'a TimeZone,
}

impl<'a> Matcher<'a> {
    /// Reads `condition`; days in it are those of `zone`.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if an operator is unknown, or lacks the value it compares with.
    pub fn new(condition: &'a MetadataCondition, zone: &'a TimeZone) -> Result<Self> {
        let any = match condition.logical_operator.as_deref() {
            None | Some("and") => false,
            Some("or") => true,
            Some(other) => {
                let what = format!("metadata_condition.logical_operator is “{other}”; use and, or");
                return Err(Error::InvalidRequest(what));
            }
        };
        if condition.conditions.len() > MAX_CONDITIONS {
            let what = format!("metadata_condition has {} conditions; the limit is {MAX_CONDITIONS}", condition.conditions.len());
            return Err(Error::InvalidRequest(what));
        }
        let read = |(index, condition): (usize, &'a Condition)| {
            let name = condition.comparison_operator.as_str();
            let Some((_, operator, negated)) = OPERATORS.iter().find(|(written, ..)| *written == name) else {
                let known: Vec<&str> = OPERATORS.iter().map(|(written, ..)| *written).collect();
                let what = format!(
                    "metadata_condition.conditions[{index}].comparison_operator is “{name}”; use one of {}",
                    known.join(", ")
                );
                return Err(Error::InvalidRequest(what));
            };
            let usable = match &condition.value {
                Value::String(_) | Value::Number(_) | Value::Bool(_) => true,
                Value::Array(items) => items.iter().all(|item| item.is_string() || item.is_number()),
                Value::Null | Value::Object(_) => false,
            };
            if *operator != Operator::Empty && !usable {
                let what = format!("metadata_condition.conditions[{index}].value is missing; “{name}” compares with one");
                return Err(Error::InvalidRequest(what));
            }
            Ok((condition, *operator, *negated))
        };
        let conditions = condition.conditions.iter().enumerate().map(read).collect::<Result<_>>()?;
        Ok(Matcher { any, conditions, zone })
    }

    /// True if `fields` satisfy the conditions; no conditions at all are always satisfied.
    pub fn accepts(&self, fields: &Map<String, Value>) -> bool {
        let holds = |(condition, operator, negated): &(&Condition, Operator, bool)| {
            let names = match &condition.name {
                OneOrMany::One(name) => std::slice::from_ref(name),
                OneOrMany::Many(names) => names.as_slice(),
            };
            let mut tests = names.iter().map(|name| self.satisfied(fields.get(name), *operator, &condition.value));
            // Several fields are empty only together, and not empty if one of them is not.
            let satisfied = if *operator == Operator::Empty { tests.all(|empty| empty) } else { tests.any(|found| found) };
            satisfied != *negated
        };
        match self.any {
            true => self.conditions.is_empty() || self.conditions.iter().any(holds),
            false => self.conditions.iter().all(holds),
        }
    }

    fn satisfied(&self, field: Option<&Value>, operator: Operator, value: &Value) -> bool {
        let field = list(field.unwrap_or(&Value::Null));
        if operator == Operator::Empty {
            return field.iter().all(|item| item.as_str().is_some_and(str::is_empty));
        }
        let wanted = list(value);
        let pairs = || field.iter().flat_map(|item| wanted.iter().map(move |value| (*item, *value)));
        let texts = |test: fn(&str, &str) -> bool| pairs().any(|(item, value)| test(&written(item), &written(value)));
        let numbers = |test: fn(f64, f64) -> bool| {
            pairs().any(|(item, value)| number(item).zip(number(value)).is_some_and(|(item, value)| test(item, value)))
        };
        let times = |test: fn(Timestamp, Timestamp) -> bool| {
            pairs().any(|(item, value)| self.time(item).zip(self.time(value)).is_some_and(|(item, value)| test(item, value)))
        };
        match operator {
            Operator::Contains => texts(|item, value| item.contains(value)),
            Operator::StartWith => texts(|item, value| item.starts_with(value)),
            Operator::EndWith => texts(|item, value| item.ends_with(value)),
            Operator::Is | Operator::In => texts(|item, value| item == value),
            Operator::Equal => numbers(|item, value| item == value) || texts(|item, value| item == value),
            Operator::Greater => numbers(|item, value| item > value),
            Operator::Less => numbers(|item, value| item < value),
            Operator::GreaterOrEqual => numbers(|item, value| item >= value),
            Operator::LessOrEqual => numbers(|item, value| item <= value),
            Operator::Before => times(|item, value| item < value),
            Operator::After => times(|item, value| item > value),
            Operator::Empty => false,
        }
    }

    /// A date or time as written, or seconds since 1970.
    fn time(&self, value: &Value) -> Option<Timestamp> {
        match value {
            Value::String(text) => match text.parse::<Moment>() {
                Ok(moment) => Some(moment.at(self.zone)),
                Err(_) => text.parse::<i64>().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()),
            },
            Value::Number(seconds) => seconds.as_f64().and_then(|seconds| Timestamp::from_second(seconds as i64).ok()),
            _ => None,
        }
    }
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        other => vec![other],
    }
}

fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}
