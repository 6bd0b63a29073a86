//! The writing of patterns: literal text, `(a|b)` alternatives, `<name>` for a named group, `?` after either for what may be
//! left out, `…` for up to eight other characters (`…4` for up to four), and a leading `=` against matching by sound.

use std::collections::BTreeMap;

use super::Reading;
use super::reading::{Gap, Unit, continues_word};

/// Named lists of alternatives.
pub type Groups = BTreeMap<String, Vec<String>>;

/// Characters that a gap spans if the pattern does not say.
const GAP: usize = 8;
/// Widest gap.
const MAX_GAP: usize = 24;
/// Words of this length and more also match by sound.
const HEARD: usize = 3;

/// One compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    parts: Vec<Part>,
    heard: bool,
    longest: bool,
}

#[derive(Debug, Clone)]
enum Part {
    /// One of these, longest first.
    Words { words: Vec<Vec<Unit>>, optional: bool },
    /// Up to so many other characters of the same sentence.
    Gap(usize),
}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// What is wrong with it, in words for the person who wrote it.
    pub fn parse(text: &str, groups: &Groups) -> Result<Self, String> {
        let heard = !text.starts_with('=');
        let mut rest = text.trim_start_matches('=').trim();
        let mut parts: Vec<Part> = Vec::new();
        while let Some(first) = rest.chars().next() {
            match first {
                '(' | '<' => {
                    let close = if first == '(' { ')' } else { '>' };
                    let end = rest.find(close).ok_or_else(|| format!("has `{first}` without `{close}`"))?;
                    let inner = &rest[1..end];
                    rest = &rest[end + 1..];
                    let optional = rest.starts_with('?');
                    rest = rest.strip_prefix('?').unwrap_or(rest);
                    let names: Vec<&str> = if first == '(' {
                        inner.split('|').collect()
                    } else {
                        let group = groups.get(inner).ok_or_else(|| format!("names the group <{inner}>, which is not defined"))?;
                        group.iter().map(String::as_str).collect()
                    };
                    let mut words: Vec<Vec<Unit>> = names.iter().map(|name| Reading::plain(name).units).collect();
                    if words.is_empty() || words.iter().any(Vec::is_empty) {
                        return Err(format!("has an empty alternative in {first}{inner}{close}"));
                    }
                    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
                    parts.push(Part::Words { words, optional });
                }
                '…' => {
                    rest = rest.trim_start_matches('…');
                    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                    let width = if digits == 0 { GAP } else { rest[..digits].parse().unwrap_or(MAX_GAP + 1) };
                    if width == 0 || width > MAX_GAP {
                        return Err(format!("has a gap out of range; write …1 to …{MAX_GAP}"));
                    }
                    rest = &rest[digits..];
                    parts.push(Part::Gap(width));
                }
                ')' | '>' | '|' | '?' => return Err(format!("has a stray `{first}`")),
                _ => {
                    let end = rest.find(['(', '<', '…', ')', '>', '|', '?']).unwrap_or(rest.len());
                    let units = Reading::plain(&rest[..end]).units;
                    if !units.is_empty() {
                        parts.push(Part::Words { words: vec![units], optional: false });
                    }
                    rest = &rest[end..];
                }
            }
        }
        let required = |part: &Part| matches!(part, Part::Words { optional: false, .. });
        if !parts.iter().any(required) {
            return Err("has nothing that must stand in the text".to_owned());
        }
        if matches!(parts.first(), Some(Part::Gap(_))) || matches!(parts.last(), Some(Part::Gap(_))) {
            return Err("begins or ends with a gap".to_owned());
        }
        Ok(Pattern { parts, heard, longest: false })
    }

    /// The same pattern with gaps as wide as they may be; for exceptions, which should cover what they are about.
    pub(super) fn longest(mut self) -> Self {
        self.longest = true;
        self
    }

    /// The first characters a match can have, with their sounds.
    pub(super) fn first_units(&self) -> Vec<Unit> {
        let mut out = Vec::new();
        for part in &self.parts {
            let Part::Words { words, optional } = part else { continue };
            out.extend(words.iter().filter_map(|word| word.first().copied()));
            if !optional {
                break;
            }
        }
        out
    }

    /// Matches at `at`: the unit after the match, and whether it was only heard.
    pub(super) fn match_at(&self, units: &[Unit], at: usize) -> Option<(usize, bool)> {
        self.step(units, 0, at, at)
    }

    fn step(&self, units: &[Unit], part: usize, at: usize, from: usize) -> Option<(usize, bool)> {
        let Some(current) = self.parts.get(part) else { return Some((at, false)) };
        match current {
            Part::Words { words, optional } => {
                for word in words {
                    let joined = at == from || self.follows_gap(part) || units.get(at).is_some_and(|unit| unit.gap <= Gap::Soft);
                    if let Some(heard) = joined.then(|| match_word(word, units, at, self.heard)).flatten()
                        && let Some((end, later)) = self.step(units, part + 1, at + word.len(), from)
                    {
                        return Some((end, heard || later));
                    }
                }
                if *optional { self.step(units, part + 1, at, from) } else { None }
            }
            Part::Gap(width) => {
                // What is skipped over, and what comes after it, belongs to the same sentence.
                let usable = |next: &usize| *next < units.len() && !(units[*next].gap == Gap::Sentence && *next > from);
                let mut nexts: Vec<usize> = (at..=at + width).take_while(usable).collect();
                if self.longest {
                    nexts.reverse();
                }
                nexts.into_iter().find_map(|next| self.step(units, part + 1, next, from))
            }
        }
    }

    /// True if only gaps and optional parts that were left out stand directly before `part`.
    fn follows_gap(&self, part: usize) -> bool {
        part > 0 && matches!(self.parts[part - 1], Part::Gap(_))
    }
}

/// Matches one word at `at`; `Some(true)` if some of it only sounds alike.
fn match_word(word: &[Unit], units: &[Unit], at: usize, by_sound: bool) -> Option<bool> {
    let found = units.get(at..at + word.len())?;
    let mut misheard = 0;
    for (expected, unit) in word.iter().zip(found) {
        if expected.char != unit.char {
            if expected.sound == 0 || expected.sound != unit.sound {
                return None;
            }
            misheard += 1;
        }
    }
    // Three characters: one may be another; more: half of them may, so that the word is still the same word.
    if misheard > 0 && !(by_sound && word.len() >= HEARD && misheard <= word.len() / 2) {
        return None;
    }
    if word.first().is_some_and(|unit| unit.plain) && continues_word(units, at)
        || word.last().is_some_and(|unit| unit.plain) && continues_word(units, at + word.len())
    {
        return None;
    }
    // A comma inside a word is an evasion only if the whole word is pulled apart.
    let inner = &found[1..];
    let apart = inner.len() >= 2 && inner.iter().all(|unit| unit.gap > Gap::None);
    (apart || inner.iter().all(|unit| unit.gap <= Gap::Soft)).then_some(misheard > 0)
}
