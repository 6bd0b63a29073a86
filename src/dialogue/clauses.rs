//! From messages to questions: courtesies left out, two questions taken apart, short follow-ups completed.

use super::Turn;
use super::lexicon::{contains_any, fold, lexicon, longest_prefix};
use super::signals;
use super::slots;
use crate::text::normalise;

/// Most questions of one message that are answered one by one.
const MAX_QUESTIONS: usize = 3;
/// Fewest content characters of a question that stands by itself.
const OWN_CONTENT: usize = 2;
/// Most content characters of a second question that may share the first one's topic: “怎么退货？运费谁出？”
const SHARED_TOPIC: usize = 3;
/// Most characters of an earlier topic that are carried over.
const MAX_TOPIC: usize = 16;

/// A question the customer asks now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What to search for: completed from earlier turns where it needs it.
    pub text: String,
    /// The customer's own words, where they were completed and may also stand for themselves.
    pub alone: Option<String>,
    /// The earlier question that was already answered; a follow-up asks for something else.
    pub follows: Option<String>,
    /// The same with the topic talked about before, for a short question that may stand for itself: what to search for if
    /// it turns out to be ambiguous.
    pub in_context: Option<String>,
}

impl Question {
    pub(super) fn plain(text: &str) -> Self {
        Question { text: text.trim().to_owned(), alone: None, follows: None, in_context: None }
    }
}

/// What `texts` say besides greetings and thanks.
pub(super) fn without_courtesies<'a>(texts: &[&'a str]) -> Vec<&'a str> {
    let mut kept = Vec::new();
    for text in texts {
        let mut rest = text.trim();
        // “你好，请问怎么退货”: the courtesy in front ends at a mark.
        while let Some((head, tail)) = rest.split_once(|c: char| "，,。.！!~～？? 、\n".contains(c)) {
            if signals::courtesy(head).is_none() || fold(tail).is_empty() {
                break;
            }
            rest = tail.trim_start();
        }
        while let Some((head, tail)) = rest.rsplit_once(|c: char| "，,。！!~～ \n".contains(c)) {
            if fold(head).is_empty() || signals::courtesy(tail).is_none() {
                break;
            }
            rest = head.trim_end();
        }
        if signals::courtesy(rest).is_none() {
            kept.push(rest);
        }
    }
    kept
}

/// True if `text` holds a word that asks.
pub fn has_question_word(text: &str) -> bool {
    contains_any(&fold(text), &lexicon().question.words)
}

/// The words of `text` that carry its topic, in order, with blanks where others were left out.
pub fn content(text: &str) -> String {
    without(text, &[])
}

/// True if `text` says that something is the matter and nothing about what (“那个不行”, “怎么回事啊”).
pub(super) fn only_points(text: &str) -> bool {
    !fold(text).is_empty() && without(text, &lexicon().pointing.words).is_empty()
}

