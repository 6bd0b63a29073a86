//! How a text is read, shown token by token: what is shown is what is indexed and searched, spans point at it, and what a
//! query adds is named with its weight.

use serde_json::{Value, json};
use yingda::text::Tokens;

use crate::support::{Server, TempCorpus, comparable, config, starter, starter_config, starter_server, yingda};

const TEXTS: &[&str] = &[
    "退款 未到账",
    "退款未到賬！！！",
    "tuikuan没到,退宽多久到",
    "ＡＰ３００-X的滤芯多久換一次呢",
    "你好😭，WiFi连不上2.4G怎么办",
    "！！！",
    "花呗买的退了，这个月账单怎么还要我还，我想问一下客服",
];

fn analyze(server: &Server, text: &str) -> Value {
    let reply = server.post("/v1/analyze", &json!({"text": text}));
    assert_eq!(reply.status, 200, "{reply:#?}");
    reply.json()
}

fn tokens(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|token| token["token"].as_str().expect("a token")).collect()
}

/// Checks positions and spans of one reading against the tokens that are indexed or searched.
fn assert_reads(reading: &Value, real: &Tokens) {
    assert_eq!(reading["text"], real.text);
    let chars: Vec<char> = real.text.chars().collect();
    let cut = |span: &Value| -> String {
        let at = |key: &str| span[key].as_u64().expect("a place") as usize;
        chars[at("start")..at("end")].iter().collect()
    };
    for (name, expected) in [("words", &real.words), ("chars", &real.chars), ("bigrams", &real.bigrams)] {
        assert_eq!(&tokens(&reading[name]), expected, "{name} of {}", real.text);
        for (position, token) in reading[name].as_array().expect("a list").iter().enumerate() {
            assert_eq!(token["position"], position);
            assert_eq!(cut(&token["span"]), token["token"].as_str().expect("a token"), "{token}");
            if let Some(within) = token["within"].as_str() {
                assert!(within != token["token"] && within.contains(token["token"].as_str().expect("a token")), "{token}");
            }
            assert_eq!(token.get("dictionary").is_some(), name == "words", "{token}");
        }
    }
    for word in reading["left_out"].as_array().expect("a list") {
        assert_eq!(cut(&word["span"]), word["word"].as_str().expect("a word"));
    }
}

#[test]
fn what_is_shown_is_what_is_indexed_and_searched() {
    let generation = starter().generation().expect("the starter generation");
    for text in TEXTS {
        let answer = analyze(starter_server(), text);
        assert_eq!((&answer["text"], &answer["generation"]), (&json!(text), &json!(generation.id())));
        assert_reads(&answer["index"], &generation.analyzer.analyze(text));
        let understood = yingda::query::understand(&generation, text).expect("understood");
        assert_reads(&answer["query"], &understood.tokens);
        assert_eq!(answer["query"]["corrections"] == json!([]), understood.corrected.is_none(), "{answer}");
    }
}

#[test]
fn what_a_query_adds_is_named_with_its_reason() {
    let corpus = TempCorpus::small();
    corpus
        .write("dict/user.txt", "未到账\n保价险\n")
        .write("dict/synonyms.txt", "退款,退钱\n到账,入账\n")
        .write("dict/stopwords.txt", "呢\n");
    corpus.publish();
    let server = Server::start(&config(&corpus.path(), &corpus.data()));
    let answer = analyze(&server, "tuikuan呢，保价险QX9-B");
    let query = &answer["query"];
    assert_eq!(answer["index"]["text"], "tuikuan呢,保价险qx9-b");
    assert_eq!(query["text"], "退款呢,保价险qx9-b");
    let correction = json!([{"written": "tuikuan", "span": {"start": 0, "end": 7}, "read_as": "退款", "by": "pinyin"}]);
    assert_eq!(query["corrections"], correction);
    assert_eq!(query["expansions"].as_array().map(Vec::len), Some(1), "{query}");
    assert_eq!((&query["expansions"][0]["word"], &query["expansions"][0]["of"]), (&json!("退钱"), &json!("退款")));
    let weight = query["expansions"][0]["weight"].as_f64().expect("a weight");
    assert!(weight > 0.0 && weight < 1.0, "a synonym weighs less than what was written: {weight}");
    assert_eq!(query["left_out"], json!([{"word": "呢", "span": {"start": 2, "end": 3}}]));
    assert_eq!(answer["index"]["left_out"][0]["span"], json!({"start": 7, "end": 8}));
    let unknown: Vec<&str> = query["unknown_words"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(unknown.contains(&"保价险") && unknown.contains(&"qx9-b") && !unknown.contains(&"退款"), "{unknown:?}");
    let of = |token: &str| {
        let words = query["words"].as_array().expect("words");
        words.iter().find(|word| word["token"] == token).unwrap_or_else(|| panic!("{token} in {query}")).clone()
    };
    assert_eq!(of("保价险")["dictionary"], "shop");
    assert_eq!(of("退款")["dictionary"], "synonyms");
    assert_eq!(of("qx9-b")["dictionary"], "latin");
    assert_eq!(of("9")["within"], "qx9-b");
    let answer = analyze(&server, "退款未到账，退宽");
    let words = answer["index"]["words"].as_array().expect("words");
    let inner = words.iter().find(|word| word["token"] == "到账").expect("a word inside a word");
    assert_eq!((&inner["within"], &inner["dictionary"]), (&json!("未到账"), &json!("synonyms")));
    assert_eq!(answer["query"]["corrections"][0]["by"], "homophone", "{answer}");
    assert_eq!(answer["query"]["corrections"][0]["read_as"], "退款", "{answer}");
}

#[test]
fn texts_out_of_limits_are_refused() {
    let server = starter_server();
    let cases = [
        (json!({"text": "退".repeat(2_000)}), 200, ""),
        (json!({"text": "退".repeat(2_001)}), 400, "2000"),
        (json!({"text": " \n"}), 400, "empty"),
        (json!({}), 400, "text"),
        (json!({"text": 5}), 400, "string"),
        (json!({"text": "退款", "query": "退款"}), 400, "query"),
    ];
    for (body, status, words) in cases {
        let reply = server.post("/v1/analyze", &body);
        assert_eq!(reply.status, status, "{reply:#?}");
        if status != 200 {
            assert_eq!(reply.json()["code"], "invalid_request");
            assert!(reply.json()["message"].as_str().is_some_and(|message| message.contains(words)), "{reply:#?}");
        }
    }
    assert_eq!(server.get("/v1/analyze").status, 405);
    let ran = yingda(["analyze", ""]).data(&starter_config().data.path).run();
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:#?}");
}

#[test]
fn the_program_prints_what_the_endpoint_answers() {
    let data = &starter_config().data.path;
    let text = "tuikuan没到,ＡＰ３００呢";
    let ran = yingda(["analyze", text, "--format", "json"]).data(data).run();
    assert_eq!(comparable(ran.json()), comparable(analyze(starter_server(), text)));
    let ran = yingda(["analyze", text]).data(data).run();
    assert_eq!(ran.code, 0, "{ran:#?}");
    for words in
        ["“tuikuan没到,ap300呢”", "“退款没到,ap300呢”", "read as: tuikuan → 退款", "退钱 for 退款, weight 0.4", "呢 [15,16)"]
    {
        assert!(ran.stdout.contains(words), "{words} in {}", ran.stdout);
    }
}
