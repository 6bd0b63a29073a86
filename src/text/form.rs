//! The form of a question: what it asks for, whether it speaks of something that fails or is undone, and which of two opposite
//! sides it means. Small common words that say this (不, 吗, 为什么, 取消) weigh little in vectors and in rarity, yet two questions
//! that differ in them want different answers. The words are data (`form.toml`); nothing here knows of entries or ranking.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use serde::Deserialize;

static SHIPPED: LazyLock<Forms> = LazyLock::new(|| {
    let words: Words = toml::from_str(include_str!("form.toml")).expect("form.toml is valid; a test reads it");
    Forms::new(&words)
});

/// The data of `form.toml`; the file explains the fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    plain: Vec<String>,
    adverse: Vec<String>,
    asks: BTreeMap<String, Vec<String>>,
    opposites: Vec<Opposites>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opposites {
    sides: [Vec<String>; 2],
}

/// Thing asked for by `吗`, by a verb said twice with a negation between (“能不能”) and by a negation at the end (“能退不”).
const WHETHER: &str = "whether";

/// What the words of a text say about its form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form {
    /// A bit for each thing asked for.
    asks: u32,
    /// For each of two sides a bit for each pair of opposites.
    sides: [u64; 2],
    /// Whether it speaks of what fails or is undone.
    adverse: bool,
}

/// All words, with the form of each.
struct Forms {
    finder: AhoCorasick,
    of: Vec<Form>,
    whether: Form,
}

impl Forms {
    fn new(words: &Words) -> Self {
        let fits = words.asks.len() <= u32::BITS as usize && words.opposites.len() <= u64::BITS as usize;
        assert!(fits, "form.toml names more than 32 things asked for or 64 pairs of opposites; widen the bits of `Form`");
        let mut of: BTreeMap<&str, Form> = words.plain.iter().map(|word| (word.as_str(), Form::default())).collect();
        for word in &words.adverse {
            of.entry(word).or_default().adverse = true;
        }
        for (bit, words) in words.asks.values().enumerate() {
            for word in words {
                of.entry(word).or_default().asks |= 1 << bit;
            }
        }
        for (bit, opposites) in words.opposites.iter().enumerate() {
            for (side, words) in opposites.sides.iter().enumerate() {
                for word in words {
                    of.entry(word).or_default().sides[side] |= 1 << bit;
                }
            }
        }
        let whether = words.asks.keys().position(|name| name == WHETHER).expect("form.toml names what is asked by 吗");
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(of.keys());
        Forms {
            finder: finder.expect("a few hundred short words fit"),
            of: of.into_values().collect(),
            whether: Form { asks: 1 << whether, ..Form::default() },
        }
    }
}

impl Form {
    /// The form of a text as [`normalise`](super::normalise) writes it.
    pub fn of(normalised: &str) -> Self {
        let mut form = Form::default();
        for found in SHIPPED.finder.find_iter(normalised) {
            let word = &normalised[found.range()];
            let whether = matches!(word, "不" | "没") && asks(&normalised[..found.start()], &normalised[found.end()..]);
            form = form.and(if whether { SHIPPED.whether } else { SHIPPED.of[found.pattern().as_usize()] });
        }
        form
    }

    fn and(self, other: Self) -> Self {
        Form {
            asks: self.asks | other.asks,
            sides: [self.sides[0] | other.sides[0], self.sides[1] | other.sides[1]],
            adverse: self.adverse || other.adverse,
        }
    }

    /// True if just one of the two speaks of what fails or is undone.
    pub fn differs_in_adversity(&self, other: &Self) -> bool {
        self.adverse != other.adverse
    }

    /// How many pairs of opposites there are of which one means one side only and the other the other.
    pub fn opposed(&self, other: &Self) -> u32 {
        let only = |form: &Self| [form.sides[0] & !form.sides[1], form.sides[1] & !form.sides[0]];
        let (a, b) = (only(self), only(other));
        (a[0] & b[1] | a[1] & b[0]).count_ones()
    }

    /// How many things it asks for that `other` does not.
    pub fn asks_beyond(&self, other: &Self) -> u32 {
        (self.asks & !other.asks).count_ones()
    }
}

/// Whether a negation between these asks instead of denying.
fn asks(before: &str, after: &str) -> bool {
    let (last, next) = (before.chars().next_back(), after.chars().next());
    last.is_some() && (last == next || !next.is_some_and(char::is_alphanumeric))
}
