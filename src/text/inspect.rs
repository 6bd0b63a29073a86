//! The analyser under a glass: the tokens of a text with where they stand and which dictionary has them, for people who
//! wonder why a text is found or not. It shows what [`Analyzer::analyze`] makes; it never analyses on its own.

use std::ops::Range;

use serde::Serialize;

use super::{Analyzer, is_cjk, normalise, units};

/// A half-open span in Unicode characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CharSpan {
    /// First character.
    pub start: usize,
    /// The character after the last.
    pub end: usize,
}

impl CharSpan {
    /// The span of the bytes `bytes` of `text`.
    pub fn of(text: &str, bytes: Range<usize>) -> Self {
        let start = text[..bytes.start].chars().count();
        CharSpan { start, end: start + text[bytes].chars().count() }
    }
}

/// The tokens of one text, in the order in which they are indexed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspected {
    /// The normalised text; all spans count its characters.
    pub text: String,
    /// Words in search mode.
    pub words: Vec<InspectedToken>,
    /// Single Chinese characters; latin words and numbers count as one.
    pub chars: Vec<InspectedToken>,
    /// Pairs of neighbouring `chars`.
    pub bigrams: Vec<InspectedToken>,
    /// Stop words, which are not indexed.
    pub left_out: Vec<LeftOut>,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InspectedToken {
    /// The token.
    pub token: String,
    /// Its number in its list, from 0: the position that is indexed.
    pub position: usize,
    /// Where it stands in the normalised text.
    pub span: CharSpan,
    /// Where the word is known from; words only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dictionary: Option<DictionaryName>,
    /// The longer word it was taken from; none for a word that stands for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

/// A stop word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The word.
    pub word: String,
    /// Where it stands in the normalised text.
    pub span: CharSpan,
}

/// Where a word is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DictionaryName {
    /// The shop's own words.
    Shop,
    /// The shop's synonyms.
    Synonyms,
    /// The segmenter's dictionary.
    BuiltIn,
    /// No dictionary: letters and digits, which are words as they stand.
    Latin,
    /// No dictionary: guessed by the segmenter from the characters.
    Guessed,
}

impl Analyzer {
    /// Analyses `text` and shows where each token comes from.
    pub fn inspect(&self, text: &str) -> Inspected {
        let text = normalise(text);
        let offset = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        let span = |part: &str| CharSpan::of(&text, offset(part)..offset(part) + part.len());
        let wholes: Vec<(usize, &str)> = self.whole_words(&text).into_iter().map(|word| (offset(word), word)).collect();
        let mut words = Vec::new();
        let mut left_out = Vec::new();
        for (word, kept) in self.all_words(&text) {
            let span = span(word);
            if !kept {
                left_out.push(LeftOut { word: word.to_owned(), span });
                continue;
            }
            let at = offset(word);
            let whole = wholes.iter().rev().find(|(from, _)| *from <= at).map(|(_, whole)| *whole);
            let within = whole.filter(|whole| whole.len() > word.len()).map(str::to_owned);
            let dictionary = Some(self.dictionary_of(word));
            words.push(InspectedToken { token: word.to_owned(), position: words.len(), span, dictionary, within });
        }
        let parts = units(&text);
        let plain = |position: usize, token: &str, span: CharSpan| InspectedToken {
            token: token.to_owned(),
            position,
            span,
            dictionary: None,
            within: None,
        };
        let chars = parts.iter().enumerate().map(|(position, (_, part))| plain(position, part, span(part))).collect();
        let bigrams = parts
            .windows(2)
            .filter(|pair| pair[0].0 + pair[0].1.len() == pair[1].0)
            .enumerate()
            .map(|(position, pair)| {
                let both = &text[pair[0].0..pair[1].0 + pair[1].1.len()];
                plain(position, both, span(both))
            })
            .collect();
        Inspected { words, chars, bigrams, left_out, text }
    }

    fn dictionary_of(&self, word: &str) -> DictionaryName {
        let dictionaries = self.dictionaries();
        match () {
            () if dictionaries.words.contains_key(word) => DictionaryName::Shop,
            () if !self.synonyms(word).is_empty() => DictionaryName::Synonyms,
            () if self.is_word(word) => DictionaryName::BuiltIn,
            () if word.chars().any(|c| !is_cjk(c)) => DictionaryName::Latin,
            () => DictionaryName::Guessed,
        }
    }
}
