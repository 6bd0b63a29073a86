//! The best texts by BM25, exactly, without looking at every text that has a frequent character. A query is some twenty to a
//! hundred tokens, and the frequent ones (的, 我, 怎) stand in a third of all texts and say little. Texts are gone through in
//! windows whose sums stay near the processor. In a window tokens are added up from the one that can say most to the one that can
//! say least; as soon as all that are left together cannot lift another text among the best of the windows before, they are
//! looked up for the texts in question only, or not at all (the “continue” strategy of Moffat & Zobel 1996, with bounds that keep
//! it exact), and after each of them the texts that are out of the question are dropped. Block-max WAND, tantivy's own way, is
//! made for a few terms and loses time on many.

use std::sync::Arc;

use tantivy::postings::BlockSegmentPostings;
use tantivy::query::{Bm25StatisticsProvider, Bm25Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, InvertedIndexReader, Score, Searcher, SegmentReader, TERMINATED, Term};

use super::peaks::{Peaks, Table};

/// Texts of a window.
const WINDOW: u32 = 8_192;
/// Asking which texts are in question takes a look at all of a window, which takes as long as adding up this many.
const ASKING: u32 = 1_024;
/// Tokens of which a window has fewer are added up without asking.
const FEW: u32 = 256;
/// To look a token up for one text takes as long as to add up this many texts that have it.
const LOOKING_UP: usize = 8;
/// Sums that are looked at together.
const CHUNK: usize = 16;
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
                fields.push((field, Terms::open(searcher, segment, peaks, field)?));
                fields.len() - 1
            }
        };
        lists.extend(fields[at].1.list(searcher, term, *weight)?);
    }
    // By what a token could say in any text at all, not by its bound: the order of additions is that of the tokens' weights. The
    // sort is stable: equal ones stay in the order of the query, so that sums are always built in one order.
    lists.sort_by(|a, b| b.weight.max_score().total_cmp(&a.weight.max_score()));
    let mut best = Best { limit, floor: 0.0, full: limit.saturating_mul(2), found: Vec::new() };
    let mut window = Window::default();
    for start in (0..segment.max_doc()).step_by(WINDOW as usize) {
        window.open(start, (start + WINDOW).min(segment.max_doc()), &mut lists);
        window.add_up(&mut lists, best.floor);
        for (doc, sum) in window.found.drain(..) {
            if sum >= best.floor && allowed(doc) {
                best.push(doc, sum);
            }
        }
    }
    best.cut();
    Ok(best.found)
}

/// The best texts of the windows before.
struct Best {
    limit: usize,
    /// The sum of the text that is number `limit`; 0 if there are fewer.
    floor: Score,
    /// Texts are dropped when there are so many.
    full: usize,
    found: Vec<(DocId, Score)>,
}

impl Best {
    fn push(&mut self, doc: DocId, sum: Score) {
        self.found.push((doc, sum));
        if self.found.len() >= self.full {
            self.cut();
            // Of texts with the same sum there may be any number.
            self.full = self.limit.max(self.found.len()).saturating_mul(2);
        }
    }

    /// Drops what is not among the best.
    fn cut(&mut self) {
        if self.found.len() > self.limit {
            let (_, least, _) = self.found.select_nth_unstable_by(self.limit - 1, |a, b| b.1.total_cmp(&a.1));
            self.floor = least.1;
            self.found.retain(|(_, sum)| *sum >= self.floor);
        }
    }
}

/// The sums of some neighbouring texts.
#[derive(Default)]
struct Window {
    start: DocId,
    end: DocId,
    sums: Vec<Score>,
    /// Numbers of the lists that have texts here, as far as that is known without looking.
    lists: Vec<usize>,
    /// What the lists from each of these on can add at most.
    left: Vec<Score>,
    /// Texts in question.
    found: Vec<(DocId, Score)>,
}

impl Window {
    /// Moves on to the texts from `start` to `end`.
    fn open(&mut self, start: DocId, end: DocId, lists: &mut [List]) {
        (self.start, self.end) = (start, end);
        self.sums.clear();
        self.sums.resize((end - start) as usize, 0.0);
        self.lists.clear();
        self.lists.extend((0..lists.len()).filter(|at| lists[*at].may_have(start, end)));
        self.left.clear();
        self.left.resize(self.lists.len() + 1, 0.0);
        for (place, at) in self.lists.iter().enumerate().rev() {
            self.left[place] = self.left[place + 1] + lists[*at].most * (1.0 + SLACK);
        }
    }

    /// Finds all texts whose sums may reach `floor`, with their sums.
    fn add_up(&mut self, lists: &mut [List], floor: Score) {
        if self.left[0] < floor {
            return;
        }
        let (mut read, mut added) = (0, ASKING);
        while let Some(at) = self.lists.get(read) {
            let list = &mut lists[*at];
            if list.expected >= FEW && added >= ASKING && floor > self.left[read] {
                let open = count_from(&self.sums, floor - self.left[read]);
                if open == 0 {
                    return;
                }
                if open * LOOKING_UP < list.expected as usize {
                    break;
                }
                added = 0;
            }
            added = added.saturating_add(list.add_up(self.start, self.end, &mut self.sums));
            read += 1;
        }
        // What is passed over is below by more than rounding can do.
        self.collect(floor - self.left[read] - SLACK * floor);
        for place in read..self.lists.len() {
            lists[self.lists[place]].add_to(&mut self.found);
            let left = self.left[place + 1];
            self.found.retain(|(_, sum)| sum + left >= floor);
        }
    }

