//! The best texts by BM25, exactly, without looking at every text that has a frequent character. A query is some twenty to a
//! hundred tokens, and the frequent ones (的, 我, 怎) stand in a third of all texts and say little: tokens are added up
//! from the one that can say most to the one that can say least; as soon as all that are left together cannot lift another
//! text among the best, they are looked up for the texts in question only (the “continue” strategy of Moffat & Zobel 1996, with
//! bounds that keep it exact), and after each of them the texts that are out of the question are dropped. Block-max WAND,
//! tantivy's own way, is made for a few terms and loses time on many.

use std::sync::Arc;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::BlockSegmentPostings;
use tantivy::query::{Bm25StatisticsProvider, Bm25Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, InvertedIndexReader, Score, Searcher, SegmentReader, Term};

use super::peaks::{FREQUENT, Once, Peaks};

/// Shorter lists are added up without asking whether they still can matter.
const SHORT_LIST: u32 = 8_192;
/// Asking takes a look at every text, which takes as long as adding up a list of this share of them.
const ASKING: u32 = 4;
/// To look a list up for one text takes as long as to add up this many of the list.
const LOOKING_UP: usize = 8;
/// Sums that are looked at together.
const CHUNK: usize = 64;
/// What rounding may do to a sum of weights, as a share of it.
const SLACK: f32 = 1e-4;

/// The best `limit` texts of one segment with the sums of their weighted BM25 scores, in no order. With equal scores at the
/// cut all of them are given. Only texts that `allowed` accepts are counted.
pub(super) fn best(
    searcher: &Searcher,
    segment: &SegmentReader,
    peaks: &Peaks,
    clauses: &[(Term, f32)],
    limit: usize,
    allowed: &dyn Fn(DocId) -> bool,
) -> tantivy::Result<Vec<(DocId, Score)>> {
    let mut lists = Vec::with_capacity(clauses.len());
    let mut fields: Vec<(Field, Terms)> = Vec::new();
    for (term, weight) in clauses {
        let field = term.field();
        let at = match fields.iter().position(|(known, _)| *known == field) {
            Some(at) => at,
            None => {
                fields.push((field, Terms::open(searcher, segment, field)?));
                fields.len() - 1
            }
        };
        lists.extend(fields[at].1.list(searcher, peaks, term, *weight)?);
    }
    // By what a token could say in any text at all, not by its bound: the order of additions is that of the tokens' weights. The
    // sort is stable: equal ones stay in the order of the query, so that sums are always built in one order.
    lists.sort_by(|a, b| b.weight.max_score().total_cmp(&a.weight.max_score()));
    let mut left: Vec<f32> = vec![0.0; lists.len() + 1];
    for at in (0..lists.len()).rev() {
        left[at] = left[at + 1] + lists[at].most * (1.0 + SLACK);
    }
    let texts = segment.max_doc();
    let mut sums = vec![0.0_f32; texts as usize];
    let (mut floor, mut read) = (0.0, 0);
    // What was added up since the question was asked last.
    let mut added = texts;
    while let Some(list) = lists.get_mut(read) {
        let length = list.postings.doc_freq();
        if length > SHORT_LIST && added >= texts / ASKING {
            floor = floor_of(&sums, limit, floor, allowed);
            added = 0;
            if floor > left[read] && count_from(&sums, floor - left[read]) * LOOKING_UP < length as usize {
                break;
            }
        }
        list.add_up(&mut sums);
        added = added.saturating_add(length);
        read += 1;
    }
    if read == lists.len() {
        floor = floor_of(&sums, limit, floor, allowed);
    }
    let mut found = Vec::new();
    let may_be = |sum: f32| sum > 0.0 && sum + left[read] >= floor;
    // What is passed over is below by more than rounding can do.
    each_from(&sums, floor - left[read] - SLACK * floor, |doc, sum| {
        if may_be(sum) && allowed(doc) {
            found.push((doc, sum));
        }
    });
    for at in read..lists.len() {
        lists[at].add_to(&mut found);
        if found.len() > limit {
            let mut found_sums: Vec<f32> = found.iter().map(|(_, sum)| *sum).collect();
            let (_, least, _) = found_sums.select_nth_unstable_by(limit - 1, |a, b| b.total_cmp(a));
            floor = floor.max(*least);
            found.retain(|(_, sum)| sum + left[at + 1] >= floor);
        }
    }
    Ok(found)
}

