//! What explains a search: every hit's score and confidence add up from its features, and an entry that was expected is
//! told from the stage that lost it, with the numbers; over HTTP and on the command line alike.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Server, TempCorpus, comparable, config, config_with, starter, starter_config, starter_server, yingda};

/// One entry, as YAML; `more` holds further fields.
fn entry(id: &str, question: &str, more: &str) -> String {
    format!("  - id: {id}\n    question: {question}\n{more}    answers:\n      - text: 您好，{question}这就为您处理。\n")
}

fn published(entries: &[String]) -> TempCorpus {
    let text = format!("kind: faq\nentries:\n{}", entries.concat());
    let corpus = TempCorpus::of([("faq/all.yaml", text.as_str())]);
    corpus.publish();
    corpus
}

fn serve(corpus: &TempCorpus) -> Server {
    Server::start(&config(&corpus.path(), &corpus.data()))
}

/// What became of `id` in the search `body`.
fn diagnose(server: &Server, mut body: Value, id: &str) -> Value {
    body["expect"] = json!(id);
    let reply = server.post("/v1/search", &body);
    assert_eq!(reply.status, 200, "{reply:#?}");
    let diagnosis = reply.json()["diagnosis"].clone();
    assert_eq!(diagnosis["entry_id"], id, "{diagnosis}");
    let stage = diagnosis["stage"].as_str();
    let summary = diagnosis["summary"].as_str().expect("a sentence");
    assert!(summary.starts_with(&stage.map_or_else(|| "not lost".to_owned(), |stage| format!("lost at {stage}: "))), "{summary}");
    diagnosis
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-4 * (1.0 + left.abs())
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn features_add_up_to_score_and_confidence() {
    let ranker: Value = serde_json::from_str(include_str!("../models/ranker.json")).expect("the ranker");
    for question in ["退款 未到账", "滤芯多久换一次", "你们老板是谁"] {
        let reply = starter_server().post("/v1/search", &json!({"query": question, "explain": true, "top_k": 20})).json();
        let hits = reply["hits"].as_array().expect("hits");
        let mut last = f64::INFINITY;
        for (at, hit) in hits.iter().enumerate() {
            let explain = &hit["explain"];
            assert_eq!(explain["rank"], at + 1);
            let features = explain["features"].as_array().expect("features");
            assert_eq!(features.len(), yingda::query::FEATURES.len());
            let (mut ranking, mut odds) = (0.0, number(&explain["bias"]) + number(&explain["margin_contribution"]));
            let calibration = &ranker["calibration"];
            // What surrounds a result adds to the terms of its confidence.
            let among = |of: &dyn Fn(&Value) -> f64| {
                let surroundings = calibration["surroundings"].as_object().expect("surroundings").iter();
                of(calibration) + surroundings.map(|(name, terms)| number(&hit["features"][name]) * of(terms)).sum::<f64>()
            };
            assert!(close(number(&explain["bias"]), among(&|terms| number(&terms["bias"]))), "{explain}");
            let of_margin = number(&explain["margin"]) * among(&|terms| number(&terms["margin"]));
            assert!(close(number(&explain["margin_contribution"]), of_margin), "{explain}");
            for part in features {
                let name = part["name"].as_str().expect("a name");
                assert!(close(number(&part["value"]), number(&hit["features"][name])), "{name}: {part}");
                assert!(close(number(&part["weight"]), ranker["weights"][name].as_f64().unwrap_or(0.0)), "{name}: {part}");
                for (key, kind) in [("confidence_weight", "weights"), ("lead_weight", "leads")] {
                    let known = among(&|terms| terms[kind][name].as_f64().unwrap_or(0.0));
                    assert!(close(number(&part[key]), known), "{name}: {part}");
                }
                assert!(close(number(&part["contribution"]), number(&part["value"]) * number(&part["weight"])), "{part}");
                ranking += number(&part["contribution"]);
                odds += number(&part["value"]) * number(&part["confidence_weight"]);
                odds += number(&part["lead"]) * number(&part["lead_weight"]);
                let lead = number(&part["value"]) - number(&hits[0]["features"][name]);
                assert!(at == 0 || close(number(&part["lead"]), lead), "the leader is everybody else's rival: {part}");
            }
            assert!(close(number(&explain["ranking_score"]), ranking), "{explain}");
            assert!(close(number(&explain["log_odds"]), odds), "{explain}");
            assert!(close(number(&hit["confidence"]), logistic(odds)), "{hit}");
            assert!(ranking <= last + 1e-4, "hits are in order of what is explained");
            last = ranking;
            assert!(explain.get("relevance").is_none(), "there is no cross-encoder");
        }
        let plain = starter_server().post("/v1/search", &json!({"query": question, "top_k": 20})).json();
        assert!(plain["hits"][0].get("explain").is_none() && plain.get("diagnosis").is_none(), "only where it is asked for");
        let order =
            |answer: &Value| answer["hits"].as_array().expect("hits").iter().map(|hit| hit["score"].clone()).collect::<Vec<_>>();
        assert_eq!(order(&reply), order(&plain), "explaining changes nothing");
    }
}

#[test]
fn a_filter_or_a_date_that_refuses_an_entry_is_named() {
    let corpus = published(&[
        entry("plain", "双十一怎么退款？", ""),
        entry("draft", "双十一怎么退款呀？", "    status: draft\n"),
        entry("old", "双十一怎么退款呢？", "    status: archived\n"),
        entry("past", "双十一退款要多久？", "    valid_until: 2026-11-10\n"),
        entry("future", "双十一退款要几天？", "    valid_from: 2026-11-12\n"),
        entry("narrow", "双十一退款多久到？", "    channels: [phone]\n    tags: [电话]\n"),
    ]);
    let server = serve(&corpus);
    let day = "2026-11-11";
    let cases = [
        ("draft", json!({}), "filter", json!(["status"]), "`draft`"),
        ("old", json!({}), "filter", json!(["status"]), "`archived`"),
        ("past", json!({}), "validity", json!(["valid_until"]), "2026-11-10"),
        ("future", json!({}), "validity", json!(["valid_from"]), "2026-11-12"),
        ("plain", json!({"kinds": ["manual", "script"]}), "filter", json!(["kinds"]), "`faq`, the request asks for manual, script"),
        ("plain", json!({"filters": {"tags": ["大促"]}}), "filter", json!(["tags"]), "大促"),
        (
            "narrow",
            json!({"filters": {"channels": ["im", "web"]}}),
            "filter",
            json!(["channels"]),
            "phone, the request asks for im, web",
        ),
        (
            "past",
            json!({"kinds": ["risk"], "filters": {"tags": ["大促"]}}),
            "filter",
            json!(["kinds", "tags", "valid_until"]),
            "it was valid until 2026-11-10, the search is for 2026-11-11",
        ),
    ];
    for (id, mut body, stage, refused, words) in cases {
        body["query"] = json!("双十一退款");
        body["as_of"] = json!(day);
        let found = diagnose(&server, body, id);
        assert_eq!((&found["stage"], &found["refused_by"]), (&json!(stage), &refused), "{id}: {found}");
        assert!(found["summary"].as_str().is_some_and(|summary| summary.contains(words)), "{words} in {found}");
        assert!(found["rank"].is_null() && found["shown"] == false && found["pools"] == json!([]), "{found}");
    }
    // On its own day, and with a filter that fits, none of them is refused.
    for (id, body) in [
        ("past", json!({"query": "双十一退款", "as_of": "2026-11-10"})),
        ("future", json!({"query": "双十一退款", "as_of": "2026-11-12"})),
        ("narrow", json!({"query": "双十一退款", "filters": {"channels": ["phone"], "tags": ["电话"]}})),
    ] {
        let found = diagnose(&server, body, id);
        assert_eq!(found["refused_by"], json!([]), "{found}");
        assert!(found["shown"] == true && found["rank"].is_u64(), "{found}");
    }
}

#[test]
fn a_query_that_reaches_nothing_is_lost_in_the_analysis() {
    let corpus = TempCorpus::small();
    corpus.publish();
    let server = serve(&corpus);
    for query in ["！！！", "😭", "\u{200B}。"] {
        let found = diagnose(&server, json!({"query": query}), "refund-time");
        assert_eq!(found["stage"], "analysis", "{query}: {found}");
        for channel in found["pools"].as_array().expect("channels") {
            assert!(channel["score"].as_f64().unwrap_or(0.0) <= 0.0, "{channel}");
        }
    }
    let found = diagnose(&server, json!({"query": "退款"}), "refund-time");
    assert_ne!(found["stage"], "analysis");
    assert_eq!(found["shared"]["words"], json!(["退款"]), "{found}");
}

#[test]
fn an_entry_outside_the_pools_is_told_its_place_against_the_cut() {
    let mut entries = vec![entry("address", "收货地址怎么改？", "")];
    let cities = ["北京", "上海", "广州", "深圳", "杭州", "成都", "重庆", "武汉", "西安", "南京"];
    for (n, city) in cities.iter().cycle().take(120).enumerate() {
        entries.push(entry(&format!("refund-{n:03}"), &format!("{city}第{n}种退款多久能到账怎么查？"), ""));
    }
    let corpus = published(&entries);
    let server = serve(&corpus);
    let body = json!({"query": "退款多久能到账怎么查", "top_k": 100});
    let found = diagnose(&server, body.clone(), "address");
    assert_eq!(found["stage"], "candidate_pool", "{found}");
    let channels: Vec<&Value> = found["pools"].as_array().expect("channels").iter().collect();
    assert_eq!(
        channels.iter().map(|c| c["channel"].as_str().expect("a name")).collect::<Vec<_>>(),
        ["phrases", "passages", "vectors"]
    );
    for channel in channels {
        assert_eq!(channel["kept"], false, "{channel}");
        if !channel["rank"].is_null() {
            assert!(number(&channel["rank"]) > number(&channel["size"]), "{channel}");
            assert!(number(&channel["score"]) <= number(&channel["cut"]), "{channel}");
            assert!(channel["text"].as_str().is_some_and(|text| text.contains("地址")), "{channel}");
        }
    }
    assert_eq!(found["shared"]["words"], json!(["怎么"]), "{found}");
    let hits = server.post("/v1/search", &body).json();
    assert!(hits["hits"].as_array().is_some_and(|hits| hits.iter().all(|hit| hit["id"] != "address")), "it says what happens");
    // A filter that leaves fewer texts than the pools hold lets it in.
    let found = diagnose(&server, json!({"query": "退款多久能到账怎么查", "top_k": 100}), "refund-007");
    assert_ne!(found["stage"], "candidate_pool", "{found}");
    assert!(found["pools"].as_array().is_some_and(|pools| pools.iter().any(|channel| channel["kept"] == true)), "{found}");
}

#[test]
fn an_entry_behind_another_is_told_by_which_features() {
    let corpus = published(&[
        entry("close", "退款多久能到账？", ""),
        entry("middle", "退款申请多久审核？", ""),
        entry("far", "收货地址怎么改？", ""),
    ]);
    let server = serve(&corpus);
    let body = json!({"query": "退款多久到账", "explain": true, "top_k": 2});
    let answer = server.post("/v1/search", &body).json();
    let ranking = |at: usize| number(&answer["hits"][at]["explain"]["ranking_score"]);
    let found = diagnose(&server, body.clone(), "middle");
    assert_eq!((&found["stage"], &found["rank"], &found["shown"]), (&json!("fusion"), &json!(2), &json!(true)), "{found}");
    assert_eq!(number(&found["ranking_score"]), ranking(1));
    let rivals = found["outranked_by"].as_array().expect("rivals");
    assert_eq!(rivals.len(), 1, "the one above is the first: {found}");
    assert_eq!((&rivals[0]["entry_id"], &rivals[0]["rank"]), (&json!("close"), &json!(1)));
    let differences = rivals[0]["differences"].as_array().expect("differences");
    let sum: f64 = differences.iter().map(|difference| number(&difference["difference"])).sum();
    assert!(close(sum, ranking(0) - ranking(1)), "{sum} of {found}");
    let sizes: Vec<f64> = differences.iter().map(|difference| number(&difference["difference"]).abs()).collect();
    assert!(sizes.windows(2).all(|pair| pair[0] >= pair[1]) && !sizes.is_empty(), "{sizes:?}");
    for difference in differences {
        let name = difference["name"].as_str().expect("a name");
        for (key, at) in [("rival_value", 0), ("value", 1)] {
            assert!(close(number(&difference[key]), number(&answer["hits"][at]["features"][name])), "{difference}");
        }
    }
    let found = diagnose(&server, body, "far");
    assert_eq!((&found["stage"], &found["rank"], &found["shown"]), (&json!("fusion"), &json!(3), &json!(false)), "{found}");
    let above: Vec<&Value> = found["outranked_by"].as_array().expect("rivals").iter().map(|rival| &rival["entry_id"]).collect();
    assert_eq!(above, ["middle", "close"], "the one just above and the first");
}

#[test]
fn a_negative_phrasing_that_decides_is_named() {
    let negative = "    negative: [公司抬头换了要重新交税号吗]\n";
    let corpus = published(&[
        entry("a", "怎么开发票？", negative),
        entry("b", "怎么开发票？", ""),
        entry("c", "收不到发票怎么办？", negative),
        // As crowded as the first two.
        entry("d", "收不到发票怎么办？", negative),
    ]);
    let server = serve(&corpus);
    let found = diagnose(&server, json!({"query": "公司抬头换了要重新交税号吗"}), "a");
    assert_eq!((&found["stage"], &found["rank"]), (&json!("negative"), &json!(2)), "{found}");
    let part = &found["negative"];
    assert_eq!((&part["text"], &part["rank_without"]), (&json!("公司抬头换了要重新交税号吗"), &json!(1)), "{found}");
    assert!(number(&part["cosine"]) > number(&part["own_cosine"]) && number(&part["contribution"]) < 0.0, "{found}");
    // Where another entry would be first all the same, the negative phrasing is told but is not the reason.
    let found = diagnose(&server, json!({"query": "公司抬头换了要重新交税号吗"}), "c");
    assert_eq!(found["stage"], "fusion", "{found}");
    assert!(found["negative"].is_object() && found["negative"]["rank_without"] != 1, "{found}");
    let found = diagnose(&server, json!({"query": "怎么开发票"}), "a");
    assert!(found["negative"].is_null() && found["rank"] == 1, "{found}");
}

#[test]
fn a_first_result_that_is_not_sure_enough_is_told_by_how_much() {
    let corpus = TempCorpus::small();
    corpus.publish();
    let server = serve(&corpus);
    let sure = diagnose(&server, json!({"query": "退款多久能到账？"}), "refund-time");
    assert!(sure["stage"].is_null() && sure["rank"] == 1, "{sure}");
    assert!(number(&sure["confidence"]) >= number(&sure["thresholds"]["answer_confidence"]), "{sure}");

    let cut = diagnose(&server, json!({"query": "退款多久能到账？", "score_threshold": 1.0}), "refund-time");
    assert_eq!((&cut["stage"], &cut["shown"]), (&json!("threshold"), &json!(false)), "{cut}");
    assert!(cut["summary"].as_str().is_some_and(|summary| summary.contains("score_threshold 1.000")), "{cut}");

    // What the settings ask for decides, not how sure the ranker happens to be.
    let query = "什么时候给我钱";
    for (floor, promise, words) in [("1.0", "0.5", "no match"), ("0.0", "0.99", "0.99: suggested, not answered")] {
        let settings = [("decision.suggest_confidence", floor), ("decision.answer_precision", promise)];
        let server = Server::start(&config_with(&corpus.path(), &corpus.data(), &settings));
        let unsure = diagnose(&server, json!({"query": query}), "refund-time");
        assert_eq!(
            (&unsure["stage"], &unsure["rank"], &unsure["shown"]),
            (&json!("threshold"), &json!(1), &json!(true)),
            "{unsure}"
        );
        assert!(unsure["summary"].as_str().is_some_and(|summary| summary.contains(words)), "{words}: {unsure}");
        assert!(close(number(&unsure["thresholds"]["suggest_confidence"]), floor.parse().expect("a number")), "{unsure}");
    }

    // A promise that nothing keeps leaves suggestions only.
    let strict = Server::start(&config_with(&corpus.path(), &corpus.data(), &[("decision.answer_precision", "0.999")]));
    let found = diagnose(&strict, json!({"query": "退款多久能到账？"}), "refund-time");
    assert_eq!(found["stage"], "threshold", "{found}");
    assert!(found["thresholds"]["answer_confidence"].is_null(), "{found}");
    assert!(found["summary"].as_str().is_some_and(|summary| summary.contains("0.999")), "{found}");
}

#[test]
fn what_is_said_of_an_entry_is_what_the_search_does() {
    let generation = starter().generation().expect("the starter generation");
    let mut stages = BTreeSet::new();
    for query in ["退款 未到账", "滤芯多久换一次", "你们老板是谁"] {
        let body = json!({"query": query, "kinds": ["faq", "manual"], "top_k": 100});
        let hits = starter_server().post("/v1/search", &body).json()["hits"].clone();
        let hits: Vec<&Value> = hits.as_array().expect("hits").iter().collect();
        let leading = hits.iter().take(3).map(|hit| hit["id"].as_str().expect("an id"));
        let others = generation.entries.iter().step_by(60).map(|entry| entry.id.as_str());
        for id in leading.chain(others).collect::<BTreeSet<&str>>() {
            let found = diagnose(starter_server(), body.clone(), id);
            let at = hits.iter().position(|hit| hit["id"] == id);
            assert_eq!(found["shown"], at.is_some(), "{query}: {found}");
            match at {
                Some(at) => {
                    assert_eq!(found["rank"], at + 1, "{query}: {found}");
                    assert!(close(number(&found["score"]), number(&hits[at]["score"])), "{query}: {found}");
                    assert!(close(number(&found["confidence"]), number(&hits[at]["confidence"])), "{query}: {found}");
                    let lost_earlier = ["filter", "validity", "candidate_pool"].iter().any(|stage| found["stage"] == *stage);
                    assert!(!lost_earlier, "{query}: {found}");
                }
                None => assert!(found["rank"].as_u64().is_none_or(|rank| rank > 100), "{query}: {found}"),
            }
            let kept = found["pools"].as_array().expect("channels").iter().any(|channel| channel["kept"] == true);
            assert_eq!(kept, found["rank"].is_u64(), "a candidate is what a pool keeps: {found}");
            stages.insert(found["stage"].as_str().unwrap_or("none").to_owned());
        }
    }
    assert!(stages.len() >= 4, "the cases differ: {stages:?}");
}

#[test]
fn an_unknown_id_is_an_error() {
    let reply = starter_server().post("/v1/search", &json!({"query": "退款", "expect": "no-such-entry"}));
    assert_eq!((reply.status, &reply.json()["code"]), (404, &json!("not_found")), "{reply:#?}");
    assert!(reply.json()["message"].as_str().is_some_and(|message| message.contains("no-such-entry")), "{reply:#?}");
    let ran = yingda(["explain", "--query", "退款", "--expect", "no-such-entry"]).data(&starter_config().data.path).run();
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:#?}");
    assert!(ran.stderr.contains("no-such-entry"), "{ran:#?}");
    let ran = yingda(["explain", "--expect", "refund-timeline-huabei"]).data(&starter_config().data.path).run();
    assert!(ran.code == 2 && ran.stderr.contains("--query"), "{ran:#?}");
}

#[test]
fn the_program_prints_what_the_endpoint_answers() {
    let data = &starter_config().data.path;
    let post = |body: Value| comparable(starter_server().post("/v1/search", &body).json());
    let query = "钱怎么还没退回来啊都五天了";
    let ran = yingda(["explain", "--query", query, "--expect", "refund-timeline-huabei", "--format", "json"]).data(data).run();
    assert_eq!(comparable(ran.json()), post(json!({"query": query, "explain": true, "expect": "refund-timeline-huabei"})));
    let ran = yingda(["explain", "--query", query, "--expect", "refund-timeline-huabei", "--format", "json"])
        .data(data)
        .flag("--kinds", "faq,script")
        .flag("--channels", "im")
        .flag("--tags", "退款")
        .flag("--as-of", "2026-11-11")
        .flag("--score-threshold", "0.2")
        .flag("--top-k", "4")
        .run();
    let body = json!({"query": query, "explain": true, "expect": "refund-timeline-huabei", "kinds": ["faq", "script"],
        "filters": {"channels": ["im"], "tags": ["退款"]}, "as_of": "2026-11-11", "score_threshold": 0.2, "top_k": 4});
    assert_eq!(comparable(ran.json()), post(body));

    let ran = yingda(["explain", "--query", query, "--expect", "refund-timeline-huabei"]).data(data).run();
    assert_eq!(ran.code, 0, "{ran:#?}");
    let answer = post(json!({"query": query, "explain": true, "expect": "refund-timeline-huabei"}));
    let summary = answer["diagnosis"]["summary"].as_str().expect("a sentence");
    assert!(ran.stdout.starts_with(&format!("refund-timeline-huabei: {summary}\n")), "{ran:#?}");
    for name in yingda::query::FEATURES {
        assert!(ran.stdout.matches(&format!("\n    {name:<22} ")).count() >= 3, "{name}: {}", ran.stdout);
    }
}
