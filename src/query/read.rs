//! How a text is read, as part of the corpus and as a query, side by side. Built from the functions that indexing and
//! searching use; it shows and decides nothing.

use serde::Serialize;

use super::retrieve::{Expansion, expand};
use super::{check_length, corrections};
use crate::error::Result;
use crate::generation::Generation;
use crate::text::{CharSpan, Inspected, apply, normalise};

/// One text read twice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Readings {
    /// As a text of the corpus.
    pub index: Inspected,
    /// As a customer's words.
    pub query: QueryReading,
}

/// A customer's words as they are searched.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueryReading {
    /// The tokens, after corrections.
    #[serde(flatten)]
    pub tokens: Inspected,
    /// Words that were written by their sound, and what is read in their place, with full weight.
    pub corrections: Vec<ReadAs>,
    /// Synonyms that are searched as well.
    pub expansions: Vec<Expansion>,
    /// Words that no text of the corpus has.
    pub unknown_words: Vec<String>,
}

/// A corrected word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadAs {
    /// What was written, normalised.
    pub written: String,
    /// Where it stands in the normalised text before corrections, which is that of the index.
    pub span: CharSpan,
    /// The word of the corpus that sounds the same.
    pub read_as: String,
    /// `pinyin` for latin letters, `homophone` for characters.
    pub by: SoundOf,
}

/// What was written by its sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundOf {
    /// Latin letters.
    Pinyin,
    /// Other characters of the same sound.
    Homophone,
}

/// Reads `text` as `generation` reads texts of the corpus and queries.
///
/// # Errors
/// [`crate::Error::InvalidRequest`] if it is empty or longer than [`super::MAX_QUERY_CHARS`].
pub fn read(generation: &Generation, text: &str) -> Result<Readings> {
    check_length("text", text)?;
    let analyzer = &generation.analyzer;
    let normalised = normalise(text);
    let found = corrections(generation, &normalised);
    let corrected = apply(&normalised, &found);
    let searched = corrected.as_deref().unwrap_or(text);
    let tokens = analyzer.analyze(searched);
    let corrections = found
        .into_iter()
        .map(|correction| ReadAs {
            written: normalised[correction.bytes.clone()].to_owned(),
            span: CharSpan::of(&normalised, correction.bytes),
            read_as: correction.read_as,
            by: if correction.latin { SoundOf::Pinyin } else { SoundOf::Homophone },
        })
        .collect();
    let unknown_words = super::diagnose::unknown_words(generation, &tokens);
    let expansions = expand(generation, &tokens);
    Ok(Readings {
        index: analyzer.inspect(text),
        query: QueryReading { tokens: analyzer.inspect(searched), corrections, expansions, unknown_words },
    })
}
