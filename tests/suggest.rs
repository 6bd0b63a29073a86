//! Suggestions: the conversation is read, conditions choose the answer, variables are filled in or named, and nothing is
//! ever sent with a hole in it.

use serde_json::{Value, json};

use crate::support::{Server, TempCorpus, config, starter_server};

fn suggest(server: &Server, body: Value) -> Value {
    let reply = server.post("/v1/suggest", &body);
    assert_eq!(reply.status, 200, "{reply:#?}");
    reply.json()
}

fn customer(text: &str) -> Value {
    json!([{"role": "customer", "text": text}])
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["suggestions"].as_array().expect("suggestions").iter().filter_map(|s| s["entry_id"].as_str()).collect()
}

fn text_of(answer: &Value) -> &str {
    answer["suggestions"][0]["text"].as_str().expect("a text")
}

#[test]
fn refund_questions_bring_time_and_progress_first() {
    for question in ["退款 未到账", "退款未到賬", "钱怎么还没退回来啊都五天了", "退款退到哪里了怎么查"]
    {
        let answer = suggest(starter_server(), json!({"messages": customer(question)}));
        let first = ids(&answer)[0];
        assert!(first.starts_with("refund-timeline-"), "{question}: {:?}", ids(&answer));
        let text = text_of(&answer);
        assert!(text.contains("退款/售后"), "how to check progress for {question}: {text}");
        let shown: Vec<&str> =
            answer["suggestions"].as_array().expect("suggestions").iter().filter_map(|s| s["text"].as_str()).collect();
        assert!(shown.iter().any(|text| text.contains("工作日")), "the timeline for {question}: {shown:?}");
        assert!(answer["decision"] == "answer" || answer["decision"] == "suggest", "{question}: {}", answer["decision"]);
    }
}

#[test]
fn every_suggestion_says_where_it_comes_from() {
    let answer = suggest(starter_server(), json!({"messages": customer("退款 未到账"), "top_k": 5}));
    let suggestions = answer["suggestions"].as_array().expect("suggestions");
    assert_eq!(suggestions.len(), 5);
    for (rank, suggestion) in suggestions.iter().enumerate() {
        let expected_id = format!("{}.{}", answer["request_id"].as_str().expect("an id"), rank + 1);
        assert_eq!(suggestion["suggestion_id"], expected_id.as_str());
        assert!(suggestion["sources"][0]["file"].as_str().is_some_and(|file| file.contains('/')), "{suggestion}");
        assert!(suggestion["sources"][0]["line"].as_u64().is_some_and(|line| line > 0), "{suggestion}");
        assert!(suggestion["matched"]["text"].is_string(), "{suggestion}");
        for score in ["confidence", "score", "keyword_score", "vector_score"] {
            assert!(suggestion[score].as_f64().is_some_and(|score| (0.0..=1.0).contains(&score)), "{score} of {suggestion}");
        }
        assert!(!suggestion["text"].as_str().expect("a text").contains("{{"), "{suggestion}");
    }
}

#[test]
fn three_is_the_head_of_ten() {
    for question in ["退款 未到账", "怎么开发票", "洗衣机不脱水", "我要投诉"] {
        let ask = |top_k: u32| {
            let body = json!({"messages": customer(question), "top_k": top_k}).to_string();
            let reply = starter_server().send("POST", "/v1/suggest", &[("x-request-id", "same")], body.as_bytes());
            reply.json()
        };
        let (three, ten) = (ask(3), ask(10));
        assert_eq!(three["suggestions"].as_array().map(Vec::len), Some(3));
        assert_eq!(
            three["suggestions"].as_array().map(|s| s.as_slice()),
            ten["suggestions"].as_array().map(|s| &s[..3]),
            "{question}"
        );
        assert_eq!(three["confidence"], ten["confidence"]);
        assert_eq!(three["decision"], ten["decision"]);
    }
}

#[test]
fn the_same_conversation_twice_gives_the_same_bytes() {
    let body = json!({"messages": customer("退款 未到账"), "as_of": "2026-11-11T12:00", "explain": true}).to_string();
    let ask = || starter_server().send("POST", "/v1/suggest", &[("x-request-id", "same")], body.as_bytes()).body;
    let first = ask();
    assert!((0..5).all(|_| ask() == first));
}

