//! What has nothing to do with the shop is not answered, what does keeps its suggestions, and a message that only names a subject is
//! met with a question. What was not answered can be looked up afterwards.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use yingda::corpus::EntryBody;
use yingda::service::{Service, UNANSWERED_FILE};

use crate::support::{Server, TempCorpus, config_with, model, starter, starter_server, yingda};

const OFF_TOPIC: &str = include_str!("data/off-topic.txt");
const ON_TOPIC: &str = include_str!("data/on-topic.txt");

fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn suggest(server: &Server, body: Value) -> Value {
    let reply = server.post("/v1/suggest", &body);
    assert_eq!(reply.status, 200, "{reply:#?}");
    reply.json()
}

fn say(text: &str) -> Value {
    suggest(starter_server(), json!({"messages": [{"role": "customer", "text": text}]}))
}

/// The messages that get one of `decisions`.
fn that_get<'a>(messages: &[&'a str], decisions: &[&str]) -> Vec<&'a str> {
    let got = |message: &&str| decisions.iter().any(|decision| say(message)["decision"] == *decision);
    messages.iter().copied().filter(got).collect()
}

#[test]
fn off_topic_messages_get_no_suggestions_and_customers_keep_theirs() {
    let (off, on) = (lines(OFF_TOPIC), lines(ON_TOPIC));
    let shown = that_get(&off, &["suggest", "clarify", "answer"]);
    let lost = that_get(&on, &["no_match"]);
    println!("{} of {} off topic are suggested something: {shown:?}", shown.len(), off.len());
    println!("{} of {} on topic are not: {lost:?}", lost.len(), on.len());
    assert!(shown.len() * 100 <= off.len() * 15, "{shown:?}");
    assert!(lost.len() * 100 <= on.len() * 3, "{lost:?}");
    assert_eq!(that_get(&off, &["answer"]), Vec::<&str>::new());
}

#[test]
fn the_share_that_is_kept_decides_what_is_let_in() {
    let corpus = TempCorpus::small();
    corpus.publish();
    for (share, decision) in [("0.5", "no_match"), ("1.0", "suggest")] {
        let settings = [("decision.answerable_share", share), ("decision.suggest_confidence", "0.0")];
        let server = Server::start(&config_with(&corpus.path(), &corpus.data(), &settings));
        let reply = suggest(&server, json!({"messages": [{"role": "customer", "text": "怎么给月季花修剪枝条才长得旺"}]}));
        assert_eq!(reply["decision"], decision, "{share}: {reply}");
    }
}

#[test]
fn a_mere_subject_is_met_with_a_question_and_a_question_is_not() {
    for subject in ["退款", "花呗", "发票", "怎么退", "坏了", "恢复出厂设置", "怎么清洁"] {
        let reply = say(subject);
        assert_eq!(reply["decision"], "clarify", "{subject}: {reply}");
        let options = reply["clarify"]["options"].as_array().expect("options");
        assert!((2..=4).contains(&options.len()), "{subject}: {reply}");
        for (at, option) in options.iter().enumerate() {
            assert!(options[..at].iter().all(|other| other["label"] != option["label"]), "{subject}: {reply}");
            // What is clicked must lead on.
            let next = say(option["query"].as_str().expect("a query"));
            assert!(["answer", "suggest"].contains(&next["decision"].as_str().expect("a decision")), "{subject}: {option} {next}");
        }
    }
    for question in
        ["退款多久到账", "怎么开发票", "花呗为什么用不了", "退货地址", "收到的东西是坏的怎么办", "保修期多长", "按指纹没反应"]
    {
        assert_ne!(say(question)["decision"], "clarify", "{question}");
    }
    // A word that one entry has is not answered outright.
    assert_ne!(say("天气")["decision"], "answer");
}

#[test]
fn a_message_that_only_points_is_asked_what_it_is_about() {
    for text in ["那个不行", "怎么回事啊", "上次那个事", "还没好吗", "帮我看看", "怎麼辦"] {
        let reply = say(text);
        assert_eq!(reply["decision"], "clarify", "{text}: {reply}");
        assert_eq!(reply["clarify"]["about"], "topic", "{text}: {reply}");
        let options = reply["clarify"]["options"].as_array().expect("options");
        assert!((2..=4).contains(&options.len()), "{text}: {reply}");
    }
    // Said after a question it is about that.
    let messages = json!([
        {"role": "customer", "text": "退款一直没到账"},
        {"role": "agent", "text": "您好，您可以在订单详情里查看退款进度。"},
        {"role": "customer", "text": "还没好吗"},
    ]);
    let reply = suggest(starter_server(), json!({"messages": messages}));
    assert_ne!(reply["clarify"]["about"], "topic", "{reply}");
}

#[test]
fn the_name_of_any_topic_leads_on() {
    let entries = &starter().generation().expect("a generation").entries;
    let questions = entries.iter().filter(|entry| matches!(entry.body, EntryBody::Faq(_)));
    let topics: BTreeSet<&str> = questions.filter_map(|entry| entry.topic.as_deref()).collect();
    assert!(topics.len() >= 18);
    for topic in topics {
        let reply = say(topic);
        assert!(["answer", "suggest", "clarify"].contains(&reply["decision"].as_str().expect("a decision")), "{topic}: {reply}");
        for option in reply["clarify"]["options"].as_array().into_iter().flatten() {
            let next = say(option["query"].as_str().expect("a query"));
            assert_ne!(next["decision"], "no_match", "{topic}: {option} {next}");
        }
    }
}

