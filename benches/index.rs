//! How long a generation takes to build, and to open. Baseline in the same run: the same corpus without embeddings, that is,
//! what keyword search alone would cost.
//!
//! `cargo bench --bench index`

#[path = "support.rs"]
mod support;

use divan::Bencher;
use divan::counter::ItemsCount;
use tempfile::TempDir;
use yingda::generation::{DataFolder, Generation};

const SIZES: &[usize] = &[1_000, 10_000];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn baseline_build_without_embeddings(bencher: Bencher, entries: usize) {
    let corpus = support::corpus(entries);
    let model = support::NoModel(support::model().dimensions());
    bencher.counter(ItemsCount::new(entries)).bench_local(|| {
        let folder = TempDir::new().expect("a temporary folder");
        support::publish(&corpus, folder.path(), &model);
        folder
    });
}

#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn build(bencher: Bencher, entries: usize) {
    let corpus = support::corpus(entries);
    let model = support::model();
    bencher.counter(ItemsCount::new(entries)).bench_local(|| {
        let folder = TempDir::new().expect("a temporary folder");
        support::publish(&corpus, folder.path(), model.as_ref());
        folder
    });
}

#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn open(bencher: Bencher, entries: usize) {
    let (_, folder) = support::generation(entries);
    let model = support::model();
    let data = DataFolder::new(folder.path());
    bencher.bench_local(|| Generation::open_current(&data, model.clone()).expect("the generation").units.len());
}
