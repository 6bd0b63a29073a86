//! Clarifying: the one question that separates the leading candidates, derived from what differs between them: the product
//! they are about, the payment methods and order states their titles and tags name, their topics, and last their titles.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Context;
use super::wording::wording;
use crate::corpus::{Entry, EntryBody};
use crate::dialogue::Mentions;

/// Most options of one question.
const MAX_OPTIONS: usize = 4;

/// An entry, or a section of a manual, that may be what the customer means.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The section of a manual.
    pub section: Option<u32>,
}

/// Reads one property of a candidate.
type Facet = fn(&Candidate) -> Option<String>;

/// What a clarifying question asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Which product.
    Product,
    /// How the order was paid.
    PaymentMethod,
    /// The order's state: before or after dispatch or receipt.
    OrderStatus,
    /// Which field of questions.
    Topic,
    /// What the problem is.
    Problem,
}

/// A question to the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clarify {
    /// What it asks for.
    pub about: About,
    /// The question, in words for the customer.
    pub question: String,
    /// What the customer may choose; two at least.
    pub options: Vec<ClarifyOption>,
}

/// An answer the customer may click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClarifyOption {
    /// What is written on it.
    pub label: String,
    /// What to send as the customer's next message.
    pub query: String,
    /// The entry it leads to, if it is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_id: Option<String>,
}

/// The question that separates `candidates` (best first) of the customer's `question`, given what `context` knows;
/// `None` if they do not differ in anything that can be asked.
pub fn clarify(candidates: &[Candidate], question: &str, context: &Context) -> Option<Clarify> {
    let mut candidates: Vec<&Candidate> = candidates.iter().collect();
    // One option for each entry; sections of one manual are one product but different problems.
    let mut seen: Vec<(&str, Option<u32>)> = Vec::new();
    candidates.retain(|candidate| {
        let key = (candidate.entry.id.as_str(), candidate.section);
        let fresh = !seen.contains(&key);
        seen.push(key);
        fresh
    });
    candidates.truncate(MAX_OPTIONS);
    if candidates.len() < 2 {
        return None;
    }
    let order = context.order.as_ref();
    let product_known = context.product.as_ref().is_some_and(|product| product.id.is_some() || product.name.is_some());
    let payment_known = order.is_some_and(|order| order.payment_method.is_some());
    let status_known = order.is_some_and(|order| order.status.is_some());
    let facets: [(About, bool, Facet); 3] = [
        (About::Product, product_known, product),
        (About::PaymentMethod, payment_known, payment),
        (About::OrderStatus, status_known, status),
    ];
    for (about, known, value) in facets {
        if !known && let Some(options) = separate(&candidates, question, value) {
            return Some(Clarify { about, question: text(about).to_owned(), options });
        }
    }
    let options: Vec<ClarifyOption> = candidates
        .iter()
        .map(|candidate| {
            let label = name(candidate);
            ClarifyOption { query: label.clone(), label, entry_id: Some(candidate.entry.id.clone()) }
        })
        .collect();
    let mut topics: Vec<&str> = candidates.iter().filter_map(|candidate| candidate.entry.topic.as_deref()).collect();
    let complete = topics.len() == candidates.len();
    topics.dedup();
    topics.sort_unstable();
    topics.dedup();
    if complete && topics.len() >= 2 {
        let (last, others) = topics.split_last()?;
        let choices = format!("{}还是{last}", others.join("、"));
        return Some(Clarify { about: About::Topic, question: text(About::Topic).replace("{choices}", &choices), options });
    }
    Some(Clarify { about: About::Problem, question: text(About::Problem).to_owned(), options })
}

/// The question for a message that says nothing of its subject: which of the first of `topics` it is about. `None` if there are fewer
/// than two.
pub fn clarify_open<'a>(topics: impl Iterator<Item = &'a str>) -> Option<Clarify> {
    let mut options: Vec<ClarifyOption> = Vec::new();
    for topic in topics {
        if options.len() < MAX_OPTIONS && options.iter().all(|known| known.label != topic) {
            options.push(ClarifyOption { label: topic.to_owned(), query: topic.to_owned(), entry_id: None });
        }
    }
    (options.len() >= 2).then(|| Clarify { about: About::Topic, question: text(About::Problem).to_owned(), options })
}

/// Options by the value of one facet, if the best candidate has one and there are different ones for most candidates.
fn separate(candidates: &[&Candidate], question: &str, value: Facet) -> Option<Vec<ClarifyOption>> {
    let values: Vec<Option<String>> = candidates.iter().map(|candidate| value(candidate)).collect();
    let known = values.iter().flatten().count();
    values.first()?.as_ref()?;
    let mut order: Vec<&String> = Vec::new();
    let mut entries: BTreeMap<&String, Vec<&str>> = BTreeMap::new();
    for (value, candidate) in values.iter().zip(candidates) {
        let Some(value) = value else { continue };
        if !order.contains(&value) {
            order.push(value);
        }
        let ids = entries.entry(value).or_default();
        if !ids.contains(&candidate.entry.id.as_str()) {
            ids.push(&candidate.entry.id);
        }
    }
    if order.len() < 2 || known * 2 <= candidates.len() {
        return None;
    }
    let option = |label: &String| {
        let entry_id = match entries.get(label).map(Vec::as_slice) {
            Some([only]) => Some((*only).to_owned()),
            _ => None,
        };
        ClarifyOption { label: label.clone(), query: format!("{label} {}", question.trim()), entry_id }
    };
    Some(order.into_iter().map(option).collect())
}

fn text(about: About) -> &'static str {
    let key = match about {
        About::Product => "product",
        About::PaymentMethod => "payment_method",
        About::OrderStatus => "order_status",
        About::Topic => "topic",
        About::Problem => "problem",
    };
    wording().clarify.get(key).map_or("", String::as_str)
}

/// The product a candidate is about, if only one.
fn product(candidate: &Candidate) -> Option<String> {
    match (&candidate.entry.body, candidate.entry.products.as_slice()) {
        (EntryBody::Manual(_), _) => {
            let title = candidate.entry.title.trim();
            Some(crate::dialogue::Product::from_title("", title, &[], |_| Vec::new()).name)
        }
        (_, [only]) => Some(only.clone()),
        _ => None,
    }
}

fn payment(candidate: &Candidate) -> Option<String> {
    only(named_in(candidate.entry).payment)
}

fn status(candidate: &Candidate) -> Option<String> {
    only(named_in(candidate.entry).status)
}

fn only(mut values: Vec<String>) -> Option<String> {
    if values.len() == 1 { values.pop() } else { None }
}

/// The payment methods and order states that an entry is about, by its title and tags.
pub fn named_in(entry: &Entry) -> Mentions {
    let tags = entry.tags.join("，");
    let named = Mentions::of(&entry.title);
    let tagged = Mentions::of(&tags);
    Mentions {
        payment: if tagged.payment.is_empty() { named.payment } else { tagged.payment },
        status: if named.status.is_empty() { tagged.status } else { named.status },
    }
}

/// What an option of this candidate is called.
fn name(candidate: &Candidate) -> String {
    match (&candidate.entry.body, candidate.section) {
        (EntryBody::Manual(manual), Some(number)) => {
            let section = &manual.sections[number as usize];
            let heading = section.path.last().map_or("", String::as_str);
            if section.path.len() > 1 {
                format!("{}：{heading}", product(candidate).unwrap_or_default())
            } else {
                heading.to_owned()
            }
        }
        _ => candidate.entry.title.clone(),
    }
}