    /// Takes the texts that have any of the tokens and reach `least`.
    fn collect(&mut self, least: Score) {
        for (chunk, first) in self.sums.chunks(CHUNK).zip((self.start..).step_by(CHUNK)) {
            if greatest(chunk) >= least {
                let texts = (first..).zip(chunk).filter(|(_, sum)| **sum > 0.0 && **sum >= least);
                self.found.extend(texts.map(|(doc, sum)| (doc, *sum)));
            }
        }
    }
}

/// The greatest of some sums, none of which is below zero.
fn greatest(sums: &[f32]) -> f32 {
    // Eight at a time, and plainer than `f32::max`, which minds what is no number: this becomes vector instructions.
    let (chunks, rest) = sums.as_chunks::<8>();
    let greater = |a: f32, b: f32| if b > a { b } else { a };
    let most = chunks.iter().fold([0.0; 8], |most, chunk| std::array::from_fn(|at| greater(most[at], chunk[at])));
    most.iter().chain(rest).fold(0.0, |a, b| greater(a, *b))
}

/// How many sums are not below `least`.
fn count_from(sums: &[f32], least: f32) -> usize {
    sums.iter().map(|sum| u32::from(*sum >= least)).sum::<u32>() as usize
}

/// The texts that have one token, with what the token counts. It is gone through once, from the first text to the last.
struct List<'a> {
    postings: BlockSegmentPostings,
    /// Place of the next text in the postings' present block.
    at: usize,
    /// How many texts of a window have it, if they are spread evenly.
    expected: u32,
    /// Lengths of all texts.
    lengths: &'a [u8],
    weight: Bm25Weight,
    /// For frequent tokens.
    table: Option<Table>,
    /// The most it can add to any text.
    most: f32,
}

/// The tokens of one field of a segment, with what all their weights are made of.
struct Terms<'a> {
    index: Arc<InvertedIndexReader>,
    peaks: &'a Peaks,
    lengths: &'a [u8],
    /// Length of a text.
    average: Score,
    docs: u64,
}

impl<'a> Terms<'a> {
    fn open(searcher: &Searcher, segment: &SegmentReader, peaks: &'a Peaks, field: Field) -> tantivy::Result<Self> {
        let (tokens, docs) = (searcher.total_num_tokens(field)?, searcher.total_num_docs()?);
        let average = tokens as Score / docs as Score;
        Ok(Terms { index: segment.inverted_index(field)?, peaks, lengths: peaks.lengths(field), average, docs })
    }

    /// None where no text of the segment has the token.
    fn list(&self, searcher: &Searcher, term: &Term, weight: f32) -> tantivy::Result<Option<List<'a>>> {
        let Some(info) = self.index.get_term_info(term)? else { return Ok(None) };
        let postings = self.index.read_block_postings_from_terminfo(&info, IndexRecordOption::WithFreqs)?;
        // One look-up is enough where this is all of the index.
        let alone = searcher.segment_readers().len() == 1;
        let texts = if alone { u64::from(info.doc_freq) } else { searcher.doc_freq(term)? };
        let weight = Bm25Weight::for_one_term_without_explain(texts, self.docs, self.average).boost_by(weight);
        let most = self.peaks.bound(term, &weight);
        let expected = (u64::from(info.doc_freq) * u64::from(WINDOW) / self.docs.max(1)) as u32;
        let table = (expected >= FEW).then(|| Table::new(&weight));
        Ok(Some(List { postings, at: 0, expected, lengths: self.lengths, weight, table, most }))
    }
}

impl List<'_> {
    fn score(&self, doc: DocId, frequency: u32) -> Score {
        self.weight.score(self.lengths[doc as usize], frequency)
    }

    /// The next text; [`TERMINATED`] behind the last.
    fn next(&self) -> DocId {
        self.postings.docs().get(self.at).copied().unwrap_or(TERMINATED)
    }

    /// Moves on to the first text that is not before `doc`.
    fn go_to(&mut self, doc: DocId) {
        if self.next() < doc {
            self.at = self.postings.seek(doc);
        }
    }

    /// False if no text from `start` to `end` has it. For frequent ones that is left open: they are nearly everywhere.
    fn may_have(&mut self, start: DocId, end: DocId) -> bool {
        if self.expected < FEW {
            self.go_to(start);
        }
        self.next() < end
    }

    /// Adds its score to that of every text from `start` to `end` that it is in; gives their number.
    fn add_up(&mut self, start: DocId, end: DocId, sums: &mut [f32]) -> u32 {
        self.go_to(start);
        let lengths = &self.lengths[start as usize..][..sums.len()];
        let mut added = 0;
        loop {
            let docs = &self.postings.docs()[self.at..];
            let Some(last) = docs.last() else { return added };
            let here = if *last < end { docs.len() } else { docs.partition_point(|doc| *doc < end) };
            let texts = docs[..here].iter().zip(&self.postings.freqs()[self.at..]);
            match &self.table {
                Some(table) => texts.for_each(|(doc, frequency)| {
                    let at = (doc - start) as usize;
                    let score = table.score(lengths[at], *frequency);
                    sums[at] += score.unwrap_or_else(|| self.weight.score(lengths[at], *frequency));
                }),
                None => texts.for_each(|(doc, frequency)| {
                    let at = (doc - start) as usize;
                    sums[at] += self.weight.score(lengths[at], *frequency);
                }),
            }
            added += here as u32;
            self.at += here;
            if self.at < self.postings.block_len() {
                return added;
            }
            self.postings.advance();
            self.at = 0;
        }
    }

    /// Adds its score to that of the texts of `found`, which are in order.
    fn add_to(&mut self, found: &mut [(DocId, Score)]) {
        for (doc, sum) in found {
            self.go_to(*doc);
            match self.next() {
                TERMINATED => return,
                next if next == *doc => *sum += self.score(*doc, self.postings.freq(self.at)),
                _ => {}
            }
        }
    }
}
