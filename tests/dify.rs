//! Dify's External Knowledge API over a real socket: records, filters, and its errors.

use serde_json::{Value, json};

use crate::support::{Reply, Server, config_with, starter_config, starter_corpus, starter_server};

const PATH: &str = "/dify/retrieval";

fn body(query: &str, top_k: i64, threshold: f64) -> Value {
    json!({
        "knowledge_id": "default",
        "query": query,
        "retrieval_setting": { "top_k": top_k, "score_threshold": threshold },
    })
}

fn with_conditions(query: &str, operator: &str, conditions: Value) -> Value {
    let mut body = body(query, 20, 0.0);
    body["metadata_condition"] = json!({ "logical_operator": operator, "conditions": conditions });
    body
}

fn records(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["records"].as_array().expect("records").clone()
}

#[test]
fn records_have_the_fields_dify_reads() {
    let records = records(&starter_server().post(PATH, &body("退款多久到账", 5, 0.0)));
    assert_eq!(records.len(), 5);
    let mut last = 1.0;
    for record in &records {
        assert!(record["content"].as_str().is_some_and(|text| !text.is_empty() && !text.contains("{{")), "{record}");
        assert!(record["title"].as_str().is_some_and(|text| !text.is_empty()), "{record}");
        assert!(record["metadata"].is_object(), "{record}");
        let score = record["score"].as_f64().expect("a score");
        assert!((0.0..=last).contains(&score), "{record}");
        last = score;
        let kind = record["metadata"]["kind"].as_str().expect("a kind");
        assert!(matches!(kind, "faq" | "manual"), "scripts and risk rules are for people: {record}");
    }
}

#[test]
fn nothing_above_the_threshold_is_an_empty_list() {
    let records = records(&starter_server().post(PATH, &body("巴黎铁塔有多高", 5, 1.0)));
    assert!(records.is_empty());
}

#[test]
fn every_operator_filters() {
    type Holds = fn(&Value) -> bool;
    let cases: &[(&str, Value, Holds)] = &[
        ("contains", json!({"name": "topic", "value": "退款"}), |m| text(m, "topic").contains("退款")),
        ("not contains", json!({"name": "topic", "value": "退款"}), |m| !text(m, "topic").contains("退款")),
        ("start with", json!({"name": "entry_id", "value": "refund-"}), |m| text(m, "entry_id").starts_with("refund-")),
        ("end with", json!({"name": "entry_id", "value": "-wechat"}), |m| text(m, "entry_id").ends_with("-wechat")),
        ("is", json!({"name": "kind", "value": "manual"}), |m| m["kind"] == "manual"),
        ("is not", json!({"name": "kind", "value": "manual"}), |m| m["kind"] == "faq"),
        ("in", json!({"name": "product", "value": ["router", "earbuds"]}), |m| {
            m["product"] == "router" || m["product"] == "earbuds"
        }),
        ("not in", json!({"name": "product", "value": ["router", "earbuds"]}), |m| {
            m["product"] != "router" && m["product"] != "earbuds"
        }),
        ("empty", json!({"name": "product"}), |m| m["product"].is_null()),
        ("not empty", json!({"name": "product"}), |m| m["product"].is_string()),
        ("not empty", json!({"name": ["product", "topic"]}), |_| true),
        ("=", json!({"name": "version", "value": 2.1}), |m| text(m, "version") == "2.1"),
        ("≠", json!({"name": "version", "value": 2.1}), |m| text(m, "version") != "2.1"),
        (">", json!({"name": "version", "value": 1.5}), |m| number(m, "version") > 1.5),
        ("<", json!({"name": "version", "value": "9"}), |m| number(m, "version") < 9.0),
        ("≥", json!({"name": "version", "value": 2}), |m| number(m, "version") >= 2.0),
        ("≤", json!({"name": "version", "value": 2}), |m| number(m, "version") <= 2.0),
        ("before", json!({"name": "updated", "value": "2100-01-01"}), |m| text(m, "updated") < "2100"),
        ("after", json!({"name": "updated", "value": "2000-01-01"}), |m| text(m, "updated") > "2000"),
        ("contains", json!({"name": "tags", "value": "退款"}), |m| m["tags"].to_string().contains("退款")),
    ];
    for (operator, condition, holds) in cases {
        let mut condition = condition.clone();
        condition["comparison_operator"] = json!(operator);
        let records = records(&starter_server().post(PATH, &with_conditions("退款怎么办", "and", json!([condition]))));
        for record in &records {
            assert!(holds(&record["metadata"]), "{condition}: {record}");
        }
        let may_be_empty = matches!(*operator, "=" | "≥" | "≤" | ">");
        assert!(may_be_empty || !records.is_empty(), "{condition} finds nothing");
    }
}

