//! The wordings and channel rules of `wording.toml`, read once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

static SHIPPED: LazyLock<Wording> =
    LazyLock::new(|| toml::from_str(include_str!("wording.toml")).expect("wording.toml is valid; a test reads it"));

/// The data of `wording.toml`; the file explains the fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wording {
    pub(super) pending: String,
    pub(super) quote: String,
    pub(super) excerpt: String,
    pub(super) first_of_two: String,
    courtesy: BTreeMap<String, String>,
    handoff: BTreeMap<String, String>,
    no_match: NoMatch,
    pub(super) clarify: BTreeMap<String, String>,
    pub(super) moods: Moods,
    pub(super) tiers: BTreeMap<String, String>,
    pub(super) daytime: Vec<Daytime>,
    pub(super) channels: BTreeMap<String, ChannelRules>,
    pub(super) spoken: Spoken,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoMatch {
    text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Moods {
    pub said: Vec<String>,
    #[serde(flatten)]
    pub phrases: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Daytime {
    pub from: i8,
    pub greeting: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChannelRules {
    pub max_chars: usize,
    pub empathy: bool,
    pub tier: bool,
    pub daytime: bool,
    pub spoken: bool,
    pub salutation: String,
    pub closing: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spoken {
    pub replace: Vec<(String, String)>,
    pub between_digits: String,
    pub path: String,
    pub ordinals: Vec<String>,
}

/// The shipped wordings.
pub fn wording() -> &'static Wording {
    &SHIPPED
}

impl Wording {
    /// The reply to a courtesy such as `thanks`.
    pub fn courtesy(&self, kind: &str) -> &str {
        self.courtesy.get(kind).map_or("", String::as_str)
    }

    /// What to say when a person takes over, by reason such as `customer_asks`.
    pub fn handoff(&self, reason: &str) -> &str {
        self.handoff.get(reason).map_or("", String::as_str)
    }

    /// What to say when nothing was found.
    pub fn no_match(&self) -> &str {
        &self.no_match.text
    }
}
