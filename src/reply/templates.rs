//! Templates: sandboxed (no file access, bounded steps) and strict in what they leave out: a variable that the context does
//! not know is never printed as a hole; it is named in [`Rendered::missing`].

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

use super::Context;
use crate::corpus::Shop;

/// Instructions a template may use; ordinary ones need some dozens.
const FUEL: u64 = 20_000;
/// Longest reply, in characters.
const MAX_REPLY_CHARS: usize = 8_000;

/// A template filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text; without any placeholder if `missing` is empty, and empty otherwise.
    pub text: String,
    /// Variables the context did not know.
    pub missing: Vec<String>,
}

/// Fills templates for one shop.
pub struct Renderer {
    environment: Environment<'static>,
    shop: Value,
}

impl Renderer {
    /// A renderer with the shop's settings, that writes times in `zone`.
    pub fn new(shop: &Shop, zone: &TimeZone) -> Self {
        let mut environment = Environment::empty();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.add_filter("default", |value: Value, other: Option<Value>| {
            if value.is_undefined() || value.is_none() { other.unwrap_or_else(|| Value::from("")) } else { value }
        });
        environment.add_filter("money", money);
        environment.add_filter("polite", |name: Value| polite(&name));
        environment.add_filter("mask_phone", |phone: String| mask_phone(&phone));
        let local = zone.clone();
        environment.add_filter("date", move |value: Value| moment(&value, &local, "%-m月%-d日"));
        let local = zone.clone();
        environment.add_filter("datetime", move |value: Value| moment(&value, &local, "%-m月%-d日 %H:%M"));
        Renderer { environment, shop: Value::from(Serde(&shop.settings)) }
    }

    /// Fills `template` from `context`.
    pub fn render(&self, template: &str, context: &Context) -> Rendered {
        let tree = serde_json::to_value(context).unwrap_or(serde_json::Value::Null);
        let mut variables: BTreeMap<&'static str, Value> = BTreeMap::new();
        for name in ["order", "customer", "product", "agent"] {
            let known = tree.get(name).cloned().unwrap_or_else(|| serde_json::json!({}));
            variables.insert(name, Value::from(Serde(known)));
        }
        variables.insert("shop", self.shop.clone());
        let outcome = self.environment.template_from_str(template).and_then(|template| template.render(&variables));
        match outcome {
            Ok(text) => Rendered { text: tidy(&text), missing: Vec::new() },
            Err(error) => {
                let mut missing = Vec::new();
                if error.kind() == ErrorKind::UndefinedError {
                    missing = self.unknown_variables(template, &variables, &tree);
                }
                if missing.is_empty() {
                    missing.push(format!("template: {error}"));
                }
                Rendered { text: String::new(), missing }
            }
        }
    }

    /// Variables without which `template` cannot be filled in. One that is unknown and has a default is not among them, so
    /// each placeholder is tried by itself; only where none fails by itself (a condition does) are all unknown ones named.
    fn unknown_variables(
        &self,
        template: &str,
        variables: &BTreeMap<&'static str, Value>,
        known: &serde_json::Value,
    ) -> Vec<String> {
        let unknown = |part: &str| -> Vec<String> {
            let Ok(template) = self.environment.template_from_str(part) else { return Vec::new() };
            let names = template.undeclared_variables(true).into_iter();
            let is_unknown = |name: &String| known.pointer(&format!("/{}", name.replace('.', "/"))).is_none();
            names.filter(|name| !name.starts_with("shop.") && is_unknown(name)).collect()
        };
        let fails = |part: &&str| {
            let rendered = self.environment.template_from_str(part).and_then(|template| template.render(variables));
            rendered.is_err_and(|error| error.kind() == ErrorKind::UndefinedError)
        };
        let mut names: Vec<String> = placeholders(template).into_iter().filter(fails).flat_map(unknown).collect();
        if names.is_empty() {
            names = unknown(template);
        }
        names.sort();
        names.dedup();
        names
    }
}

/// The `{{ … }}` of a template, braces and all.
fn placeholders(template: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{")
        && let Some(length) = rest[start..].find("}}")
    {
        out.push(&rest[start..start + length + 2]);
        rest = &rest[start + length + 2..];
    }
    out
}

/// “12.5” → “12.50元”.
fn money(value: Value) -> Result<String, minijinja::Error> {
    let amount = f64::try_from(value.clone()).ok().or_else(|| value.as_str()?.parse().ok());
    let amount = amount.filter(|amount: &f64| amount.is_finite());
    amount.map(|amount| format!("{amount:.2}元")).ok_or_else(|| not_usable("an amount", &value))
}

/// “王小明” → “尊敬的王小明”; without a usable name “尊敬的顾客”, so that the form of address is never missing.
fn polite(name: &Value) -> String {
    let name = name.as_str().map(str::trim).filter(|name| !name.is_empty());
    format!("尊敬的{}", name.unwrap_or("顾客"))
}

/// “13812341234” → “138****1234”; anything shorter than seven digits is hidden altogether.
fn mask_phone(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    if digits.len() < 7 {
        return "****".to_owned();
    }
    let (head, tail): (String, String) = (digits[..3].iter().collect(), digits[digits.len() - 4..].iter().collect());
    format!("{head}****{tail}")
}

fn moment(value: &Value, zone: &TimeZone, format: &str) -> Result<String, minijinja::Error> {
    let parsed = value.as_str().and_then(|text| text.parse::<super::Moment>().ok());
    parsed
        .map(|at| at.at(zone).to_zoned(zone.clone()).strftime(format).to_string())
        .ok_or_else(|| not_usable("a point in time", value))
}

fn not_usable(what: &str, value: &Value) -> minijinja::Error {
    let kind = if value.is_undefined() { ErrorKind::UndefinedError } else { ErrorKind::InvalidOperation };
    minijinja::Error::new(kind, format!("{value} is not {what}"))
}

/// Trims, and joins blank lines that an empty variable left.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.trim().lines().map(str::trim_end) {
        if line.is_empty() && out.ends_with("\n\n") {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out.trim_end().chars().take(MAX_REPLY_CHARS).collect()
}