#[test]
fn the_question_is_what_the_customer_said_last() {
    let say = |role: &str, text: &str| json!({"role": role, "text": text});
    // What must be in the question, and what must not.
    let cases: [(Vec<Value>, &[&str], &[&str]); 7] = [
        (vec![say("customer", "退款 未到账")], &["退款", "未到账"], &[]),
        (vec![say("customer", "怎么退货"), say("agent", "您好"), say("customer", "发票怎么开")], &["发票怎么开"], &["您好"]),
        (vec![say("customer", "退款"), say("customer", "还没到账")], &["退款", "还没到账"], &[]),
        (vec![say("customer", "退款"), say("system", "转接中"), say("customer", "还没到账")], &["退款", "还没到账"], &["转接"]),
        (vec![say("customer", "怎么开发票"), say("agent", "请稍等")], &["怎么开发票"], &["稍等"]),
        (vec![say("bot", "请问有什么可以帮您"), say("customer", "  改地址  ")], &["改地址"], &["帮您"]),
        (vec![say("customer", "怎么退货"), say("customer", "   ")], &["怎么退货"], &[]),
    ];
    for (messages, has, lacks) in cases {
        let answer = suggest(starter_server(), json!({"messages": messages}));
        let question = answer["question"].as_str().expect("a question");
        assert!(has.iter().all(|part| question.contains(part)), "{has:?} in {question}");
        assert!(!lacks.iter().any(|part| question.contains(part)), "{lacks:?} in {question}");
    }
}

const CONDITIONAL: &str = "\
kind: faq
entries:
  - id: refund
    question: 退款多久能到账？
    answers:
      - when: {payment_method: [credit_card]}
        text: 信用卡
      - when: {payment_method: [credit_card], customer_tier: [gold]}
        text: 金卡会员信用卡
      - when: {order_status: [refunding]}
        text: 处理中
      - when: {asked_times: {min: 2}}
        text: 再次
      - when: {paid_hours: {max: 48}}
        text: 刚付款
      - when: {signed_days: {min: 8}}
        text: 签收久了
      - when: {region: [新疆]}
        text: 偏远
      - when: {window: [double11]}
        text: 大促
      - when: {product_attribute: {category: [生鲜]}}
        text: 生鲜
      - when: {channel: [phone]}
        text: 电话
      - text: 一般
    options:
      - label: 催办
        text: 为您催办 {{ order.id }}
      - label: 补偿
        when: {customer_tier: [gold, platinum]}
        text: 送您一张券
";

#[test]
fn conditions_choose_the_answer() {
    let shop = "windows:\n  double11: {from: 2026-10-31T20:00, until: 2026-11-11T23:59}\n";
    let corpus = TempCorpus::of([("faq/all.yaml", CONDITIONAL), ("shop.yaml", shop)]);
    corpus.publish();
    let server = Server::start(&config(&corpus.path(), &corpus.data()));
    let cases = [
        (json!({}), "2026-01-01", "一般"),
        (json!({"order": {"payment_method": "credit_card"}}), "2026-01-01", "信用卡"),
        (json!({"order": {"payment_method": "wechat"}}), "2026-01-01", "一般"),
        (json!({"order": {"payment_method": "credit_card"}, "customer": {"tier": "gold"}}), "2026-01-01", "金卡会员信用卡"),
        (json!({"customer": {"tier": "gold"}}), "2026-01-01", "一般"),
        // Of two that hold with as many keys, the first one written.
        (json!({"order": {"payment_method": "credit_card", "status": "refunding"}}), "2026-01-01", "信用卡"),
        (json!({"order": {"status": "refunding"}}), "2026-01-01", "处理中"),
        (json!({"asked_times": 2}), "2026-01-01", "再次"),
        (json!({"asked_times": 1}), "2026-01-01", "一般"),
        (json!({"order": {"paid_at": "2026-01-01T00:00"}}), "2026-01-03T00:00", "刚付款"),
        (json!({"order": {"paid_at": "2026-01-01T00:00"}}), "2026-01-03T01:00", "一般"),
        (json!({"order": {"signed_at": "2026-01-01T10:00"}}), "2026-01-09T10:00", "签收久了"),
        (json!({"order": {"signed_at": "2026-01-01T10:00"}}), "2026-01-09T09:00", "一般"),
        (json!({"customer": {"region": "新疆维吾尔自治区"}}), "2026-01-01", "偏远"),
        (json!({"customer": {"region": "浙江"}}), "2026-01-01", "一般"),
        (json!({}), "2026-10-31T20:00", "大促"),
        (json!({}), "2026-10-31T19:59", "一般"),
        (json!({}), "2026-10-31T12:00:00Z", "大促"),
        (json!({"product": {"attributes": {"category": "生鲜"}}}), "2026-01-01", "生鲜"),
        (json!({"channel": "phone"}), "2026-01-01", "电话"),
        (json!({"order": {"warehouse": "杭州", "lines": [1, 2]}, "trace": {"a": 1}}), "2026-01-01", "一般"),
    ];
    for (context, as_of, expected) in cases {
        let answer = suggest(&server, json!({"messages": customer("退款多久能到账"), "context": context, "as_of": as_of}));
        // A channel may add its own close.
        assert!(text_of(&answer).starts_with(expected), "{context} at {as_of}: {}", text_of(&answer));
    }
}

