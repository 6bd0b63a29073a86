//! The best texts by BM25, exactly, without looking at every text that has a frequent character. A query is some twenty to a
//! hundred tokens, and the frequent ones (的, 我, 怎) stand in a third of all texts and say little: tokens are added up
//! from the one that can say most to the one that can say least; as soon as all that are left together cannot lift another
//! text among the best, they are looked up for the texts in question only (the “continue” strategy of Moffat & Zobel 1996, with
//! bounds that keep it exact). Block-max WAND, tantivy's own way, is made for a few terms and loses time on many.

use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::BlockSegmentPostings;
use tantivy::query::{Bm25StatisticsProvider, Bm25Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, Score, Searcher, SegmentReader, Term};

/// Shorter lists are added up without asking whether they still can matter; asking takes a look at every text.
const SHORT_LIST: u32 = 8_192;
/// What rounding may do to a sum of weights, as a share of it.
const SLACK: f32 = 1e-4;

/// The best `limit` texts of one segment with the sums of their weighted BM25 scores, in no order. With equal scores at the
/// cut all of them are given. Only texts that `allowed` accepts are counted.
pub(super) fn best(
    searcher: &Searcher,
    segment: &SegmentReader,
    clauses: &[(Term, f32)],
    limit: usize,
    allowed: &dyn Fn(DocId) -> bool,
) -> tantivy::Result<Vec<(DocId, Score)>> {
    let mut lists = Vec::with_capacity(clauses.len());
    for (term, weight) in clauses {
        lists.extend(List::open(searcher, segment, term, *weight)?);
    }
    // The sort is stable: equal ones stay in the order of the query, so that sums are always built in one order.
    lists.sort_by(|a, b| b.most.total_cmp(&a.most));
    let mut left: Vec<f32> = vec![0.0; lists.len() + 1];
    for at in (0..lists.len()).rev() {
        left[at] = left[at + 1] + lists[at].most * (1.0 + SLACK);
    }
    let mut sums = vec![0.0_f32; segment.max_doc() as usize];
    let (mut floor, mut read) = (0.0, 0);
    while let Some(list) = lists.get_mut(read) {
        if list.postings.doc_freq() > SHORT_LIST {
            floor = floor_of(&sums, limit, allowed);
            if floor > left[read] {
                break;
            }
        }
        list.add_up(&mut sums);
        read += 1;
    }
    if read == lists.len() {
        floor = floor_of(&sums, limit, allowed);
    }
    let mut found: Vec<(DocId, Score)> = (0..)
        .zip(&sums)
        .filter(|(doc, sum)| **sum > 0.0 && **sum + left[read] >= floor && allowed(*doc))
        .map(|(doc, sum)| (doc, *sum))
        .collect();
    for list in &mut lists[read..] {
        list.add_to(&mut found);
    }
    Ok(found)
}

/// The sum of the text that is number `limit` by now; 0 if there are fewer.
fn floor_of(sums: &[f32], limit: usize, allowed: &dyn Fn(DocId) -> bool) -> f32 {
    let (mut kept, mut floor) = (Vec::with_capacity(2 * limit.min(sums.len())), 0.0);
    let cut = |kept: &mut Vec<f32>| {
        kept.select_nth_unstable_by(limit - 1, |a, b| b.total_cmp(a));
        kept.truncate(limit);
        kept[limit - 1]
    };
    for (doc, sum) in (0..).zip(sums) {
        if *sum > floor && allowed(doc) {
            kept.push(*sum);
            if kept.len() == 2 * limit {
                floor = cut(&mut kept);
            }
        }
    }
    if kept.len() >= limit { cut(&mut kept) } else { 0.0 }
}

/// The texts that have one token, with what the token counts.
struct List {
    postings: BlockSegmentPostings,
    lengths: FieldNormReader,
    weight: Bm25Weight,
    /// The most it can add to any text.
    most: f32,
}

impl List {
    /// None where no text of the segment has the token.
    fn open(searcher: &Searcher, segment: &SegmentReader, term: &Term, weight: f32) -> tantivy::Result<Option<Self>> {
        let index = segment.inverted_index(term.field())?;
        let Some(postings) = index.read_block_postings(term, IndexRecordOption::WithFreqs)? else { return Ok(None) };
        let (tokens, docs) = (searcher.total_num_tokens(term.field())?, searcher.total_num_docs()?);
        let average = tokens as Score / docs as Score;
        let weight = Bm25Weight::for_one_term_without_explain(searcher.doc_freq(term)?, docs, average).boost_by(weight);
        let lengths = segment.get_fieldnorms_reader(term.field())?;
        Ok(Some(List { postings, lengths, most: weight.max_score(), weight }))
    }

    fn score(&self, doc: DocId, frequency: u32) -> Score {
        self.weight.score(self.lengths.fieldnorm_id(doc), frequency)
    }

    /// Adds its score to that of every text it is in.
    fn add_up(&mut self, sums: &mut [f32]) {
        while self.postings.block_len() > 0 {
            for (doc, frequency) in self.postings.docs().iter().zip(self.postings.freqs()) {
                sums[*doc as usize] += self.score(*doc, *frequency);
            }
            self.postings.advance();
        }
    }

    /// Adds its score to that of the texts of `found`, which are in order.
    fn add_to(&mut self, found: &mut [(DocId, Score)]) {
        for (doc, sum) in found {
            let at = self.postings.seek(*doc);
            if at >= self.postings.block_len() {
                return;
            }
            if self.postings.doc(at) == *doc {
                *sum += self.score(*doc, self.postings.freq(at));
            }
        }
    }
}
