//! Search over the starter corpus: the right entries come first, filters fill `top_k`, spans count characters, and the same
//! question always gives the same bytes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use yingda::service::{SearchRequest, SearchResponse};

use crate::support::{Server, TempCorpus, config, starter, starter_server};

fn search(request: Value) -> SearchResponse {
    let request: SearchRequest = serde_json::from_value(request).expect("a request");
    starter().search(&request, "r").expect("an answer")
}

fn ids(response: &SearchResponse) -> Vec<&str> {
    response.hits.iter().map(|hit| hit.id.as_str()).collect()
}

/// Questions of every kind with the entries that may come first.
const QUESTIONS: &[(&str, &[&str])] = &[
    ("退款 未到账", &["refund-timeline-not-arrived"]),
    ("退款未到賬", &["refund-timeline-not-arrived"]),
    ("钱怎么还没退回来啊都五天了", &["refund-timeline-not-arrived", "refund-timeline-overdue"]),
    ("退款退到哪里了怎么查", &["refund-timeline-where", "refund-timeline-not-arrived", "refund-timeline-progress"]),
    ("密码忘了登不上", &["account-forgot-password"]),
    ("账号被人盗了", &["account-stolen"]),
];

#[test]
fn the_right_entry_comes_first() {
    for (question, right) in QUESTIONS {
        let response = search(json!({"query": question, "kinds": ["faq"]}));
        assert!(right.contains(&ids(&response)[0]), "{question}: {:?}", ids(&response));
    }
}

#[test]
fn writings_of_one_question_give_the_same_hits() {
    for (left, right) in [
        ("退款未到账", "退款未到賬"),
        ("退款未到账", "退款未到账！！！"),
        ("wifi连不上", "ＷＩＦＩ連不上"),
        ("发票 抬头", "發票　抬頭😭"),
    ] {
        let (left, right) = (search(json!({"query": left})), search(json!({"query": right})));
        assert_eq!(ids(&left)[..3], ids(&right)[..3]);
    }
}

#[test]
fn a_standard_question_finds_its_entry() {
    let generation = starter().generation().expect("the starter generation");
    let mut missed = Vec::new();
    let mut asked = 0;
    for entry in generation.entries.iter().filter(|entry| entry.kind() == yingda::corpus::Kind::Faq).step_by(5) {
        asked += 1;
        let response = search(json!({"query": entry.title, "kinds": ["faq"], "top_k": 3}));
        if ids(&response)[0] != entry.id {
            missed.push(format!("{} → {:?}", entry.title, ids(&response)));
        }
    }
    assert!(asked > 60 && missed.is_empty(), "{missed:#?}");
}

#[test]
fn manuals_answer_with_their_heading_path() {
    let response = search(json!({"query": "空气净化器滤芯多久换一次", "kinds": ["manual"]}));
    let hit = &response.hits[0];
    assert_eq!(hit.id, "manual-air-purifier", "{:?}", ids(&response));
    assert!(hit.source.section.len() > 1 && hit.source.line > 1, "{:?}", hit.source);
    assert!(hit.source.version.is_some());
    assert!(hit.title.ends_with(hit.source.section.last().expect("a heading").as_str()));
}

#[test]
fn highlights_are_spans_of_characters() {
    for question in ["退款 未到账", "退款未到賬", "WIFI连不上怎么办", "ＡＰ３００滤芯"] {
        let response = search(json!({"query": question}));
        let mut marked = 0;
        for hit in &response.hits {
            let chars: Vec<char> = hit.matched.text.chars().collect();
            for span in &hit.highlights {
                assert!(span.start < span.end && span.end as usize <= chars.len(), "{span:?} of {}", hit.matched.text);
                let part: String = chars[span.start as usize..span.end as usize].iter().collect();
                assert!(!part.trim().is_empty(), "{span:?} of {}", hit.matched.text);
                marked += 1;
            }
            assert!(hit.highlights.windows(2).all(|pair| pair[0].end < pair[1].start), "{:?}", hit.highlights);
        }
        assert!(marked > 0, "nothing marked for {question}");
    }
    let response = search(json!({"query": "退款 未到账", "kinds": ["faq"], "top_k": 1}));
    let hit = &response.hits[0];
    assert_eq!(hit.matched.text, "退款 未到账");
    let parts: Vec<(u32, u32)> = hit.highlights.iter().map(|span| (span.start, span.end)).collect();
    assert_eq!(parts, [(0, 2), (3, 6)]);
}

#[test]
fn filters_fill_top_k() {
    let generation = starter().generation().expect("the starter generation");
    for kind in ["faq", "manual", "script", "risk"] {
        let response = search(json!({"query": "退款", "kinds": [kind], "top_k": 20}));
        assert_eq!(response.hits.len(), 20, "{kind}");
        assert!(response.hits.iter().all(|hit| hit.kind.as_str() == kind));
    }
    let rare =
        generation.entries.iter().flat_map(|entry| &entry.tags).fold(std::collections::BTreeMap::new(), |mut counts, tag| {
            *counts.entry(tag).or_insert(0) += 1;
            counts
        });
    // A question about something else entirely still finds all entries of a tag.
    for (tag, count) in rare.iter().filter(|(_, count)| (2..=8).contains(*count)).take(20) {
        let response = search(json!({"query": "退款未到账", "filters": {"tags": [tag]}, "top_k": 100}));
        let found: BTreeSet<&str> = ids(&response).into_iter().collect();
        let wanted: BTreeSet<&str> =
            generation.entries.iter().filter(|entry| entry.tags.contains(tag)).map(|entry| entry.id.as_str()).collect();
        assert_eq!(found, wanted, "{tag} has {count} entries");
    }
    let response = search(json!({"query": "怎么重置", "filters": {"products": ["router"]}, "kinds": ["manual"], "top_k": 10}));
    assert_eq!(response.hits.len(), 10);
    assert!(response.hits.iter().all(|hit| hit.id == "manual-router"), "{:?}", ids(&response));
    let response = search(json!({"query": "退款", "filters": {"tags": ["没有这个标签"]}}));
    assert!(response.hits.is_empty());
}