#[test]
fn a_question_that_says_little_is_never_answered_without_a_person() {
    for text in ["收费吗", "怎么申请", "多久能到", "在哪申请", "多久能好", "怎么取消", "多久到账"] {
        assert_ne!(say(text)["decision"], "answer", "{text}");
    }
    // What an editor wrote for one entry is enough, however short.
    assert_eq!(say("包邮吗")["decision"], "answer");
}

#[test]
fn what_was_said_before_chooses_instead_of_a_question() {
    let talk = |last: &str| {
        let messages = json!([
            {"role": "customer", "text": "怎么申请退货"},
            {"role": "agent", "text": "您好，在订单页点“申请售后”即可。"},
            {"role": "customer", "text": last},
        ]);
        suggest(starter_server(), json!({"messages": messages}))
    };
    assert_eq!(say("运费谁付")["decision"], "clarify");
    let reply = talk("运费谁付");
    assert_ne!(reply["decision"], "clarify", "{reply}");
    assert_eq!(reply["suggestions"][0]["entry_id"], "return-shipping-who", "{reply}");
}

#[test]
fn the_payment_method_that_was_told_decides_between_entries() {
    let messages = json!([
        {"role": "customer", "text": "退款一般多久到账"},
        {"role": "agent", "text": "请问您当时是用什么方式付款的呢？"},
        {"role": "customer", "text": "花呗"},
    ]);
    let reply = suggest(starter_server(), json!({"messages": messages}));
    let ids: Vec<&str> =
        reply["suggestions"].as_array().expect("suggestions").iter().filter_map(|s| s["entry_id"].as_str()).collect();
    assert!(ids.contains(&"refund-timeline-huabei"), "{ids:?}");
    assert!(!ids.contains(&"refund-timeline-alipay") && !ids.contains(&"refund-timeline-wechat"), "{ids:?}");
}

#[test]
fn the_conversations_id_comes_back_and_has_a_limit() {
    let body = |id: &str| json!({"conversation_id": id, "messages": [{"role": "customer", "text": "怎么开发票"}]});
    for path in ["/v1/suggest", "/v1/answer"] {
        let reply = starter_server().post(path, &body("c-17"));
        assert_eq!(reply.json()["conversation_id"], "c-17", "{path}");
        let refused = starter_server().post(path, &body(&"c".repeat(129)));
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
        assert!(refused.body.contains("conversation_id has 129 characters; the limit is 128"), "{refused:?}");
    }
}

#[test]
fn questions_without_an_answer_are_counted_and_kept_without_numbers() {
    let corpus = TempCorpus::small();
    corpus.publish();
    let config = config_with(&corpus.path(), &corpus.data(), &[("log.unanswered", "3")]);
    let service = Service::new(&config, model()).expect("a service").keeping_unanswered();
    service.live().refresh().expect("a generation");
    let server = Server::serve(std::sync::Arc::new(service));
    let ask = |text: &str| {
        suggest(&server, json!({"conversation_id": "c-9", "messages": [{"role": "customer", "text": text}]}));
    };
    ask("退款多久能到账？");
    ask("谢谢");
    let path = corpus.data().join(UNANSWERED_FILE);
    assert!(!path.exists());
    ask("帮我看看13812345678这个号码的星座运势");
    let kept: Value = serde_json::from_str(&fs::read_to_string(&path).expect("a file")).expect("a line of JSON");
    assert_eq!((&kept["question"], &kept["conversation_id"]), (&json!("帮我看看***这个号码的星座运势"), &json!("c-9")));
    for number in 0..9 {
        ask(&format!("第{number}号星座今天运势怎么样"));
    }
    let text = fs::read_to_string(&path).expect("a file");
    assert!((3..6).contains(&text.lines().count()), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.contains("第8号")), "{text}");
    assert_eq!(server.get("/v1/status").json()["unanswered"], 10);
}

#[test]
fn what_is_not_to_be_answered_can_be_learnt_alone() {
    let corpus = TempCorpus::small();
    corpus.write("golden/a.tsv", "退款几天到\trefund-time\n地址填错\torder-address\n退款 未到账\trefund-progress\n");
    let (strangers, out) = (corpus.beside("strangers.txt"), corpus.beside("ranker.json"));
    let tune = || {
        let run = yingda(["tune", "--golden", "--answerable-only"]).corpus(corpus.path()).flag("--out", &out);
        run.flag("--strangers", &strangers).run()
    };
    fs::write(&strangers, "# nothing\n").expect("a file");
    let refused = tune();
    assert!(refused.code != 0 && refused.stderr.contains("has no texts"), "{refused:?}");
    fs::write(&strangers, "# strangers\n今天天气怎么样\n帮我写一首诗\n股票还能涨吗\n").expect("a file");
    assert_eq!(tune().code, 0);
    let built_in = yingda::query::Ranker::built_in();
    let learnt = yingda::query::Ranker::load(&out).expect("a ranker");
    assert_eq!((&learnt.weights, &learnt.calibration), (&built_in.weights, &built_in.calibration));
    assert_ne!(learnt.answerable, built_in.answerable);
    let answerable = learnt.answerable.expect("learnt");
    assert!(answerable.thresholds.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 >= pair[1].1), "{answerable:?}");
    assert!(answerable.threshold(0.9) > 0.5, "the two kinds are far apart: {answerable:?}");
}
