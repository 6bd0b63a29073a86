//! The writing of patterns: literal text, `(a|b)` alternatives, `<name>` for a named group, `?` after either for what may be
//! left out, `…` for up to eight other characters (`…4` for up to four), and a leading `=` against matching by sound.

use std::collections::BTreeMap;

use super::Reading;
use super::reading::{Gap, Unit, continues_word};
use super::words::Words;

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
    /// One of these.
    Words { words: Words, optional: bool },
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
                    let words: Vec<Vec<Unit>> = names.iter().map(|name| Reading::plain(name).units).collect();
                    if words.is_empty() || words.iter().any(Vec::is_empty) {
                        return Err(format!("has an empty alternative in {first}{inner}{close}"));
                    }
                    parts.push(Part::Words { words: Words::new(words), optional });
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
                        parts.push(Part::Words { words: Words::new(vec![units]), optional: false });
                    }
                    rest = &rest[end..];
                }
            }
        }
        if !parts.iter().any(Part::is_required) {
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
            out.extend(words.first_units());
            if !optional {
                break;
            }
        }
        out
    }

    /// Matches at `at`: the unit after the match, and whether it was only heard.
    pub(super) fn match_at(&self, units: &[Unit], at: usize) -> Option<(usize, bool)> {
        Walk { pattern: self, units, from: at }.step(0, at, true)
    }
}

/// One attempt to match a pattern.
struct Walk<'a> {
    pattern: &'a Pattern,
    units: &'a [Unit],
    /// Where the match begins.
    from: usize,
}

impl Walk<'_> {
    /// Matches the parts from `part` on at `at`; `loose` if a gap stands before them, or nothing.
    fn step(&self, part: usize, at: usize, loose: bool) -> Option<(usize, bool)> {
        let Some(current) = self.pattern.parts.get(part) else { return Some((at, false)) };
        match current {
            Part::Words { optional, .. } => {
                let present = self.words(part, at, loose);
                if *optional { present.or_else(|| self.step(part + 1, at, loose)) } else { present }
            }
            Part::Gap(width) => self.gap(part, at, *width),
        }
    }

    /// The same where the words of `part` must stand in the text.
    fn words(&self, part: usize, at: usize, loose: bool) -> Option<(usize, bool)> {
        let Some(Part::Words { words, .. }) = self.pattern.parts.get(part) else { return None };
        if !loose && self.units.get(at).is_none_or(|unit| unit.gap > Gap::Soft) {
            return None;
        }
        words.starting_like(self.units.get(at)?).find_map(|word| {
            let heard = match_word(word, self.units, at, self.pattern.heard)?;
            let (end, later) = self.step(part + 1, at + word.len(), false)?;
            Some((end, heard || later))
        })
    }

    /// Skips up to `width` units of the same sentence and matches what comes after `part`, the gap.
    fn gap(&self, part: usize, at: usize, width: usize) -> Option<(usize, bool)> {
        let sentence_goes_on = |next: &usize| *next == self.from || self.units[*next].gap < Gap::Sentence;
        let reach = (at..self.units.len().min(at + width)).take_while(sentence_goes_on).count();
        let mut nexts: Vec<usize> =
            (at..=at + reach).filter(|next| self.units.get(*next).is_some_and(|_| sentence_goes_on(next))).collect();
        if self.pattern.longest {
            nexts.reverse();
        }
        let rest = part + 1..self.pattern.parts.len();
        if rest.clone().any(|later| self.pattern.parts[later].is_required()) {
            return nexts.into_iter().find_map(|next| self.step(part + 1, next, true));
        }
        // All that follows may be left out, at the end of the text as well; before that it is looked for as far as the gap goes.
        let present = rest.into_iter().find_map(|later| nexts.iter().find_map(|&next| self.words(later, next, true)));
        present.or(Some((if self.pattern.longest { at + reach } else { at }, false)))
    }
}

impl Part {
    fn is_required(&self) -> bool {
        matches!(self, Part::Words { optional: false, .. })
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
