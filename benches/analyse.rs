//! How fast text becomes tokens. Baseline in the same run: single characters only, which is what a search without a
//! segmenter needs.
//!
//! `cargo bench --bench analyse`

#[path = "support.rs"]
mod support;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use yingda::corpus::EntryBody;
use yingda::text::{Analyzer, normalise, units};

const SIZES: &[usize] = &[1_000, 10_000];

fn main() {
    divan::main();
}

/// Question and answer of every entry.
fn texts(entries: usize) -> Vec<String> {
    let corpus = support::corpus(entries);
    let both = corpus.entries.into_iter().map(|entry| match entry.body {
        EntryBody::Faq(faq) => [faq.question, faq.answers[0].text.clone()],
        _ => unreachable!("the synthetic corpus holds questions"),
    });
    both.flatten().collect()
}

fn measure(bencher: Bencher, entries: usize, mut work: impl FnMut(&str)) {
    let texts = texts(entries);
    let bytes: usize = texts.iter().map(String::len).sum();
    let counted = bencher.counter(ItemsCount::new(texts.len())).counter(BytesCount::new(bytes));
    counted.bench_local(|| texts.iter().for_each(|text| work(text)));
}

#[divan::bench(args = SIZES, sample_count = 10)]
fn baseline_characters_only(bencher: Bencher, entries: usize) {
    measure(bencher, entries, |text| {
        black_box(text.chars().map(String::from).collect::<Vec<_>>());
    });
}

#[divan::bench(args = SIZES, sample_count = 10)]
fn normalised_units(bencher: Bencher, entries: usize) {
    measure(bencher, entries, |text| {
        black_box(units(&normalise(text)).len());
    });
}

#[divan::bench(args = SIZES, sample_count = 10)]
fn words_characters_and_bigrams(bencher: Bencher, entries: usize) {
    let analyzer = Analyzer::new(support::corpus(1).dictionaries);
    measure(bencher, entries, |text| {
        black_box(analyzer.analyze(text));
    });
}
