//! The evidence behind a score, seen through a search that explains itself: what crowds an entry, what lies in the middle of its
//! phrasings, what stands together in a long one, and how the form of question and phrasing differs.

use serde_json::{Value, json};
use yingda::embedding::Role;

use crate::support::{Server, TempCorpus, config, model};

fn serve(entries: &[(&str, &[&str])]) -> (TempCorpus, Server) {
    let entry = |(id, phrasings): &(&str, &[&str])| {
        let similar = match &phrasings[1..] {
            [] => String::new(),
            others => format!("    similar:\n{}", others.iter().map(|text| format!("      - {text}\n")).collect::<String>()),
        };
        format!("  - id: {id}\n    question: {}\n{similar}    answers:\n      - text: 您好，马上为您处理。\n", phrasings[0])
    };
    let text = format!("kind: faq\nentries:\n{}", entries.iter().map(entry).collect::<String>());
    let corpus = TempCorpus::of([("faq/all.yaml", text.as_str())]);
    corpus.publish();
    let server = Server::start(&config(&corpus.path(), &corpus.data()));
    (corpus, server)
}

/// The features of entry `id` for `query`.
fn features(server: &Server, query: &str, id: &str) -> Value {
    let reply = server.post("/v1/search", &json!({"query": query, "explain": true, "top_k": 20})).json();
    let hits = reply["hits"].as_array().unwrap_or_else(|| panic!("{reply:#}"));
    let hit = hits.iter().find(|hit| hit["id"] == id).unwrap_or_else(|| panic!("{id} among {reply:#}"));
    hit["features"].clone()
}

fn number(features: &Value, name: &str) -> f64 {
    features[name].as_f64().unwrap_or_else(|| panic!("{name} in {features:#}"))
}

#[test]
fn an_entry_among_others_of_its_kind_is_crowded_and_a_lonely_one_is_not() {
    let alike: [(&str, &[&str]); 3] = [("a", &["怎么申请退款？"]), ("b", &["怎么申请退款呢？"]), ("c", &["如何申请退款？"])];
    let entries: Vec<(&str, &[&str])> = alike.into_iter().chain([("lonely", &["洗衣机滤网在哪里？"][..])]).collect();
    let (_corpus, server) = serve(&entries);
    let crowding = |id| number(&features(&server, "申请退款和洗衣机滤网", id), "crowding");
    for id in ["a", "b", "c"] {
        assert!(crowding(id) > 2.0 * crowding("lonely") + 0.05, "{id}: {} against {}", crowding(id), crowding("lonely"));
    }
    assert_eq!(crowding("a"), number(&features(&server, "洗衣机退款", "a"), "crowding"), "whatever is asked");
}

#[test]
fn an_entrys_own_phrasings_do_not_crowd_it() {
    let (_corpus, server) =
        serve(&[("one", &["怎么申请退款？", "怎么申请退款呢？", "如何申请退款？"]), ("other", &["洗衣机滤网在哪里？"])]);
    let crowding = number(&features(&server, "申请退款", "one"), "crowding");
    assert!(crowding < 0.02, "{crowding}");
}

#[test]
fn the_centre_is_that_of_all_phrasings_and_one_phrasing_has_none() {
    let phrasings = ["怎么申请退款？", "钱什么时候退回来", "退款在哪里点"];
    let (_corpus, server) = serve(&[("several", &phrasings), ("single", &["退款要多久？"])]);
    let query = "我要退款";
    let vectors = model().embed(&phrasings, Role::Document).expect("vectors");
    let asked = model().embed(&[query], Role::Query).expect("a vector").remove(0);
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>();
    let sum: Vec<f32> = (0..asked.len()).map(|at| vectors.iter().map(|vector| vector[at]).sum()).collect();
    let nearest = vectors.iter().map(|vector| dot(&asked, vector)).fold(f64::NEG_INFINITY, f64::max);
    let expected = dot(&asked, &sum) / dot(&sum, &sum).sqrt() - nearest;
    let found = number(&features(&server, query, "several"), "cosine_centre");
    assert!((found - expected).abs() < 1e-4, "{found} against {expected}");
    assert_eq!(number(&features(&server, query, "single"), "cosine_centre"), 0.0);
}

#[test]
fn what_stands_around_is_the_mean_of_the_nearest_other_entries() {
    let entries: [(&str, &[&str]); 7] = [
        ("a", &["退款多久到账？", "钱几天能退回来？"]),
        ("b", &["退款到哪一步了？"]),
        ("c", &["退款退到哪里？", "退款退回原来的卡吗？"]),
        ("d", &["退款被拒绝了怎么办？"]),
        ("e", &["怎么申请退款？"]),
        ("f", &["退款金额不对怎么办？"]),
        ("g", &["退款可以取消吗？"]),
    ];
    let (_corpus, server) = serve(&entries);
    let of_each: Vec<Value> = entries.iter().map(|(id, _)| features(&server, "退款几天到账", id)).collect();
    for (at, found) in of_each.iter().enumerate() {
        let others = of_each.iter().enumerate().filter(|(other, _)| *other != at);
        let mut near: Vec<f64> = others.map(|(_, other)| number(other, "context")).collect();
        near.sort_by(|a, b| b.total_cmp(a));
        let mean = near[..5].iter().sum::<f64>() / 5.0;
        assert!(mean > 0.3, "these are all about refunds: {near:?}");
        assert!((number(found, "context_around") - mean).abs() < 1e-4, "{mean} {found:#}");
    }
    // However few entries there are, it is as much as where nothing else is near.
    let (_corpus, lonely) = serve(&[("a", &["退款多久到账？"])]);
    assert!((number(&features(&lonely, "退款几天到账", "a"), "context_around") - 0.3).abs() < 1e-6);
}

#[test]
fn words_that_stand_together_in_a_long_text_count_more_than_scattered_ones() {
    let filler = "我们在每个工作日的上午九点到下午六点都会安排专人仔细核对每一笔订单的全部资料";
    let together = format!("{filler}，保价申请入口在订单详情页，{filler}");
    let scattered = format!("保价{filler}申请{filler}入口");
    let (_corpus, server) = serve(&[("together", &[&together]), ("scattered", &[&scattered]), ("short", &["保价申请入口"])]);
    let close = |id| number(&features(&server, "保价申请入口", id), "bigrams_close_long");
    assert!(close("together") > 0.9, "{}", close("together"));
    assert!(close("scattered") < 0.6 * close("together"), "{} against {}", close("scattered"), close("together"));
    assert_eq!(close("short"), 0.0, "a short phrasing is one stretch");
}

#[test]
fn a_question_about_the_contrary_is_told_from_the_one_that_was_asked() {
    let (_corpus, server) = serve(&[
        ("open", &["怎么开通自动续费？"]),
        ("close", &["怎么取消自动续费？"]),
        ("why", &["自动续费为什么没有扣款？"]),
        ("both", &["怎么开通自动续费？", "自动续费怎么关掉？"]),
    ]);
    let form = |id| {
        let features = features(&server, "自动续费怎么关掉呀", id);
        ["adversity_differs", "opposed", "asks_beyond"].map(|name| number(&features, name))
    };
    assert_eq!(form("open"), [1.0, 0.5, 0.0]);
    assert_eq!(form("close"), [0.0, 0.0, 0.0]);
    assert_eq!(form("why"), [0.0, 0.0, 0.5]);
    assert_eq!(form("both"), [0.0, 0.0, 0.0], "its nearest phrasing counts");
}