fn text<'v>(metadata: &'v Value, name: &str) -> &'v str {
    metadata[name].as_str().unwrap_or_default()
}

fn number(metadata: &Value, name: &str) -> f64 {
    text(metadata, name).parse().unwrap_or(f64::NAN)
}

#[test]
fn conditions_combine() {
    let both = json!([
        {"name": "kind", "comparison_operator": "is", "value": "faq"},
        {"name": "entry_id", "comparison_operator": "start with", "value": "invoice-"},
    ]);
    for record in records(&starter_server().post(PATH, &with_conditions("退款", "and", both.clone()))) {
        assert!(text(&record["metadata"], "entry_id").starts_with("invoice-"), "{record}");
    }
    let found = records(&starter_server().post(PATH, &with_conditions("发票怎么开", "or", both)));
    assert!(found.iter().all(|record| record["metadata"]["kind"] == "faq"));
    // A filter that nothing passes, and one without conditions.
    let none = json!([{"name": "entry_id", "comparison_operator": "is", "value": "no-such-entry"}]);
    assert!(records(&starter_server().post(PATH, &with_conditions("退款", "and", none))).is_empty());
    assert!(!records(&starter_server().post(PATH, &with_conditions("退款", "and", json!([])))).is_empty());
}

#[test]
fn a_selective_filter_still_fills_the_list() {
    let condition = json!([{"name": "entry_id", "comparison_operator": "start with", "value": "invoice-"}]);
    let mut body = with_conditions("电饭煲怎么煮粥", "and", condition);
    body["retrieval_setting"]["top_k"] = json!(3);
    assert_eq!(records(&starter_server().post(PATH, &body)).len(), 3);
}

#[test]
fn bad_requests_are_told_what_would_be_right() {
    let condition = |condition: Value| with_conditions("退款", "and", json!([condition]));
    let cases = [
        (json!({}), "knowledge_id"),
        (json!({"knowledge_id": "default", "query": "退款"}), "retrieval_setting"),
        (body("", 5, 0.0), "empty"),
        (body("退款", 0, 0.0), "top_k"),
        (body("退款", 5, 1.5), "score_threshold"),
        (condition(json!({"name": "topic", "comparison_operator": "like", "value": "退"})), "comparison_operator"),
        (condition(json!({"name": "topic", "comparison_operator": "contains"})), "value"),
        (with_conditions("退款", "xor", json!([])), "logical_operator"),
    ];
    for (body, says) in cases {
        let reply = starter_server().post(PATH, &body);
        assert_eq!(reply.status, 400, "{body} {reply:?}");
        assert_eq!(reply.json()["error_code"], 400, "{reply:?}");
        assert!(reply.json()["error_msg"].as_str().is_some_and(|text| text.contains(says)), "{body} {reply:?}");
    }
    let reply = starter_server().post_bytes(PATH, b"{not json");
    assert_eq!((reply.status, reply.json()["error_code"].as_u64()), (400, Some(400)));
}

#[test]
fn an_unknown_knowledge_is_2001() {
    let mut body = body("退款", 5, 0.0);
    body["knowledge_id"] = json!("another");
    let reply = starter_server().post(PATH, &body);
    assert_eq!(reply.status, 404);
    assert_eq!(reply.json()["error_code"], 2001);
    assert!(reply.json()["error_msg"].as_str().is_some_and(|text| text.contains("another")), "{reply:?}");
}

#[test]
fn keys_are_checked_as_dify_has_it() {
    let keys = [("server.api_keys", "first-key-1234,second-key-5678")];
    let server = Server::start(&config_with(&starter_corpus(), &starter_config().data.path, &keys));
    let body = body("退款", 1, 0.0).to_string();
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(Headers, u16, Option<u64>)] = &[
        (&[], 403, Some(1001)),
        (&[("authorization", "first-key-1234")], 403, Some(1001)),
        (&[("authorization", "Basic first-key-1234")], 403, Some(1001)),
        (&[("authorization", "Bearer ")], 403, Some(1001)),
        (&[("authorization", "Bearer wrong-key-0000")], 403, Some(1002)),
        (&[("authorization", "Bearer first-key-123")], 403, Some(1002)),
        (&[("authorization", "Bearer first-key-1234")], 200, None),
        (&[("authorization", "bearer second-key-5678")], 200, None),
    ];
    for (headers, status, code) in cases {
        let reply = server.send("POST", PATH, headers, body.as_bytes());
        assert_eq!(reply.status, *status, "{headers:?} {reply:?}");
        assert_eq!(reply.json()["error_code"].as_u64(), *code, "{headers:?} {reply:?}");
        assert_eq!(reply.json()["error_msg"].is_string(), code.is_some(), "{headers:?} {reply:?}");
    }
}
