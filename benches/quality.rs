//! How well answers are found, beside the usual ways of finding them, on every labelled set at hand: the sets of
//! `../shared/data/eval` where that folder is, and the project's own golden questions. Every way ranks all documents of a set
//! at full depth, each by its own: none re-ranks what another one found. Of a document's texts the best one counts.
//!
//! - BM25 (k1 1.2, b 0.75), over jieba words in search mode and over single characters; both see the texts that Yingda sees;
//! - the shipped model's vectors alone, by cosine;
//! - an equal blend of BM25 over words, divided by its greatest score, and the cosine, cut off below at 0;
//! - reciprocal rank fusion of the rankings by BM25 over words and by cosine (k = 60; Cormack, Clarke & Büttcher 2009);
//! - Yingda's hybrid search.
//!
//! Blend and fusion are printed with characters in place of words too. Prints figures and asserts none but that sets load.
//! Yingda's ranker and model were trained on other texts than those of the folder, but the ranker was tuned on the golden
//! questions.
//!
//! ```text
//! cargo bench --bench quality               all sets
//! cargo bench --bench quality -- DIR...     sets in these folders
//! ```

#[path = "support.rs"]
mod support;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use yingda::corpus::Corpus;
use yingda::embedding::Role;
use yingda::eval::{Bench, EvalSet, Outcome, outcomes, summarise};
use yingda::generation::{Generation, Unit, UnitField};
use yingda::query::{ANSWERING_KINDS, Filters, Mode, Ranker};
use yingda::text::Tokens;

const K1: f32 = 1.2;
const B: f32 = 0.75;
/// The constant of reciprocal rank fusion.
const FUSION: f32 = 60.0;
/// Documents of a ranking that metrics look at.
const DEPTH: usize = 10;

fn main() {
    // cargo adds `--bench`.
    let given: Vec<PathBuf> = std::env::args().skip(1).filter(|argument| argument != "--bench").map(PathBuf::from).collect();
    let corpus = Corpus::load(&support::root().join("corpus")).expect("the starter corpus");
    let folders = if given.is_empty() { shared_sets(&support::root().join("../shared/data/eval")) } else { given.clone() };
    for folder in folders {
        let set = EvalSet::load(&folder).expect("a labelled set");
        let bench = Bench::new(&set.corpus(&corpus.dictionaries), support::model()).expect("a generation");
        table(&bench.generation, &set, &Filters::default());
    }
    if given.is_empty() {
        let bench = Bench::new(&corpus, support::model()).expect("a generation");
        let answers = Filters { kinds: ANSWERING_KINDS.to_vec(), ..Filters::default() };
        for set in EvalSet::golden(&corpus).iter().filter(|set| !set.relevant.is_empty()) {
            table(&bench.generation, set, &answers);
        }
    }
}

/// Folders with a set inside, in order of name; none where there is no such folder.
fn shared_sets(folder: &Path) -> Vec<PathBuf> {
    let Ok(inside) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = inside.filter_map(|item| item.ok().map(|item| item.path())).collect();
    folders.retain(|folder| folder.join("corpus.tsv").exists());
    folders.sort();
    folders
}

fn table(generation: &Generation, set: &EvalSet, filters: &Filters) {
    let searched = Searched::new(generation, filters);
    let (words, chars) = (Bm25::new(&searched, |tokens| &tokens.words), Bm25::new(&searched, |tokens| &tokens.chars));
    let names = [
        "BM25, words",
        "BM25, characters",
        "vectors alone",
        "equal blend, words",
        "equal blend, characters",
        "rank fusion, words",
        "rank fusion, characters",
    ];
    let mut found: Vec<Vec<Outcome>> = vec![Vec::new(); names.len()];
    for (id, text) in &set.queries {
        let tokens = generation.analyzer.analyze(text);
        let vector = generation.embedder.embed(&[text.as_str()], Role::Query).expect("a vector").pop().unwrap_or_default();
        let (words, chars) = (words.scores(&tokens), chars.scores(&tokens));
        let vectors = searched.best_of_units(|unit| generation.vectors.cosine(&vector, unit).max(0.0));
        let lists = [
            words.clone(),
            chars.clone(),
            vectors.clone(),
            blend(&words, &vectors),
            blend(&chars, &vectors),
            fuse(&words, &vectors),
            fuse(&chars, &vectors),
        ];
        for (found, scores) in found.iter_mut().zip(lists) {
            found.push(searched.outcome(set, id, &scores));
        }
    }
    println!("\n{}: {} documents, {} questions with an answer", set.name, searched.documents.len(), set.relevant.len());
    println!("  {:24} {:>7} {:>7} {:>7} {:>7}", "", "R@1", "R@3", "R@10", "MRR@10");
    names.iter().zip(&found).for_each(|(name, found)| row(name, found));
    let ranker = Ranker::built_in();
    row("Yingda, hybrid", &outcomes(generation, &ranker, set, Mode::Hybrid, filters).expect("outcomes"));
}

fn row(name: &str, found: &[Outcome]) {
    let all = summarise(found, f32::INFINITY, 0.0);
    let figures = [all.recall_at_1, all.recall_at_3, all.recall_at_10, all.mrr_at_10];
    println!("  {name:24} {}", figures.map(|figure| format!("{figure:7.3}")).join(" "));
}

