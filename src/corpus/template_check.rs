//! Checks templates when a corpus is read, so that none fails in front of a customer: syntax, filters, and variables that
//! no request ever carries.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment};

use super::Problem;

/// Variables a request's context may carry, besides `shop.*`.
pub(crate) const CONTEXT_VARIABLES: &[&str] = &[
    "order.id",
    "order.status",
    "order.amount",
    "order.paid_at",
    "order.shipped_at",
    "order.signed_at",
    "order.carrier",
    "order.tracking_no",
    "order.payment_method",
    "order.refund_amount",
    "order.refund_at",
    "order.address",
    "customer.name",
    "customer.tier",
    "customer.phone",
    "customer.points",
    "customer.region",
    "product.name",
    "product.id",
    "product.price",
    "product.model",
    "agent.name",
];

/// Filters a template may use.
pub(crate) const FILTERS: &[&str] = &["default", "money", "date", "datetime", "mask_phone", "polite"];

static SYNTAX: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
});

/// Reports a template that cannot be parsed or names something unknown. `shop.*` is checked later, when all files are read.
pub(super) fn check_template(file: &str, line: usize, path: &str, text: &str, problems: &mut Vec<Problem>) {
    let template = match SYNTAX.template_from_str(text) {
        Ok(template) => template,
        Err(error) => {
            let at = line + error.line().unwrap_or(1) - 1;
            let what = format!("template syntax: {}", error.detail().unwrap_or("cannot be parsed"));
            return problems.push(Problem::error(file, at, path, what, "close every {{ … }} and {% … %}"));
        }
    };
    for name in sorted(template.undeclared_variables(true)) {
        if !name.starts_with("shop.") && !CONTEXT_VARIABLES.contains(&name.as_str()) {
            let what = format!("“{name}” is not a variable");
            let fix = match super::yaml::closest(&name, CONTEXT_VARIABLES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "use shop.*, order.*, customer.*, product.* or agent.name as documented".to_owned(),
            };
            problems.push(Problem::error(file, line, path, what, fix));
        }
    }
    for name in filters_in(text) {
        if !FILTERS.contains(&name) {
            let what = format!("“{name}” is not a filter");
            problems.push(Problem::error(file, line, path, what, format!("use one of {}", FILTERS.join(", "))));
        }
    }
}

/// The `shop.*` keys a template uses.
pub(super) fn shop_keys(text: &str) -> Vec<String> {
    let Ok(template) = SYNTAX.template_from_str(text) else { return Vec::new() };
    sorted(template.undeclared_variables(true))
        .into_iter()
        .filter_map(|name| name.strip_prefix("shop.").map(str::to_owned))
        .collect()
}

fn sorted(names: std::collections::HashSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort();
    names
}

/// Names after a single `|` inside `{{ … }}` or `{% … %}`.
fn filters_in(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let inner = &rest[open + 2..];
        let end = inner.find("}}").into_iter().chain(inner.find("%}")).min().unwrap_or(inner.len());
        let mut quote = None;
        let body = &inner[..end];
        for (at, c) in body.char_indices() {
            match quote {
                Some(q) if c == q => quote = None,
                Some(_) => {}
                None if c == '"' || c == '\'' => quote = Some(c),
                None if c == '|' => {
                    let name = body[at + 1..].trim_start();
                    let length = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
                    out.push(&name[..length]);
                }
                None => {}
            }
        }
        rest = &inner[end..];
    }
    out
}
