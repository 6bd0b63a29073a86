//! What a message is apart from its question: a courtesy, a call for a person, a sign that nothing helped.

use serde::{Deserialize, Serialize};

use super::Turn;
use super::lexicon::{contains_any, fold, lexicon, longest_prefix};

/// What a message without a question is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CourtesyKind {
    /// Thanks or praise.
    Thanks,
    /// The end of the conversation.
    Farewell,
    /// A greeting, or a call whether anybody is there.
    Greeting,
    /// “Hm”, “fine”, “understood”.
    Acknowledgement,
}

/// A message that asks nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Courtesy {
    /// What it is.
    pub kind: CourtesyKind,
}

/// Longest run of characters in which a verb, a count and a measure belong together: “问了你们好几遍”.
const COUNT_REACH: usize = 5;
/// Share of common bigrams from which two messages ask the same.
const SAME_QUESTION: f32 = 0.7;

/// The courtesy that `text` consists of; `None` if it says anything else. Punctuation and emoji alone are a call.
pub(super) fn courtesy(text: &str) -> Option<Courtesy> {
    let folded = fold(text);
    let mut rest = folded.as_str();
    let mut found: Option<(usize, CourtesyKind)> = None;
    while !rest.is_empty() {
        let known = lexicon().courtesy.iter().enumerate().filter_map(|(order, courtesy)| {
            longest_prefix(rest, &courtesy.phrases).map(|length| (length, std::cmp::Reverse(order), courtesy.kind))
        });
        let best = known.max_by_key(|(length, order, _)| (*length, *order));
        let particle = longest_prefix(rest, &lexicon().particles.words);
        match (best, particle) {
            (Some((length, order, kind)), particle) if particle.is_none_or(|particle| particle <= length) => {
                // The kind that stands first in the lexicon says most: “好的谢谢” is thanks.
                if found.is_none_or(|(best, _)| order.0 < best) {
                    found = Some((order.0, kind));
                }
                rest = &rest[length..];
            }
            (_, Some(length)) => rest = &rest[length..],
            _ => return None,
        }
    }
    let kind = found.map_or(CourtesyKind::Greeting, |(_, kind)| kind);
    Some(Courtesy { kind })
}

/// True if the customer asks for a person.
pub(super) fn wants_person(text: &str) -> bool {
    let folded = fold(text);
    let person = &lexicon().person;
    let mut core = folded.as_str();
    while let Some(length) = longest_prefix(core, &lexicon().particles.words).filter(|length| *length < core.len()) {
        core = &core[length..];
    }
    let core = core.trim_end_matches(['啊', '呀', '吧', '呢', '嘛', '啦', '了']);
    person.whole.iter().any(|whole| whole == core || *whole == folded)
        || contains_any(&folded, &person.phrases) && !contains_any(&folded, &person.unless)
}

/// True if two messages say that nothing helped, or one says so with a count (“问了三遍了”).
pub(super) fn repeated_failure(turns: &[Turn]) -> bool {
    let said = |turn: &&Turn| turn.customer;
    let last = turns.iter().rev().find(said);
    let failed = turns.iter().filter(said).filter(|turn| contains_any(&fold(turn.text), &lexicon().failure.phrases)).count();
    let again = last.is_some_and(|turn| contains_any(&fold(turn.text), &lexicon().failure.phrases));
    again && failed >= 2 || last.is_some_and(|turn| counts_itself(&fold(turn.text)))
}

fn counts_itself(folded: &str) -> bool {
    let failure = &lexicon().failure;
    failure.verbs.iter().any(|verb| {
        folded.match_indices(verb.as_str()).any(|(at, _)| {
            let after: Vec<(usize, char)> = folded[at + verb.len()..].char_indices().take(COUNT_REACH).collect();
            // “投诉过三次”, “问了你们好几遍”: the verb is over, and a count of times follows.
            let over = after.iter().take(3).any(|(_, c)| matches!(c, '了' | '过'));
            over && after.iter().any(|(offset, _)| {
                let rest = &folded[at + verb.len() + offset..];
                longest_prefix(rest, &failure.counts)
                    .is_some_and(|length| longest_prefix(&rest[length..], &failure.measures).is_some())
            })
        })
    })
}

/// How many of the customer's messages ask what `text` asks, this one counted.
pub(super) fn asked_times(earlier: &[Turn], text: &str) -> i64 {
    let wanted = bigrams(&fold(text));
    let same = |turn: &&Turn| turn.customer && similarity(&bigrams(&fold(turn.text)), &wanted) >= SAME_QUESTION;
    1 + earlier.iter().filter(same).count() as i64
}

fn bigrams(folded: &str) -> Vec<(char, char)> {
    let chars: Vec<char> = folded.chars().collect();
    let mut pairs: Vec<(char, char)> = chars.windows(2).map(|pair| (pair[0], pair[1])).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

fn similarity(a: &[(char, char)], b: &[(char, char)]) -> f32 {
    let common = a.iter().filter(|pair| b.binary_search(pair).is_ok()).count();
    let all = a.len() + b.len() - common;
    if all == 0 { 0.0 } else { common as f32 / all as f32 }
}
