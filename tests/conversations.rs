//! Conversations through the service: the corpus' golden ones with their pass rate, and the laws of the two endpoints.

use serde_json::{Value, json};
use yingda::corpus::Corpus;
use yingda::eval::converse;

use crate::support::{starter, starter_corpus, starter_server};

/// Share of the golden conversations that must pass.
const FLOOR: f64 = 0.9;

#[test]
fn golden_conversations_pass() {
    let corpus = Corpus::load(&starter_corpus()).expect("the starter corpus");
    let report = converse(&starter(), &corpus).expect("replies");
    let (rate, failed) = (report.pass_rate(), report.failures);
    println!(
        "{} of {} golden conversations pass ({:.1}%)\n{}",
        report.total - failed.len(),
        report.total,
        100.0 * rate,
        failed.join("\n")
    );
    assert!(report.total >= 150, "only {} golden conversations", report.total);
    assert!(rate >= FLOOR, "{:.1}% pass, below {:.1}%", 100.0 * rate, 100.0 * FLOOR);
}

fn ask(path: &str, messages: &[(&str, &str)], context: Value) -> Value {
    let messages: Vec<Value> = messages.iter().map(|(role, text)| json!({"role": role, "text": text})).collect();
    let reply = starter_server().post(path, &json!({"messages": messages, "context": context}));
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

#[test]
fn an_answer_is_a_text_or_a_reason_with_the_next_step() {
    let said = [
        "退款多久到账",
        "你好",
        "谢谢",
        "转人工",
        "怎么退",
        "世界上最高的山是哪座",
        "收到的东西坏了怎么办",
        "怎么申请退货？运费谁出？",
        "我的账号被盗号了",
    ];
    for text in said {
        let reply = ask("/v1/answer", &[("customer", text)], json!({}));
        let answered = reply["decision"] == "answer";
        assert_eq!(reply["text"].is_string(), answered, "{text}: {reply}");
        assert_eq!(reply["reason"].is_null(), answered, "{text}: {reply}");
        assert_eq!(reply["next"].is_null(), answered, "{text}: {reply}");
        if answered {
            assert!(reply["entry_ids"].as_array().is_some_and(|ids| !ids.is_empty()), "{text}: {reply}");
        } else {
            assert!(reply["next"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{text}: {reply}");
        }
    }
}

#[test]
fn a_clarifying_question_offers_what_decides() {
    for text in ["怎么清洁", "怎么退", "恢复出厂设置", "发票"] {
        let reply = ask("/v1/suggest", &[("customer", text)], json!({}));
        if reply["decision"] != "clarify" {
            continue;
        }
        let options = reply["clarify"]["options"].as_array().expect("options");
        assert!(options.len() >= 2, "{text}: {reply}");
        assert!(reply["clarify"]["question"].as_str().is_some_and(|question| question.contains('？')), "{text}: {reply}");
        let mut labels: Vec<&str> = options.iter().filter_map(|option| option["label"].as_str()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), options.len(), "{text}: {reply}");
        for option in options {
            // A click leads to the entry it promises.
            let query = option["query"].as_str().expect("a query");
            let clicked = ask("/v1/suggest", &[("customer", query)], json!({}));
            if let Some(entry) = option["entry_id"].as_str() {
                let first = clicked["suggestions"].as_array().expect("suggestions");
                assert!(first.iter().any(|suggestion| suggestion["entry_id"] == entry), "{text} → {query}: {clicked}");
            }
        }
    }
}

#[test]
fn what_the_customer_told_completes_the_context() {
    // Conditional answers show which slots were read.
    type Said<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(Said, Value, &str, &str)] = &[
        (
            &[("customer", "我的订单 202611110001234567 是用花呗付的"), ("agent", "好的"), ("customer", "退款一直没到账怎么查")],
            json!({"order": {"status": "refunded"}}),
            "refund-timeline-not-arrived",
            "原路退出",
        ),
        (&[("customer", "退款中，退款一直没到账怎么查询进度")], json!({}), "refund-timeline-not-arrived", "尚未打出"),
    ];
    for (messages, context, entry, says) in cases {
        let reply = ask("/v1/suggest", messages, context.clone());
        let suggestions = reply["suggestions"].as_array().expect("suggestions");
        let suggestion = suggestions.iter().find(|suggestion| suggestion["entry_id"] == *entry);
        let text = suggestion.and_then(|suggestion| suggestion["text"].as_str()).unwrap_or_default();
        assert!(text.contains(says), "{messages:?}: {reply}");
    }
}

#[test]
fn requests_out_of_their_limits_are_refused() {
    let many: Vec<Value> = (0..60).map(|_| json!({"role": "customer", "text": "退款"})).collect();
    let cases = [
        json!({"messages": []}),
        json!({"messages": [{"role": "agent", "text": "您好"}]}),
        json!({"messages": many}),
        json!({"messages": [{"role": "customer", "text": "退".repeat(2_001)}]}),
        json!({"messages": [{"role": "customer", "text": "退款"}], "top_k": 0}),
    ];
    for path in ["/v1/suggest", "/v1/answer"] {
        for body in &cases {
            let reply = starter_server().post(path, body);
            assert_eq!(reply.status, 400, "{path} {body}");
        }
    }
}

#[test]
fn whatever_is_said_gets_a_decision() {
    let texts = [
        "。",
        "🙂🙂",
        "a",
        "\u{200B}",
        "退",
        "？？？！！！",
        "1234567890123",
        "http://example.com/a?b=c",
        "哈哈哈哈哈哈",
        "{{ order.id }}",
        "那呢",
        "呢",
        "，，，吗",
        "怎么？怎么？怎么？怎么？怎么？",
    ];
    for text in texts {
        for before in [None, Some("怎么退货"), Some("🙂")] {
            let mut messages = Vec::new();
            if let Some(before) = before {
                messages.push(("customer", before));
                messages.push(("agent", "请问您是怎么付款的呢？"));
            }
            messages.push(("customer", text));
            let reply = ask("/v1/suggest", &messages, json!({}));
            assert!(reply["decision"].is_string(), "{text}: {reply}");
        }
    }
}
