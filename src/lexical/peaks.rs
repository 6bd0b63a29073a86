//! What a frequent token adds to a text at most, as known from the texts that have it. BM25 alone only says that it is less than
//! it would be in an endless text of nothing else, which is about twice as much as it ever is; the tighter the bound, the fewer
//! texts have to be looked at.

use std::collections::HashMap;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::query::{Bm25StatisticsProvider, Bm25Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Score, Searcher, SegmentReader, Term};

/// Tokens that stand in fewer texts are left out: their bounds are never asked for.
pub(super) const FREQUENT: u32 = 8_192;

/// How long a text is and how often it has the token, where that counts most.
#[derive(Debug, Clone, Copy)]
struct Peak {
    length: u8,
    frequency: u32,
}

/// The greatest scores of the frequent tokens of one segment.
#[derive(Default)]
pub(super) struct Peaks(HashMap<Field, HashMap<Vec<u8>, Peak>>);

impl Peaks {
    /// Looks through the frequent tokens of `fields`.
    pub fn of(searcher: &Searcher, segment: &SegmentReader, fields: &[Field]) -> tantivy::Result<Self> {
        let mut peaks = Peaks::default();
        let docs = searcher.total_num_docs()?.max(1);
        for &field in fields {
            let index = segment.inverted_index(field)?;
            let lengths = segment.get_fieldnorms_reader(field)?;
            let average = searcher.total_num_tokens(field)? as Score / docs as Score;
            let mut found = HashMap::new();
            let mut terms = index.terms().stream()?;
            while terms.advance() {
                if terms.value().doc_freq < FREQUENT {
                    continue;
                }
                // Which text counts most does not depend on how rare the token is.
                let weight = Bm25Weight::for_one_term_without_explain(1, docs, average);
                let mut postings = index.read_block_postings_from_terminfo(terms.value(), IndexRecordOption::WithFreqs)?;
                let (mut most, mut peak) = (0.0, Peak { length: u8::MAX, frequency: 1 });
                while postings.block_len() > 0 {
                    for (doc, frequency) in postings.docs().iter().zip(postings.freqs()) {
                        let length = lengths.fieldnorm_id(*doc);
                        let score = weight.score(length, *frequency);
                        if score > most {
                            (most, peak) = (score, Peak { length, frequency: *frequency });
                        }
                    }
                    postings.advance();
                }
                found.insert(terms.key().to_vec(), peak);
            }
            peaks.0.insert(field, found);
        }
        Ok(peaks)
    }

    /// The most that `term` adds to any text where it counts `weight`.
    pub fn bound(&self, term: &Term, weight: &Bm25Weight) -> Score {
        let peak = self.0.get(&term.field()).and_then(|found| found.get(term.serialized_value_bytes()));
        peak.map_or_else(|| weight.max_score(), |peak| weight.score(peak.length, peak.frequency))
    }
}

/// What a token counts in texts that have it once, by their length: the same as [`Bm25Weight::score`], without dividing.
pub(super) struct Once([Score; 256]);

impl Once {
    /// For a token of this weight.
    pub fn new(weight: &Bm25Weight) -> Self {
        Once(std::array::from_fn(|length| weight.score(length as u8, 1)))
    }

    /// Its score in a text of this length.
    #[inline(always)]
    pub fn score(&self, lengths: &FieldNormReader, doc: u32) -> Score {
        self.0[usize::from(lengths.fieldnorm_id(doc))]
    }
}