#[test]
fn few_results_are_the_head_of_many() {
    for (question, _) in QUESTIONS {
        let many = search(json!({"query": question, "top_k": 10}));
        for few in [1, 3, 7] {
            let few = search(json!({"query": question, "top_k": few}));
            let pairs: Vec<_> = few.hits.iter().map(|hit| (&hit.id, hit.score, hit.confidence, &hit.source)).collect();
            let head: Vec<_> =
                many.hits.iter().take(few.hits.len()).map(|hit| (&hit.id, hit.score, hit.confidence, &hit.source)).collect();
            assert_eq!(pairs, head, "{question}");
        }
    }
}

#[test]
fn scores_fall_and_lie_between_0_and_1() {
    for (question, _) in QUESTIONS {
        let response = search(json!({"query": question, "top_k": 100}));
        assert!(response.hits.windows(2).all(|pair| pair[0].score >= pair[1].score), "{question}");
        for hit in &response.hits {
            for score in [hit.score, hit.confidence, hit.keyword_score, hit.vector_score] {
                assert!((0.0..=1.0).contains(&score), "{question}: {hit:?}");
            }
        }
        let cut = search(json!({"query": question, "top_k": 100, "score_threshold": 0.5}));
        let expected: Vec<&str> = response.hits.iter().filter(|hit| hit.score >= 0.5).map(|hit| hit.id.as_str()).collect();
        assert_eq!(ids(&cut), expected);
    }
}

#[test]
fn the_same_question_twice_gives_the_same_bytes() {
    let server = starter_server();
    for (question, _) in QUESTIONS {
        let body = json!({"query": question, "top_k": 50, "explain": true}).to_string();
        let ask = || server.send("POST", "/v1/search", &[("x-request-id", "same")], body.as_bytes()).body;
        let first = ask();
        assert!((0..5).all(|_| ask() == first), "{question}");
    }
}

#[test]
fn the_same_corpus_twice_gives_the_same_answers() {
    let (left, right) = (TempCorpus::small(), TempCorpus::small());
    let answer = |corpus: &TempCorpus| {
        corpus.publish();
        let server = Server::start(&config(&corpus.path(), &corpus.data()));
        let body = json!({"query": "退款多久", "explain": true}).to_string();
        server.send("POST", "/v1/search", &[("x-request-id", "same")], body.as_bytes()).body
    };
    assert_eq!(answer(&left), answer(&right));
}

#[test]
fn ties_are_broken_by_id() {
    let entry =
        |id: &str| format!("  - id: {id}\n    question: 怎么开发票？\n    answers:\n      - text: 您好，请在订单页申请。\n");
    let text = format!("kind: faq\nentries:\n{}", ["c", "a", "d", "b"].map(entry).concat());
    let corpus = TempCorpus::of([("faq/same.yaml", text.as_str())]);
    corpus.publish();
    let server = Server::start(&config(&corpus.path(), &corpus.data()));
    let answer = server.post("/v1/search", &json!({"query": "开发票"})).json();
    let ids: Vec<&str> = answer["hits"].as_array().expect("hits").iter().filter_map(|hit| hit["id"].as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
}

#[test]
fn entries_that_are_not_published_or_not_valid_are_not_found() {
    let text = "\
kind: faq
entries:
  - {id: draft, status: draft, question: 双十一怎么退款？, answers: [{text: 稿}]}
  - {id: old, status: archived, question: 双十一怎么退款呢？, answers: [{text: 旧}]}
  - {id: before, valid_until: 2026-11-10, question: 双十一退款要多久？, answers: [{text: 之前}]}
  - {id: during, valid_from: 2026-11-11, valid_until: 2026-11-11, question: 双十一退款要几天？, answers: [{text: 当天}]}
  - {id: after, valid_from: 2026-11-12, question: 双十一退款多久到？, answers: [{text: 之后}]}
";
    let corpus = TempCorpus::of([("faq/all.yaml", text)]);
    corpus.publish();
    let server = Server::start(&config(&corpus.path(), &corpus.data()));
    let cases = [
        ("2026-11-10", "before"),
        ("2026-11-11", "during"),
        ("2026-11-12", "after"),
        ("2026-11-11T23:59:59", "during"),
        // The shop's day counts: sixteen o'clock in Greenwich is midnight in Shanghai.
        ("2026-11-10T16:00:00Z", "during"),
        ("2026-11-11T15:59:59Z", "during"),
        ("2026-11-12T00:00:00+08:00", "after"),
    ];
    for (as_of, expected) in cases {
        let answer = server.post("/v1/search", &json!({"query": "双十一退款", "as_of": as_of})).json();
        let ids: Vec<&str> = answer["hits"].as_array().expect("hits").iter().filter_map(|hit| hit["id"].as_str()).collect();
        assert_eq!(ids, [expected], "{as_of}");
    }
}

#[test]
fn odd_queries_are_answered() {
    let long = "退款".repeat(1_000);
    for query in [
        "退",
        "！！！",
        "😭",
        "a",
        "0",
        "\u{200B}",
        "SELECT * FROM x; --",
        "AND OR NOT \"",
        "+退款 -发票 *:*",
        "{{ shop.hotline }}",
        long.as_str(),
        "\u{FFFF}\u{E000}",
    ] {
        let response = search(json!({"query": query}));
        assert!(response.hits.len() <= 10, "{query}");
    }
}