#[test]
fn options_are_offered_where_they_apply_and_can_be_filled_in() {
    let shop = "windows:\n  double11: {from: 2026-10-31T20:00, until: 2026-11-11T23:59}\n";
    let corpus = TempCorpus::of([("faq/all.yaml", CONDITIONAL), ("shop.yaml", shop)]);
    corpus.publish();
    let server = Server::start(&config(&corpus.path(), &corpus.data()));
    let cases = [
        (json!({}), vec![]),
        (json!({"order": {"id": "A1"}}), vec!["为您催办 A1"]),
        (json!({"order": {"id": "A1"}, "customer": {"tier": "gold"}}), vec!["为您催办 A1", "送您一张券"]),
    ];
    for (context, expected) in cases {
        let answer = suggest(&server, json!({"messages": customer("退款多久能到账"), "context": context, "as_of": "2026-01-01"}));
        let options = answer["suggestions"][0]["options"].as_array().cloned().unwrap_or_default();
        let texts: Vec<&str> = options.iter().filter_map(|option| option["text"].as_str()).collect();
        assert_eq!(texts, expected, "{context}");
    }
}

#[test]
fn variables_are_filled_in_or_named() {
    let text = "\
kind: faq
entries:
  - id: refund
    question: 退款多久能到账？
    answers:
      - when: {order_status: [refunded]}
        text: '{{ customer.name | default(\"您\") }}，{{ order.id }} 的 {{ order.amount | money }} 已于 {{ order.refund_at | date }} 退回，{{ customer.phone | mask_phone }}。'
      - text: 一般，热线 {{ shop.hotline }}。
";
    let corpus = TempCorpus::of([("faq/all.yaml", text), ("shop.yaml", "settings:\n  hotline: 400-000-0000\n")]);
    corpus.publish();
    let server = Server::start(&config(&corpus.path(), &corpus.data()));
    let ask = |context: Value| suggest(&server, json!({"messages": customer("退款多久能到账"), "context": context}));
    let full = json!({"order": {"status": "refunded", "id": "A1", "amount": 12.5, "refund_at": "2026-11-11T23:30:00+08:00"}, "customer": {"phone": "138-1234-1234"}});
    let answer = ask(full);
    assert_eq!(text_of(&answer), "您，A1 的 12.50元 已于 11月11日 退回，138****1234。");
    assert_eq!(answer["suggestions"][0]["missing_variables"], json!([]));
    // What is missing is named, and the reply that can be sent is the one without conditions.
    let answer = ask(json!({"order": {"status": "refunded", "id": "A1"}}));
    assert_eq!(text_of(&answer), "一般，热线 400-000-0000。");
    assert_eq!(answer["suggestions"][0]["missing_variables"], json!(["customer.phone", "order.amount", "order.refund_at"]));
    // A customer's name is data, never a template; and nothing in braces is ever shown.
    let answer = ask(
        json!({"order": {"status": "refunded", "id": "{{ shop.hotline }}", "amount": 1, "refund_at": "2026-11-11"}, "customer": {"name": "{% raw %}", "phone": "13812341234"}}),
    );
    assert!(text_of(&answer).contains("shop.hotline  的 1.00元"), "{}", text_of(&answer));
    assert!(!text_of(&answer).contains('{'), "{}", text_of(&answer));
}

#[test]
fn channels_and_products_are_kept_apart() {
    let text = "\
kind: faq
entries:
  - {id: phone, channels: [phone], question: 退款多久到账？, answers: [{text: 电话}]}
  - {id: chat, channels: [im, app], question: 退款多久能到？, answers: [{text: 在线}]}
  - {id: router, products: [router], question: 退款多久到账呢？, answers: [{text: 路由器}]}
  - {id: all, question: 退款几天到账？, answers: [{text: 所有}]}
";
    let corpus = TempCorpus::of([("faq/all.yaml", text)]);
    corpus.publish();
    let server = Server::start(&config(&corpus.path(), &corpus.data()));
    let cases = [
        (json!({}), vec!["all", "chat", "phone", "router"]),
        (json!({"channel": "phone"}), vec!["all", "phone", "router"]),
        (json!({"channel": "app", "product": {"id": "router"}}), vec!["all", "chat", "router"]),
        (json!({"channel": "web", "product": {"id": "earbuds"}}), vec!["all"]),
    ];
    for (context, expected) in cases {
        let answer = suggest(&server, json!({"messages": customer("退款多久到账"), "context": context, "top_k": 10}));
        let mut found = ids(&answer);
        found.sort_unstable();
        assert_eq!(found, expected, "{context}");
    }
}