/// The sum of the text that is number `limit` by now; 0 if there are fewer. It was `floor` before, and sums only grow.
fn floor_of(sums: &[f32], limit: usize, floor: f32, allowed: &dyn Fn(DocId) -> bool) -> f32 {
    let (mut kept, mut floor) = (Vec::with_capacity(2 * limit.min(sums.len())), floor);
    let cut = |kept: &mut Vec<f32>| {
        kept.select_nth_unstable_by(limit - 1, |a, b| b.total_cmp(a));
        kept.truncate(limit);
        kept[limit - 1]
    };
    for (chunk, first) in sums.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        if greatest(chunk) <= floor {
            continue;
        }
        for (sum, doc) in chunk.iter().zip(first..) {
            if *sum > floor && allowed(doc) {
                kept.push(*sum);
                if kept.len() == 2 * limit {
                    floor = cut(&mut kept);
                }
            }
        }
    }
    if kept.len() >= limit { cut(&mut kept) } else { floor }
}

/// The greatest of some sums, none of which is below zero.
fn greatest(sums: &[f32]) -> f32 {
    // Plainer than `f32::max`, which minds what is no number: this becomes vector instructions.
    sums.iter().fold(0.0, |greatest, sum| if *sum > greatest { *sum } else { greatest })
}

/// How many sums are not below `least`.
fn count_from(sums: &[f32], least: f32) -> usize {
    sums.iter().map(|sum| usize::from(*sum >= least)).sum()
}

/// Calls `with` for every text whose sum is not below `least`, in order, and for some others; most it passes over in stretches.
fn each_from(sums: &[f32], least: f32, mut with: impl FnMut(DocId, f32)) {
    for (chunk, first) in sums.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        if greatest(chunk) >= least {
            chunk.iter().zip(first..).for_each(|(sum, doc)| with(doc, *sum));
        }
    }
}

/// The texts that have one token, with what the token counts.
struct List {
    postings: BlockSegmentPostings,
    lengths: FieldNormReader,
    weight: Bm25Weight,
    /// The most it can add to any text.
    most: f32,
}

/// The tokens of one field of a segment, with what all their weights are made of.
struct Terms {
    index: Arc<InvertedIndexReader>,
    lengths: FieldNormReader,
    /// Length of a text.
    average: Score,
    docs: u64,
}

impl Terms {
    fn open(searcher: &Searcher, segment: &SegmentReader, field: Field) -> tantivy::Result<Self> {
        let (tokens, docs) = (searcher.total_num_tokens(field)?, searcher.total_num_docs()?);
        let average = tokens as Score / docs as Score;
        Ok(Terms { index: segment.inverted_index(field)?, lengths: segment.get_fieldnorms_reader(field)?, average, docs })
    }

    /// None where no text of the segment has the token.
    fn list(&self, searcher: &Searcher, peaks: &Peaks, term: &Term, weight: f32) -> tantivy::Result<Option<List>> {
        let Some(info) = self.index.get_term_info(term)? else { return Ok(None) };
        let postings = self.index.read_block_postings_from_terminfo(&info, IndexRecordOption::WithFreqs)?;
        // One look-up is enough where this is all of the index.
        let alone = searcher.segment_readers().len() == 1;
        let texts = if alone { u64::from(info.doc_freq) } else { searcher.doc_freq(term)? };
        let weight = Bm25Weight::for_one_term_without_explain(texts, self.docs, self.average).boost_by(weight);
        Ok(Some(List { postings, lengths: self.lengths.clone(), most: peaks.bound(term, &weight), weight }))
    }
}

impl List {
    fn score(&self, doc: DocId, frequency: u32) -> Score {
        self.weight.score(self.lengths.fieldnorm_id(doc), frequency)
    }

    /// Adds its score to that of every text it is in.
    fn add_up(&mut self, sums: &mut [f32]) {
        let once = (self.postings.doc_freq() >= FREQUENT).then(|| Once::new(&self.weight));
        while self.postings.block_len() > 0 {
            let block = self.postings.docs().iter().zip(self.postings.freqs());
            match &once {
                Some(once) => {
                    for (doc, frequency) in block {
                        let score = if *frequency == 1 { once.score(&self.lengths, *doc) } else { self.score(*doc, *frequency) };
                        sums[*doc as usize] += score;
                    }
                }
                None => block.for_each(|(doc, frequency)| sums[*doc as usize] += self.score(*doc, *frequency)),
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
