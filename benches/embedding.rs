//! Speed of embedding: 10,000 short texts on all cores, and single queries on one. The named baseline for transformers is
//! onnxruntime on the same weights: `benches/onnx_baseline.py` writes a small transformer, runs this program on it, and prints
//! both. Measured in turns on two cores with AVX-512 that other work shared, onnxruntime 1.31, BERT of 4 layers, 384 wide:
//!
//! | threads | texts a second, onnxruntime | here | ratio (median of three) |
//! |---|---|---|---|
//! | 1 | 376–465 | 348–484 | 1.01 |
//! | 2 | 264–327 | 333–491 | 1.38 |
//!
//! The figure for one thread is the steadier one: work beside it hurts onnxruntime's threads, which wait for one another within
//! each product, more than ours, which take whole batches.
//!
//! ```text
//! cargo bench --bench embedding                       the shipped model
//! YINGDA_BENCH_MODEL=DIR cargo bench --bench embedding     another one
//! ```

use std::path::PathBuf;
use std::time::{Duration, Instant};

use yingda::embedding::{self, Embedder, Role};

const TEXTS: usize = 10_000;
const QUERIES: usize = 200;
/// Texts embedded before anything is measured.
const WARM_UP: usize = 64;

/// Parts of which short customer questions are made; all questions differ, so that no query is remembered.
const THINGS: [&str; 10] = ["退款", "快递", "发票", "优惠券", "订单", "会员积分", "收货地址", "登录密码", "售后申请", "预售尾款"];
const STATES: [&str; 10] = [
    "什么时候到",
    "怎么修改",
    "为什么不能用",
    "在哪里查看",
    "还没收到",
    "可以取消吗",
    "填错了怎么办",
    "多久处理好",
    "一直显示处理中",
    "找不到了",
];
const MANNERS: [&str; 10] = ["", "您好，", "请问", "急，", "麻烦问一下", "亲，", "在吗？", "客服，", "又来问了，", "老板，"];

fn text(number: usize) -> String {
    let pick = |parts: &[&'static str; 10], digit: u32| parts[number / 10usize.pow(digit) % 10];
    format!("{}{}{}{}", pick(&MANNERS, 2), pick(&THINGS, 1), pick(&STATES, 0), number / 1_000)
}

fn main() {
    // `cargo test --benches` passes `--test`: nothing is measured there.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = std::env::var_os("YINGDA_BENCH_MODEL")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/yingda-embed-zh"), PathBuf::from);
    let model = match embedding::load(&folder) {
        Ok(model) => model,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    let texts: Vec<String> = (0..TEXTS + QUERIES + WARM_UP).map(text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    embed(model.as_ref(), &texts[TEXTS + QUERIES..], Role::Document);

    let started = Instant::now();
    embed(model.as_ref(), &texts[..TEXTS], Role::Document);
    let seconds = started.elapsed().as_secs_f64();
    let mut singles: Vec<Duration> = texts[TEXTS..TEXTS + QUERIES]
        .iter()
        .map(|query| {
            let started = Instant::now();
            embed(model.as_ref(), &[query], Role::Query);
            started.elapsed()
        })
        .collect();
    singles.sort();
    let at = |share: f64| singles[((QUERIES - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let started = Instant::now();
    embed(model.as_ref(), &[texts[TEXTS]], Role::Query);
    let repeated = started.elapsed().as_secs_f64() * 1e3;

    println!("model {} ({}, {} dimensions)", model.name(), model.description().architecture, model.dimensions());
    println!("texts_per_second {:.0}", TEXTS as f64 / seconds);
    println!("query_median_ms {:.3}", at(0.5));
    println!("query_p99_ms {:.3}", at(0.99));
    println!("repeated_query_ms {repeated:.4}");
}

fn embed(model: &dyn Embedder, texts: &[&str], role: Role) {
    let vectors = model.embed(texts, role).expect("a loaded model embeds");
    assert_eq!(std::hint::black_box(vectors).len(), texts.len());
}
