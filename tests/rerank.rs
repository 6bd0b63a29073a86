//! The cross-encoder behind the ranker: off by default, it orders the best candidates by its share and leaves no other above.

use std::path::Path;
use std::sync::Arc;

use yingda::config::Config;
use yingda::corpus::Corpus;
use yingda::embedding;
use yingda::generation::{BuildOptions, DataFolder, build};
use yingda::query::Stage;
use yingda::service::{SearchRequest, SearchResponse, Service, load_model};

const QUESTIONS: [&str; 8] = [
    "退款什么时候到账",
    "退款申请怎么撤销",
    "怎么修改收货地址",
    "优惠券为什么用不了",
    "发票怎么开",
    "订单在哪里看",
    "尺码不合适可以换货吗",
    "换货的运费谁出",
];

fn service(work: &Path, reranker: &str, candidates: usize, weight: f32) -> Service {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let corpus = work.join("corpus");
    std::fs::create_dir_all(corpus.join("faq")).expect("a folder");
    let entries: String = QUESTIONS
        .iter()
        .enumerate()
        .map(|(n, question)| format!("- id: q{n}\n  question: {question}\n  answers:\n    - text: 您好，这就为您处理。\n"))
        .collect();
    std::fs::write(corpus.join("faq/questions.yaml"), format!("kind: faq\nentries:\n{}", indent(&entries))).expect("written");
    let mut flags = vec![
        ("corpus.path", text(&corpus)),
        ("data.path", text(&work.join("data"))),
        ("model.path", text(&models.join("static"))),
        ("reranker.candidates", candidates.to_string()),
        ("reranker.weight", weight.to_string()),
    ];
    if !reranker.is_empty() {
        flags.push(("reranker.path", text(&models.join(reranker))));
    }
    let config = Config::resolve(None, [], &flags).expect("valid settings");
    let model = load_model(&config).expect("it loads");
    let corpus = Corpus::load(&corpus).expect("a corpus");
    assert_eq!(corpus.errors(), 0, "{:?}", corpus.problems);
    let options = BuildOptions { force: false, keep: 1, ranker_version: String::new() };
    build(&corpus, &DataFolder::new(&config.data.path), model.as_ref(), &options, &|_, _, _| {}).expect("built");
    let service = Service::new(&config, Arc::clone(&model)).expect("a service");
    service.live().refresh().expect("opened");
    service
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn search(service: &Service, text: &str) -> SearchResponse {
    let request = SearchRequest { query: text.to_owned(), top_k: Some(8), ..SearchRequest::default() };
    service.search(&request, "r").expect("found")
}

#[test]
fn the_share_of_the_cross_encoder_decides_over_the_best_candidates() {
    let work = tempfile::tempdir().expect("a temporary folder");
    let query = "退款多久到账";
    let plain = search(&service(work.path(), "", 10, 0.5), query);
    let ids = |response: &SearchResponse| response.hits.iter().map(|hit| hit.id.clone()).collect::<Vec<_>>();
    assert!(plain.hits.len() > 4, "{:?}", ids(&plain));
    let model = embedding::load_reranker(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models/bert-cross"));
    let model = model.expect("it loads");

    let idle = search(&service(work.path(), "bert-cross", 4, 0.0), query);
    assert_eq!(ids(&idle), ids(&plain), "a share of nothing changes nothing");

    let mut best: Vec<String> = ids(&plain)[..4].to_vec();
    let full = search(&service(work.path(), "bert-cross", 4, 1.0), query);
    for hit in &full.hits[..4] {
        let relevance = model.relevance(query, &[&hit.matched.text]).expect("scored")[0];
        assert!((hit.score - relevance).abs() < 1e-5, "{}: {} and {relevance}", hit.id, hit.score);
    }
    assert!(full.hits.windows(2).all(|pair| pair[0].score >= pair[1].score), "ordered by score");
    let mut found: Vec<String> = ids(&full)[..4].to_vec();
    best.sort();
    found.sort();
    assert_eq!(best, found, "the best candidates stay before all others");

    let half = search(&service(work.path(), "bert-cross", 4, 0.5), query);
    for hit in &half.hits[..4] {
        let before = plain.hits.iter().find(|other| other.id == hit.id).expect("found before");
        let relevance = model.relevance(query, &[&hit.matched.text]).expect("scored")[0];
        assert!((hit.score - 0.5 * (before.score + relevance)).abs() < 1e-5, "{}", hit.id);
    }
    assert_eq!(ids(&search(&service(work.path(), "bert-cross", 4, 0.5), query)), ids(&half), "same input, same output");
}

#[test]
fn a_cross_encoder_that_overturns_the_ranker_is_named() {
    let work = tempfile::tempdir().expect("a temporary folder");
    let plain = service(work.path(), "", 8, 1.0);
    let full = service(work.path(), "bert-cross", 8, 1.0);
    let mut overturned = 0;
    for question in QUESTIONS {
        let first = search(&plain, question).hits[0].id.clone();
        let request = SearchRequest { query: question.to_owned(), expect: Some(first), explain: true, ..SearchRequest::default() };
        let answer = full.search(&request, "r").expect("found");
        let found = answer.diagnosis.expect("a diagnosis").diagnosis;
        let stays = answer.hits[0].id == found.entry_id;
        assert_eq!(found.stage == Some(Stage::CrossEncoder), !stays, "{question}: {found:?}");
        overturned += usize::from(!stays);
        for hit in &answer.hits {
            let explain = hit.explain.as_ref().expect("an explanation");
            assert_eq!(explain.relevance_weight, Some(1.0));
            assert!(explain.relevance.is_some_and(|relevance| (relevance - hit.score).abs() < 1e-6), "{explain:?}");
        }
    }
    assert!(overturned > 0, "this model knows nothing, so it must disagree somewhere");
}

#[test]
fn a_generation_of_another_model_is_refused() {
    let work = tempfile::tempdir().expect("a temporary folder");
    let built = service(work.path(), "", 10, 0.5);
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models/bert-dense");
    let service = Service::new(built.config(), embedding::load(&other).expect("it loads").into()).expect("a service");
    let error = service.live().refresh().expect_err("vectors of 32 values are not those of a model of 16").to_string();
    assert!(error.contains("bert-dense") && error.contains("run `yingda index`"), "{error}");
}
