//! How long one query takes inside the engine, without HTTP. Baselines in the same run: keywords only, and vectors only.
//!
//! `cargo bench --bench query`

#[path = "support.rs"]
mod support;

use std::cell::Cell;

use divan::Bencher;
use yingda::corpus::Date;
use yingda::query::{Mode, Query, Ranker, search, understand};

const SIZES: &[usize] = &[1_000, 10_000];

fn main() {
    divan::main();
}

fn ask(bencher: Bencher, entries: usize, mode: Mode) {
    let (generation, _folder) = support::generation(entries);
    let ranker = Ranker::built_in();
    let next = Cell::new(0);
    bencher.bench_local(|| {
        // A prime step visits entries all over the corpus.
        next.set((next.get() + 7_919) % entries);
        let query = Query { mode, ..Query::new(support::customer(next.get()), 10, Date::MIN) };
        search(&generation, &ranker, &query).expect("an answer").hits.len()
    });
}

#[divan::bench(args = SIZES, sample_count = 200)]
fn baseline_keywords_only(bencher: Bencher, entries: usize) {
    ask(bencher, entries, Mode::Lexical);
}

#[divan::bench(args = SIZES, sample_count = 200)]
fn baseline_vectors_only(bencher: Bencher, entries: usize) {
    ask(bencher, entries, Mode::Vector);
}

#[divan::bench(args = SIZES, sample_count = 200)]
fn both_blended(bencher: Bencher, entries: usize) {
    ask(bencher, entries, Mode::Hybrid);
}

/// The part of a query that does not depend on the corpus: analysing and embedding the customer's words.
#[divan::bench(args = SIZES, sample_count = 200)]
fn understanding_alone(bencher: Bencher, entries: usize) {
    let (generation, _folder) = support::generation(entries);
    let next = Cell::new(0);
    bencher.bench_local(|| {
        next.set((next.get() + 7_919) % entries);
        understand(&generation, &support::customer(next.get())).expect("an understanding").tokens.words.len()
    });
}