/// `text` without asking words, filler and `others`, with blanks in their place.
fn without(text: &str, others: &[String]) -> String {
    let text = normalise(text);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let words = lexicon().question.words.iter().chain(&lexicon().filler.words).chain(others);
        if let Some(length) = longest_prefix(rest, words) {
            rest = &rest[length..];
            out.push(' ');
        } else {
            out.push(if c.is_alphanumeric() { c } else { ' ' });
            rest = &rest[c.len_utf8()..];
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The number of content characters of `text`.
pub fn content_length(text: &str) -> usize {
    content(text).chars().filter(|c| !c.is_whitespace()).count()
}

/// The customer's last question in `turns`, completed like a current one; `None` if nothing was asked.
pub(super) fn last_question(turns: &[Turn]) -> Option<String> {
    /// A topic does not reach further back than this many turns.
    const REACH: usize = 12;
    let mut before: Option<String> = None;
    let from = turns.len().saturating_sub(REACH);
    for (at, turn) in turns.iter().enumerate().skip(from) {
        if turn.customer && signals::courtesy(turn.text).is_none() {
            before = Some(complete(turn.text, before.as_deref(), asks_back(&turns[..at])).text);
        }
    }
    before
}

/// True if the last of `turns` asks the customer for a detail.
pub(super) fn asks_back(turns: &[Turn]) -> bool {
    turns.last().is_some_and(|turn| {
        let asks = has_question_word(turn.text) || turn.text.contains(['？', '?']);
        !turn.customer && asks && !contains_any(&fold(turn.text), &lexicon().follow_up.generic)
    })
}

/// True if `text` confirms what was asked back.
pub(super) fn confirms(text: &str) -> bool {
    lexicon().follow_up.confirmations.iter().any(|known| *known == fold(text))
}

/// The questions of `text`, which follows the customer's `previous` message; `asked_back` if the message before it was a
/// question to the customer.
pub(super) fn questions(text: &str, previous: Option<&str>, asked_back: bool) -> Vec<Question> {
    let parts = split(text);
    let mut out: Vec<Question> = Vec::new();
    for part in &parts {
        let question = match out.last() {
            None => complete(part, previous, asked_back),
            Some(before) if content_length(part) <= SHARED_TOPIC => Question {
                text: format!("{} {}", topic(&before.text), core(part)),
                alone: (content_length(part) >= OWN_CONTENT).then(|| part.clone()),
                follows: Some(before.text.clone()),
                in_context: None,
            },
            Some(_) => Question::plain(part),
        };
        out.push(question);
    }
    out
}

/// Takes the questions of `text` apart; one part if it holds only one. Statements stay with the question they lead to.
fn split(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut open = String::new();
    let mut complete = false;
    for (clause, mark) in clauses(text) {
        let trimmed = clause.trim();
        let asks = has_question_word(trimmed) || matches!(mark, '？' | '?');
        let connects = longest_prefix(trimmed, &lexicon().split.connectives).is_some();
        let own = content_length(trimmed) >= OWN_CONTENT || connects;
        if complete && (asks && own || connects) {
            parts.push(std::mem::take(&mut open));
            complete = false;
        }
        complete |= asks;
        open.push_str(clause);
        if mark != '\0' {
            open.push(mark);
        }
    }
    parts.push(open);
    let parts: Vec<String> = parts.iter().map(|part| part.trim().trim_matches(['，', ',']).to_owned()).collect();
    // The last part may be a mere statement (“我等着用”); it is no question of its own.
    let real = parts.iter().filter(|part| has_question_word(part) || part.contains(['？', '?'])).count();
    if real < 2 || parts.len() > MAX_QUESTIONS {
        return vec![text.trim().to_owned()];
    }
    parts.into_iter().filter(|part| !fold(part).is_empty()).collect()
}

/// Clauses with the marks that end them.
fn clauses(text: &str) -> Vec<(&str, char)> {
    let mut out = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices() {
        if "，,。！!？?；;\n".contains(c) {
            if !text[start..at].trim().is_empty() {
                out.push((&text[start..at], c));
            }
            start = at + c.len_utf8();
        }
    }
    if !text[start..].trim().is_empty() {
        out.push((&text[start..], '\0'));
    }
    out
}

/// Completes `text` from the customer's `previous` message if it is a follow-up.
fn complete(text: &str, previous: Option<&str>, asked_back: bool) -> Question {
    let folded = fold(text);
    let length = folded.chars().count();
    let Some(previous) = previous.filter(|_| length <= lexicon().follow_up.max_chars) else { return Question::plain(text) };
    let opened = longest_prefix(&folded, &lexicon().follow_up.openers).is_some();
    let closed = folded.ends_with('呢');
    let asks = has_question_word(text) || text.contains(['？', '?']);
    let own = content_length(&core(text));
    let elliptic = own < OWN_CONTENT + 1 && asks;
    let answers = asked_back && !asks;
    let follow = core(text);
    if !(opened || closed || elliptic || answers) {
        return Question { in_context: Some(format!("{} {}", topic(previous), text.trim())), ..Question::plain(text) };
    }
    if let Some(replaced) = slots::replace_value(previous, &follow) {
        return Question::plain(&replaced);
    }
    let alone = (own > OWN_CONTENT + 1 && asks && !answers).then(|| text.trim().to_owned());
    let follows = (!answers).then(|| previous.trim().to_owned());
    if answers {
        return Question::plain(&format!("{} {}", follow, previous.trim()));
    }
    Question { text: format!("{} {}", topic(previous), follow).trim().to_owned(), alone, follows, in_context: None }
}

/// The topic of an earlier question.
fn topic(text: &str) -> String {
    let content = content(text);
    if content.chars().count() <= MAX_TOPIC { content } else { content.chars().take(MAX_TOPIC).collect() }
}

/// A follow-up without what joins it to the conversation: “那运费呢？” → “运费”.
fn core(text: &str) -> String {
    let mut rest = text.trim().trim_matches(|c: char| !c.is_alphanumeric());
    while let Some(length) = longest_prefix(rest, &lexicon().follow_up.openers).filter(|length| *length < rest.len()) {
        rest = rest[length..].trim_start_matches(|c: char| !c.is_alphanumeric());
    }
    for closer in &lexicon().follow_up.closers {
        if let Some(shorter) = rest.strip_suffix(closer.as_str()).filter(|shorter| !shorter.is_empty()) {
            rest = shorter;
            break;
        }
    }
    rest.to_owned()
}
