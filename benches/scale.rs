//! What a query costs as the knowledge grows: 1,000, 10,000 and 100,000 questions with three similar questions and an answer
//! each, in words that people use (`support::Shop`). Baseline in the same run: keywords only. Beside them vectors only, both
//! sides among answering kinds alone (what `/v1/suggest` asks), and the risk in one message; then how many of the nearest vectors a
//! search finds, against a look at all of them. Time and memory of indexing and opening are printed too. On a machine with other
//! work the least time and the processor's time, all threads together, say more than the rest. Prints figures and asserts none.
//!
//! ```text
//! cargo bench --bench scale                           all sizes
//! cargo bench --bench scale -- 100000                 one of them
//! cargo bench --bench scale -- 100000 --data DIR      leaves the generation in DIR, or measures the one that lies there
//! ```

#[path = "support.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::time::Instant;

use tempfile::TempDir;
use yingda::corpus::{Date, Kind};
use yingda::embedding::Role;
use yingda::generation::{DataFolder, Generation};
use yingda::query::{ANSWERING_KINDS, Filters, Mode, Query, Ranker, search, understand};
use yingda::risk;

const SIZES: &[usize] = &[1_000, 10_000, 100_000];
const QUERIES: usize = 400;
/// Queries asked before anything is measured.
const WARM_UP: usize = 50;
/// Queries whose nearest vectors are counted.
const COUNTED: usize = 100;
/// How many of the nearest vectors.
const NEAREST: usize = 50;

fn main() {
    // cargo adds `--bench`.
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let data = given.iter().position(|argument| argument == "--data").and_then(|at| given.get(at + 1)).map(PathBuf::from);
    let sizes: Vec<usize> = given.iter().filter_map(|argument| argument.parse().ok()).collect();
    for &entries in if sizes.is_empty() { SIZES } else { &sizes } {
        measure(entries, data.as_deref());
    }
}

fn measure(entries: usize, kept: Option<&Path>) {
    let shop = support::Shop::new();
    let folder = TempDir::new().expect("a temporary folder");
    let path = kept.unwrap_or_else(|| folder.path());
    let (data, model) = (DataFolder::new(path), support::model());
    println!("{entries} entries");
    if data.current().expect("a data folder").is_none() {
        let corpus = shop.corpus(entries);
        let before = memory("VmRSS:");
        start_peak();
        let started = Instant::now();
        support::publish(&corpus, path, model.as_ref());
        let peak = memory("VmHWM:") - before;
        println!("  index           {:8.1} s, at most {peak:.0} MB beside the corpus", started.elapsed().as_secs_f64());
    }
    let before = memory("VmRSS:");
    let started = Instant::now();
    let generation = Generation::open_current(&data, model.clone()).expect("the generation");
    println!("  open            {:8.1} s", started.elapsed().as_secs_f64());
    let ranker = Ranker::built_in();
    let questions: Vec<String> = (0..WARM_UP + QUERIES).map(|n| shop.customer(n)).collect();
    let ask = |text: &str, mode: Mode, kinds: &[Kind]| {
        let filters = Filters { kinds: kinds.to_vec(), ..Filters::default() };
        let query = Query { mode, filters, ..Query::new(text, 10, Date::MIN) };
        search(&generation, &ranker, &query).expect("an answer").candidates
    };
    let time = |name: &str, work: &dyn Fn(&str) -> usize| {
        questions[..WARM_UP].iter().for_each(|text| {
            work(text);
        });
        let processor = processor_ms();
        let mut times: Vec<f64> = questions[WARM_UP..]
            .iter()
            .map(|text| {
                let started = Instant::now();
                work(text);
                started.elapsed().as_secs_f64() * 1_000.0
            })
            .collect();
        let processor = (processor_ms() - processor) / times.len() as f64;
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        let [least, p50, p99, most] = [0.0, 0.5, 0.99, 1.0].map(at);
        println!("  {name:24} min {least:6.2}   p50 {p50:6.2}   p99 {p99:6.2}   max {most:6.2} ms   processor {processor:6.2} ms");
    };
    println!("  {} texts, {:.0} MB more memory once open", generation.units.len(), memory("VmRSS:") - before);
    time("baseline: keywords only", &|text| ask(text, Mode::Lexical, &[]));
    time("vectors only", &|text| ask(text, Mode::Vector, &[]));
    time("hybrid", &|text| ask(text, Mode::Hybrid, &[]));
    time("hybrid, answers only", &|text| ask(text, Mode::Hybrid, ANSWERING_KINDS));
    time("risk in one message", &|text| risk::assess(&generation, &[text]).expect("an assessment").rules.len());
    time("understanding alone", &|text| understand(&generation, text).expect("an understanding").tokens.words.len());
    println!("  {:.0} MB more memory after all queries", memory("VmRSS:") - before);
    let texts: Vec<&str> = questions[..COUNTED].iter().map(String::as_str).collect();
    let vectors = model.embed(&texts, Role::Query).expect("vectors");
    for (name, step) in [("all", 1), ("every 10th", 10), ("every 300th", 300)] {
        let found: usize = vectors.iter().map(|vector| found_of_nearest(&generation, vector, step)).sum();
        println!("  of the {NEAREST} nearest among {name:12} {:6.2} % found", found as f64 * 100.0 / (NEAREST * COUNTED) as f64);
    }
}

/// How many of the texts nearest to `vector` a search finds, among those whose number `step` divides.
fn found_of_nearest(generation: &Generation, vector: &[f32], step: u32) -> usize {
    let allowed = |unit: u32| unit.is_multiple_of(step);
    let cosines = generation.vectors.cosines(vector, 0..generation.units.len() as u32);
    let mut all: Vec<(u32, f32)> = (0..).zip(cosines).filter(|(unit, _)| allowed(*unit)).collect();
    all.select_nth_unstable_by(NEAREST - 1, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let found = generation.vectors.search(vector, NEAREST, allowed);
    found.iter().filter(|one| all[..NEAREST].contains(one)).count()
}

/// Time that the processor worked for this process, in ms; 0 where the system does not tell.
fn processor_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The fields behind the name, which may hold anything: user and system time in hundredths of a second.
    let behind = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    behind.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0
}

/// A figure of this process' memory in MB; 0 where the system does not tell.
fn memory(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1_024.0
}

/// Lets the greatest use of memory be counted anew; where the system cannot, it is that since the start.
fn start_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
