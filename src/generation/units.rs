//! What is searched: each entry becomes one target (each section of a manual one of its own), each target a few units of
//! text. Pure: the same entries always give the same units in the same order.

use std::ops::Range;

use serde::Serialize;

use crate::corpus::{Entry, EntryBody, Shop, Status};

/// Longest passage that stays one unit, in characters.
const CHUNK_CHARS: usize = 420;
/// How much of a passage is repeated in the next, in characters.
const CHUNK_OVERLAP: usize = 80;

/// Which part of an entry a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitField {
    /// A FAQ's standard question.
    Question,
    /// Another phrasing, or a risk rule's example.
    Similar,
    /// A title, or a manual's heading path.
    Title,
    /// An answer or passage.
    Body,
    /// A phrasing that means something else; never a candidate, only evidence against its entry.
    Negative,
}

impl UnitField {
    /// True for short texts in a customer's or an editor's words.
    pub fn is_phrase(self) -> bool {
        matches!(self, UnitField::Question | UnitField::Similar | UnitField::Title)
    }
}

/// One text that is searched.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// The target it belongs to.
    pub target: u32,
    /// Which part it is.
    pub field: UnitField,
    /// The text.
    pub text: String,
}

/// One thing that can be found: an entry, or a section of a manual.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Index of its entry.
    pub entry: u32,
    /// Index of its section, for a manual.
    pub section: Option<u32>,
    /// Its searchable units.
    pub units: Range<u32>,
    /// Its negative units.
    pub negatives: Range<u32>,
}

/// All targets and units of a corpus.
#[derive(Debug, Default)]
pub struct UnitIndex {
    /// Targets, in order of entry and section.
    pub targets: Vec<Target>,
    /// Searchable units, then negative ones.
    pub units: Vec<Unit>,
    /// Number of searchable units.
    pub searchable: usize,
}

impl UnitIndex {
    /// Cuts published entries into targets and units.
    pub fn new(entries: &[Entry], shop: &Shop) -> Self {
        let mut index = UnitIndex::default();
        let mut negatives: Vec<(u32, &str)> = Vec::new();
        for (number, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.status == Status::Published) {
            let number = number as u32;
            match &entry.body {
                EntryBody::Faq(faq) => {
                    let target = index.begin(number, None);
                    index.push(target, UnitField::Question, &faq.question);
                    faq.similar.iter().for_each(|text| index.push(target, UnitField::Similar, text));
                    if let Some(answer) = faq.answers.last() {
                        index.push_body(target, &plain_template(&answer.text, shop));
                    }
                    negatives.extend(faq.negative.iter().map(|text| (target, text.as_str())));
                }
                EntryBody::Script(script) => {
                    let target = index.begin(number, None);
                    index.push(target, UnitField::Title, &entry.title);
                    script.similar.iter().for_each(|text| index.push(target, UnitField::Similar, text));
                    index.push_body(target, &plain_template(&script.text, shop));
                }
                EntryBody::Risk(risk) => {
                    let target = index.begin(number, None);
                    index.push(target, UnitField::Title, &entry.title);
                    risk.triggers.examples.iter().for_each(|text| index.push(target, UnitField::Similar, text));
                    index.push_body(target, &plain_template(&risk.reply, shop));
                }
                EntryBody::Manual(manual) => {
                    for (position, section) in manual.sections.iter().enumerate() {
                        let target = index.begin(number, Some(position as u32));
                        index.push(target, UnitField::Title, &section.path.join(" "));
                        index.push_body(target, &section.text);
                    }
                }
            }
        }
        index.searchable = index.units.len();
        for target in &mut index.targets {
            target.negatives = index.searchable as u32..index.searchable as u32;
        }
        for (target, text) in negatives {
            let position = index.units.len() as u32;
            let range = &mut index.targets[target as usize].negatives;
            if range.start == range.end {
                *range = position..position;
            }
            range.end = position + 1;
            index.units.push(Unit { target, field: UnitField::Negative, text: text.to_owned() });
        }
        index
    }

    fn begin(&mut self, entry: u32, section: Option<u32>) -> u32 {
        let at = self.units.len() as u32;
        self.targets.push(Target { entry, section, units: at..at, negatives: 0..0 });
        (self.targets.len() - 1) as u32
    }

    fn push(&mut self, target: u32, field: UnitField, text: &str) {
        self.units.push(Unit { target, field, text: text.to_owned() });
        self.targets[target as usize].units.end = self.units.len() as u32;
    }

    fn push_body(&mut self, target: u32, text: &str) {
        for chunk in chunks(text) {
            self.push(target, UnitField::Body, &chunk);
        }
    }
}

/// A template as plain text for search: shop settings filled in, everything else in braces left out.
pub fn plain_template(text: &str, shop: &Shop) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        out.push_str(&rest[..open]);
        let inner = &rest[open + 2..];
        let Some(end) = inner.find("}}").into_iter().chain(inner.find("%}")).min() else {
            return out;
        };
        let name = inner[..end].split('|').next().unwrap_or_default().trim();
        if let Some(value) = name.strip_prefix("shop.").and_then(|key| shop.settings.get(key)) {
            out.push_str(value);
        }
        rest = &inner[end + 2..];
    }
    out.push_str(rest);
    out
}

/// Cuts a passage into overlapping chunks that end at sentence borders where there are any.
fn chunks(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut start = 0;
    while start < chars.len() {
        let hard_end = (start + CHUNK_CHARS).min(chars.len());
        let end =
            if hard_end == chars.len() { hard_end } else { border(&chars, start + CHUNK_CHARS / 2, hard_end).unwrap_or(hard_end) };
        out.push(chars[start..end].iter().collect());
        if end == chars.len() {
            break;
        }
        let overlap_from = end.saturating_sub(CHUNK_OVERLAP).max(start + 1);
        start = border(&chars, overlap_from, end - 1).unwrap_or(end);
    }
    out
}

/// The last position after a sentence's end within `from..to`.
fn border(chars: &[char], from: usize, to: usize) -> Option<usize> {
    (from..to).rev().find(|&at| matches!(chars[at], '。' | '！' | '？' | '；' | '\n')).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_CHARS, chunks};

    #[test]
    fn chunks_cover_the_text_and_end_at_sentences() {
        let sentence = "请先断电，再打开上盖检查滤网。";
        let text = sentence.repeat(100);
        let parts = chunks(&text);
        assert!(parts.len() > 3);
        for part in &parts {
            assert!(part.chars().count() <= CHUNK_CHARS);
            assert!(part.ends_with('。') && part.starts_with("请先断电"), "{part}");
        }
        assert!(chunks("").is_empty());
        assert_eq!(chunks("短句"), ["短句"]);
    }
}