/// The documents that may be found, by entry, with their texts.
struct Searched<'a> {
    generation: &'a Generation,
    /// Numbers of entries, in order.
    documents: Vec<u32>,
    /// Numbers of texts with the place of their document.
    texts: Vec<(u32, usize)>,
}

impl<'a> Searched<'a> {
    fn new(generation: &'a Generation, filters: &Filters) -> Self {
        let is_searched = |entry: u32| {
            let kind = generation.entries[entry as usize].kind();
            filters.kinds.is_empty() || filters.kinds.contains(&kind)
        };
        let entry_of = |unit: &Unit| generation.targets[unit.target as usize].entry;
        let units = || (0..).zip(&generation.units).filter(|(_, unit)| unit.field != UnitField::Negative);
        let documents: BTreeSet<u32> = units().map(|(_, unit)| entry_of(unit)).filter(|entry| is_searched(*entry)).collect();
        let documents: Vec<u32> = documents.into_iter().collect();
        let place = |unit: &Unit| documents.binary_search(&entry_of(unit)).ok();
        let texts = units().filter_map(|(number, unit)| Some((number, place(unit)?))).collect();
        Searched { generation, documents, texts }
    }

    /// Each document's best text by `score`.
    fn best_of_units(&self, score: impl Fn(u32) -> f32) -> Vec<f32> {
        let mut best = vec![0.0_f32; self.documents.len()];
        self.texts.iter().for_each(|(unit, document)| best[*document] = best[*document].max(score(*unit)));
        best
    }

    fn outcome(&self, set: &EvalSet, query: &str, scores: &[f32]) -> Outcome {
        let relevant = set.relevant.get(query);
        let is_right = |document: usize| {
            let entry = &self.generation.entries[self.documents[document] as usize];
            relevant.is_some_and(|relevant| relevant.contains(&entry.id))
        };
        let ranked = ranked(scores).into_iter().take(DEPTH).enumerate();
        Outcome {
            query: query.to_owned(),
            relevant: relevant.map_or(0, BTreeSet::len),
            ranks: ranked.filter(|(_, document)| is_right(*document)).map(|(rank, _)| rank).collect(),
            confidence: 0.0,
            answerable: 1.0,
            milliseconds: 0.0,
        }
    }
}

/// Documents with a score above 0, best first, ties by document.
fn ranked(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).filter(|document| scores[*document] > 0.0).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order
}

/// Half of each, `bm25` divided by its greatest score.
fn blend(bm25: &[f32], cosine: &[f32]) -> Vec<f32> {
    let greatest = bm25.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    bm25.iter().zip(cosine).map(|(bm25, cosine)| 0.5 * bm25 / greatest + 0.5 * cosine).collect()
}

/// Reciprocal rank fusion of two rankings.
fn fuse(one: &[f32], other: &[f32]) -> Vec<f32> {
    let mut sums = vec![0.0_f32; one.len()];
    for scores in [one, other] {
        for (rank, document) in ranked(scores).into_iter().enumerate() {
            sums[document] += 1.0 / (FUSION + 1.0 + rank as f32);
        }
    }
    sums
}

/// BM25 over one list of tokens, every text scored; the best text of a document counts.
struct Bm25<'a> {
    searched: &'a Searched<'a>,
    list: fn(&Tokens) -> &Vec<String>,
    /// Places of texts in `searched` with the token's frequency there, by token.
    postings: HashMap<String, Vec<(usize, f32)>>,
    /// Lengths of texts over the mean length.
    lengths: Vec<f32>,
}

impl<'a> Bm25<'a> {
    fn new(searched: &'a Searched<'a>, list: fn(&Tokens) -> &Vec<String>) -> Self {
        let mut postings: HashMap<String, Vec<(usize, f32)>> = HashMap::new();
        let mut lengths = Vec::new();
        for (place, (unit, _)) in searched.texts.iter().enumerate() {
            let tokens = searched.generation.analyzer.analyze(&searched.generation.units[*unit as usize].text);
            lengths.push(list(&tokens).len() as f32);
            for token in list(&tokens) {
                let texts = postings.entry(token.clone()).or_default();
                match texts.last_mut() {
                    Some((last, count)) if *last == place => *count += 1.0,
                    _ => texts.push((place, 1.0)),
                }
            }
        }
        let mean = lengths.iter().sum::<f32>() / lengths.len().max(1) as f32;
        lengths.iter_mut().for_each(|length| *length /= mean.max(f32::MIN_POSITIVE));
        Bm25 { searched, list, postings, lengths }
    }

    fn scores(&self, query: &Tokens) -> Vec<f32> {
        let mut sums = vec![0.0_f32; self.lengths.len()];
        for token in (self.list)(query) {
            let Some(texts) = self.postings.get(token) else { continue };
            let (all, with) = (self.lengths.len() as f32, texts.len() as f32);
            let rarity = (1.0 + (all - with + 0.5) / (with + 0.5)).ln();
            for (text, count) in texts {
                sums[*text] += rarity * count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * self.lengths[*text]));
            }
        }
        let mut best = vec![0.0_f32; self.searched.documents.len()];
        self.searched.texts.iter().zip(sums).for_each(|((_, document), sum)| best[*document] = best[*document].max(sum));
        best
    }
}
