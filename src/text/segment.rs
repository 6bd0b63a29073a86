//! Segmentation: jieba words in search mode, single characters and character bigrams, each with ordinal positions, so
//! that phrase queries count tokens and not bytes. Model numbers stay whole and are split as well.

use std::collections::HashMap;

use jieba_rs::{Jieba, TokenizeMode};

use super::{Dictionaries, is_cjk, normalise};

/// Frequency given to a shop's word that names none: high enough that the segmenter prefers the whole word.
const USER_WORD_FREQUENCY: usize = 20_000;

/// The tokens of one text, each list in order of appearance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The normalised text they were cut from.
    pub text: String,
    /// Words in search mode (long words and the words inside them), stop words and punctuation left out.
    pub words: Vec<String>,
    /// Single Chinese characters; latin words and numbers count as one.
    pub chars: Vec<String>,
    /// Pairs of neighbouring `chars` with nothing between them.
    pub bigrams: Vec<String>,
}

/// Cuts normalised text into tokens. Holds the segmenter with the shop's own words.
pub struct Analyzer {
    jieba: Jieba,
    dictionaries: Dictionaries,
    synonyms: HashMap<String, Vec<String>>,
}

impl Analyzer {
    /// Builds an analyser with the shop's dictionaries on top of the built-in one.
    pub fn new(dictionaries: Dictionaries) -> Self {
        let mut jieba = Jieba::new();
        for (word, frequency) in &dictionaries.words {
            jieba.add_word(word, Some(frequency.unwrap_or(USER_WORD_FREQUENCY)), None);
        }
        let mut synonyms: HashMap<String, Vec<String>> = HashMap::new();
        for group in &dictionaries.synonyms {
            for word in group {
                let others = synonyms.entry(word.clone()).or_default();
                for other in group.iter().filter(|other| *other != word) {
                    if !others.contains(other) {
                        others.push(other.clone());
                    }
                }
                if word.chars().count() > 1 && !jieba.has_word(word) {
                    jieba.add_word(word, Some(USER_WORD_FREQUENCY), None);
                }
            }
        }
        Analyzer { jieba, dictionaries, synonyms }
    }

    /// The dictionaries this analyser was built with.
    pub fn dictionaries(&self) -> &Dictionaries {
        &self.dictionaries
    }

    /// Analyses `text`; the same for corpus and queries.
    pub fn analyze(&self, text: &str) -> Tokens {
        let text = normalise(text);
        let mut tokens = Tokens { words: self.words(&text), text, ..Tokens::default() };
        let mut previous: Option<(String, usize)> = None;
        for (start, unit) in units(&tokens.text) {
            if let Some((before, end)) = &previous
                && *end == start
            {
                tokens.bigrams.push(format!("{before}{unit}"));
            }
            tokens.chars.push(unit.to_owned());
            previous = Some((unit.to_owned(), start + unit.len()));
        }
        tokens
    }

    /// Other words for `word`, as the shop's synonym file has them.
    pub fn synonyms(&self, word: &str) -> &[String] {
        self.synonyms.get(word).map_or(&[], Vec::as_slice)
    }

    /// True if the segmenter knows `word`.
    pub fn is_word(&self, word: &str) -> bool {
        self.jieba.has_word(word)
    }

    /// Cuts a normalised text into words without overlaps; nothing is left out.
    pub fn cut<'t>(&self, normalised: &'t str) -> Vec<&'t str> {
        self.jieba.cut(normalised, true).into_iter().map(|token| token.word).collect()
    }

    fn words(&self, normalised: &str) -> Vec<String> {
        self.all_words(normalised).into_iter().filter(|(_, kept)| *kept).map(|(word, _)| word.to_owned()).collect()
    }

    /// Words in search mode as parts of `normalised`, in order; false for those that are left out as stop words.
    pub(super) fn all_words<'t>(&self, normalised: &'t str) -> Vec<(&'t str, bool)> {
        let mut words = Vec::new();
        for run in runs(normalised) {
            if run.chars().next().is_some_and(is_cjk) {
                for token in self.jieba.tokenize(run, TokenizeMode::Search, true) {
                    words.push((token.word, !self.dictionaries.stop_words.contains(token.word)));
                }
            } else {
                words.push((run, true));
                let parts = alphanumeric_parts(run);
                if parts.len() > 1 {
                    words.extend(parts.into_iter().map(|part| (part, true)));
                }
            }
        }
        words
    }

    /// Words without overlaps as parts of `normalised`, in order, as the words in search mode are made from them.
    pub(super) fn whole_words<'t>(&self, normalised: &'t str) -> Vec<&'t str> {
        runs(normalised)
            .into_iter()
            .flat_map(|run| if run.chars().next().is_some_and(is_cjk) { self.cut(run) } else { vec![run] })
            .collect()
    }
}

/// Splits into maximal runs of Chinese characters and of latin letters and digits (inner `-`, `.`, `/`, `+`, `_` kept,
/// so that “wm10-x2” and “2.4” stay whole); everything else separates.
fn runs(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let mut end = start + c.len_utf8();
        if is_cjk(c) {
            while let Some(&(at, next)) = chars.peek()
                && is_cjk(next)
            {
                end = at + next.len_utf8();
                chars.next();
            }
        } else if c.is_alphanumeric() {
            while let Some(&(at, next)) = chars.peek() {
                let inner = matches!(next, '-' | '.' | '/' | '+' | '_')
                    && text[at + next.len_utf8()..].chars().next().is_some_and(|after| after.is_alphanumeric() && !is_cjk(after));
                if !(inner || next.is_alphanumeric() && !is_cjk(next)) {
                    break;
                }
                end = at + next.len_utf8();
                chars.next();
            }
        } else {
            continue;
        }
        out.push(&text[start..end]);
    }
    out
}

/// Single Chinese characters and whole latin or digit parts of a normalised text, with their byte offsets. Two units are
/// neighbours where one ends at the byte on which the next begins.
pub fn units(text: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    for run in runs(text) {
        let base = run.as_ptr() as usize - text.as_ptr() as usize;
        if run.chars().next().is_some_and(is_cjk) {
            out.extend(run.char_indices().map(|(at, c)| (base + at, &run[at..at + c.len_utf8()])));
        } else {
            out.extend(alphanumeric_parts(run).into_iter().map(|part| (part.as_ptr() as usize - text.as_ptr() as usize, part)));
        }
    }
    out
}

/// “ap300-x” → “ap”, “300”, “x”.
fn alphanumeric_parts(run: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = None;
    let mut digits = false;
    for (at, c) in run.char_indices() {
        let boundary = !c.is_alphanumeric() || start.is_some() && c.is_numeric() != digits;
        if boundary && let Some(from) = start.take() {
            parts.push(&run[from..at]);
        }
        if c.is_alphanumeric() && start.is_none() {
            start = Some(at);
            digits = c.is_numeric();
        }
    }
    if let Some(from) = start {
        parts.push(&run[from..]);
    }
    parts
}
