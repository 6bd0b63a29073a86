//! The lexicon: how customers talk, read once from data. Matching is done on folded texts ([`fold`]).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::text::{normalise, units};

/// The shipped lexicon.
static SHIPPED: LazyLock<Lexicon> =
    LazyLock::new(|| toml::from_str(include_str!("lexicon.toml")).expect("lexicon.toml is valid; a test reads it"));

/// The data of `lexicon.toml`; the file explains the fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lexicon {
    pub courtesy: Vec<CourtesyPhrases>,
    pub particles: Words,
    pub person: Person,
    pub failure: Failure,
    pub follow_up: FollowUp,
    pub split: Split,
    pub question: Words,
    pub pointing: Words,
    pub filler: Words,
    pub negations: Words,
    pub payment: Payment,
    pub status: Status,
    pub region: Regions,
    pub number: Numbers,
    pub product: Products,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CourtesyPhrases {
    pub kind: super::CourtesyKind,
    pub phrases: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub words: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    pub phrases: Vec<String>,
    pub whole: Vec<String>,
    pub unless: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failure {
    pub phrases: Vec<String>,
    pub verbs: Vec<String>,
    pub counts: Vec<String>,
    pub measures: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FollowUp {
    pub openers: Vec<String>,
    pub closers: Vec<String>,
    pub generic: Vec<String>,
    pub confirmations: Vec<String>,
    pub max_chars: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Split {
    pub connectives: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payment {
    pub given: Vec<String>,
    pub asked: Vec<String>,
    pub values: BTreeMap<String, Vec<String>>,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Status {
    pub unless: Vec<String>,
    pub values: BTreeMap<String, Vec<String>>,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Regions {
    pub values: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbers {
    pub order: Vec<String>,
    pub tracking: Vec<String>,
    pub tracking_prefixes: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Products {
    pub title_suffixes: Vec<String>,
}

pub(super) fn lexicon() -> &'static Lexicon {
    &SHIPPED
}

/// The text normalised and without anything but characters, letters and digits.
pub(super) fn fold(text: &str) -> String {
    units(&normalise(text)).into_iter().map(|(_, unit)| unit).collect()
}

/// True if `text` contains one of `phrases`.
pub(super) fn contains_any(text: &str, phrases: &[String]) -> bool {
    phrases.iter().any(|phrase| text.contains(phrase.as_str()))
}

/// The longest of `phrases` that `text` begins with, as its length in bytes.
pub(super) fn longest_prefix<'a>(text: &str, phrases: impl IntoIterator<Item = &'a String>) -> Option<usize> {
    phrases.into_iter().filter(|phrase| !phrase.is_empty() && text.starts_with(phrase.as_str())).map(String::len).max()
}
