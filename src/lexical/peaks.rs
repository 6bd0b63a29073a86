//! What a frequent token adds to a text at most, as known from the texts that have it. BM25 alone only says that it is less than
//! it would be in an endless text of nothing else, which is about twice as much as it ever is; the tighter the bound, the fewer
//! texts have to be looked at.

use std::collections::HashMap;

use tantivy::query::{Bm25StatisticsProvider, Bm25Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Score, Searcher, SegmentReader, Term};

/// Tokens that stand in fewer texts are left out: looking at all of those takes no time.
pub(super) const FREQUENT: u32 = 512;

/// How long a text is and how often it has the token, where that counts most.
#[derive(Debug, Clone, Copy)]
struct Peak {
    length: u8,
    frequency: u32,
}

/// The greatest scores of the frequent tokens of one segment, and the lengths of its texts.
#[derive(Default)]
pub(super) struct Peaks(HashMap<Field, OfField>);

/// What is known of one field.
struct OfField {
    peaks: HashMap<Vec<u8>, Peak>,
    /// By text, as tantivy writes them.
    lengths: Vec<u8>,
}

impl Peaks {
    /// Looks through the frequent tokens of `fields`.
    pub fn of(searcher: &Searcher, segment: &SegmentReader, fields: &[Field]) -> tantivy::Result<Self> {
        let mut peaks = Peaks::default();
        let docs = searcher.total_num_docs()?.max(1);
        for &field in fields {
            let index = segment.inverted_index(field)?;
            let lengths = segment.get_fieldnorms_reader(field)?;
            let lengths: Vec<u8> = (0..segment.max_doc()).map(|doc| lengths.fieldnorm_id(doc)).collect();
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
                        let length = lengths[*doc as usize];
                        let score = weight.score(length, *frequency);
                        if score > most {
                            (most, peak) = (score, Peak { length, frequency: *frequency });
                        }
                    }
                    postings.advance();
                }
                found.insert(terms.key().to_vec(), peak);
            }
            peaks.0.insert(field, OfField { peaks: found, lengths });
        }
        Ok(peaks)
    }

    /// The most that `term` adds to any text where it counts `weight`.
    pub fn bound(&self, term: &Term, weight: &Bm25Weight) -> Score {
        let peak = self.0.get(&term.field()).and_then(|found| found.peaks.get(term.serialized_value_bytes()));
        peak.map_or_else(|| weight.max_score(), |peak| weight.score(peak.length, peak.frequency))
    }

    /// The lengths of all texts in `field`.
    pub fn lengths(&self, field: Field) -> &[u8] {
        self.0.get(&field).map_or(&[], |found| &found.lengths)
    }
}

/// Rows of a [`Table`]: most texts have a token at most so often.
const OFTEN: usize = 4;

/// What a token counts in texts by how often they have it and by their length: the same as [`Bm25Weight::score`], without dividing.
pub(super) struct Table(Box<[[Score; 256]; OFTEN]>);

impl Table {
    /// For a token of this weight.
    pub fn new(weight: &Bm25Weight) -> Self {
        let row = |at: usize| std::array::from_fn(|length| weight.score(length as u8, at as u32 + 1));
        Table(Box::new(std::array::from_fn(row)))
    }

    /// Its score in a text that has it `frequency` times; none where that is not in the table.
    #[inline(always)]
    pub fn score(&self, length: u8, frequency: u32) -> Option<Score> {
        self.0.get((frequency as usize).wrapping_sub(1)).map(|row| row[usize::from(length)])
    }
}
