//! What large indexes leave out is never missed: their searches give the head of what a look at everything gives, bit for bit.

use tempfile::TempDir;
use yingda::embedding::VectorStore;
use yingda::lexical::{LexicalBuilder, LexicalIndex, LexicalQuery, Part};
use yingda::text::{Analyzer, Dictionaries};

/// More than a vector store needs for its coarse copy, and a list of tokens for being put off.
const ROWS: u32 = 20_000;

/// A number between -1 and 1 that stands for `n`: the head of a linear congruential generator's value.
fn noise(n: u64) -> f32 {
    let bits = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let bits = (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (bits >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
}

#[test]
fn a_coarse_copy_loses_none_of_the_nearest_vectors() {
    const WIDTH: usize = 40;
    let row = |n: u32| -> Vec<f32> {
        // Every tenth row equals its neighbour but for a hair, and some are empty.
        let base = if n % 10 == 1 { n - 1 } else { n };
        let hair = if n % 10 == 1 { 1e-4 } else { 0.0 };
        let values: Vec<f32> = (0..WIDTH as u64).map(|at| noise(u64::from(base) * WIDTH as u64 + at) + hair).collect();
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        if n % 1_000 == 7 { vec![0.0; WIDTH] } else { values.iter().map(|value| value / length).collect() }
    };
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("vectors.safetensors");
    // One store that all cores look through, and one that a single core does.
    for rows in [ROWS, 5_000] {
        let mut small = VectorStore::new(WIDTH);
        (0..rows).for_each(|n| small.push(&row(n)));
        small.save(&path).expect("saved");
        let opened = VectorStore::load(&path).expect("opened");
        for asked in [3, 20, 21, 7, 19_991] {
            let query = row(asked);
            for limit in [1, 10, 80, 1_000] {
                for step in [1, 3] {
                    let allowed = |unit: u32| unit.is_multiple_of(step);
                    let mut all: Vec<(u32, f32)> =
                        (0..rows).filter(|unit| allowed(*unit)).map(|unit| (unit, small.cosine(&query, unit))).collect();
                    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                    all.truncate(limit);
                    let found = opened.search(&query, limit, allowed);
                    assert_eq!(found, all, "{rows} rows, row {asked}, limit {limit}, every {step}");
                }
            }
        }
    }
}

#[test]
fn frequent_tokens_that_are_put_off_lose_none_of_the_best_texts() {
    let analyzer = Analyzer::new(Dictionaries::default());
    let things = ["退款", "发票", "快递", "积分", "会员", "地址", "密码", "优惠券", "尾款", "安装", "保修", "换货", "赠品"];
    let text = |n: u32| {
        let (thing, other) = (things[n as usize % 13], things[(n as usize / 13) % 13]);
        format!("我的{thing}怎么了{}", if n.is_multiple_of(5) { format!("，{other}要{}天", n % 997) } else { String::new() })
    };
    let folder = TempDir::new().expect("a temporary folder");
    let mut builder = LexicalBuilder::create(folder.path()).expect("an index");
    for n in 0..ROWS {
        let part = if n % 7 == 0 { Part::Body } else { Part::Phrase };
        builder.add(n, part, &analyzer.analyze(&text(n)), None).expect("added");
    }
    builder.finish().expect("written");
    let index = LexicalIndex::open(folder.path()).expect("opened");
    let expansions = [("换货".to_owned(), 0.4)];
    for asked in ["我的退款怎么要了321天", "发票", "我的密码怎么了我的", "保修要45天，我的赠品", "怎么"]
    {
        let tokens = analyzer.analyze(asked);
        let query = LexicalQuery { tokens: &tokens, expansions: &expansions };
        for (part, step) in [(Part::Phrase, 1), (Part::Body, 1), (Part::Phrase, 3), (Part::Phrase, 4_999)] {
            let search = |limit| index.search(&query, part, limit, &|unit| unit.is_multiple_of(step)).expect("found");
            let all = search(ROWS as usize);
            assert!(!all.is_empty() && all.is_sorted_by(|a, b| (b.1, a.0) <= (a.1, b.0)), "{asked}");
            for limit in [1, 10, 80] {
                assert_eq!(search(limit), all[..limit.min(all.len())], "{asked}, limit {limit}");
            }
        }
    }
}
