//! The program: every verb, its exit codes, results alone on standard output, and the same answers as the endpoints.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::{TempCorpus, comparable, starter_config, starter_server, yingda};

#[test]
fn wrong_arguments_exit_2_and_say_why() {
    let cases: [&[&str]; 12] = [
        &["serch"],
        &["search"],
        &["search", "退款", "--top-k", "many"],
        &["search", "退款", "--top-k", "0"],
        &["search", "退款", "--top-k", "1000000000"],
        &["search", "退款", "--top-k", "-1"],
        &["search", "退款", "--kinds", "faqs"],
        &["search", "退款", "--as-of", "2026-02-30"],
        &["search", ""],
        &["suggest", "退款", "--context", "{"],
        &["check", "--format", "xml"],
        &["serve", "--listen", "nowhere"],
    ];
    for arguments in cases {
        let ran = yingda(arguments).data(&starter_config().data.path).run();
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:#?}");
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{arguments:?}: {ran:#?}");
        assert!(!ran.stderr.contains("panicked"), "{arguments:?}: {ran:#?}");
    }
}

#[test]
fn missing_files_exit_3_and_are_named() {
    let corpus = TempCorpus::small();
    let nowhere = corpus.beside("nowhere");
    let cases = [
        yingda(["check"]).corpus(&nowhere),
        yingda(["search", "退款"]).data(&nowhere),
        yingda(["index"]).corpus(corpus.path()).data(corpus.data()).flag("--model", &nowhere),
        yingda(["check"]).corpus(corpus.path()).flag("--config", &nowhere),
    ];
    for command in cases {
        let ran = command.run();
        assert_eq!(ran.code, 3, "{ran:#?}");
        assert!(ran.stderr.contains("nowhere") && ran.stdout.is_empty(), "{ran:#?}");
    }
    assert!(!nowhere.exists(), "asking creates nothing");
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let corpus = TempCorpus::small();
    let ran = yingda(["search", "退款", "--format", "json"]).data(corpus.data()).run();
    assert_eq!(ran.code, 3);
    let error: Value = serde_json::from_str(ran.stderr.lines().last().unwrap_or_default()).expect("JSON on standard error");
    assert_eq!(error["code"], "not_ready");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("yingda index")), "{error}");
}

#[test]
fn index_search_and_suggest_work_on_a_fresh_corpus() {
    let corpus = TempCorpus::small();
    let ran = yingda(["index"]).corpus(corpus.path()).data(corpus.data()).run();
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stdout.starts_with("published g000001-") && ran.stdout.contains("3 faq"), "{ran:#?}");
    let ran = yingda(["search", "退款几天到"]).data(corpus.data()).run();
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stdout.starts_with(" 1. ") && ran.stdout.contains("faq/refund.yaml:"), "{ran:#?}");
    let ran =
        yingda(["suggest", "退款几天到", "--context", r#"{"order":{"payment_method":"credit_card"}}"#]).data(corpus.data()).run();
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stdout.contains("信用卡一般 3—7 个工作日到账"), "{ran:#?}");
    let ran = yingda(["generations"]).data(corpus.data()).run();
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 1), "{ran:#?}");
    assert!(ran.stdout.starts_with("* g000001-"), "{ran:#?}");
}

#[test]
fn json_is_what_the_endpoint_answers() {
    let data = &starter_config().data.path;
    for question in ["退款 未到账", "退款未到賬", "洗衣机不脱水怎么办"] {
        let ran = yingda(["search", question, "--top-k", "5", "--format", "json", "--explain"]).data(data).run();
        let answer = starter_server().post("/v1/search", &json!({"query": question, "top_k": 5, "explain": true}));
        assert_eq!(comparable(ran.json()), comparable(answer.json()), "{question}");

        let ran = yingda([
            "search",
            question,
            "--kinds",
            "faq,script",
            "--tags",
            "退款",
            "--as-of",
            "2026-11-11",
            "--score-threshold",
            "0.1",
            "--format",
            "json",
        ])
        .data(data)
        .run();
        let body = json!({"query": question, "kinds": ["faq", "script"], "filters": {"tags": ["退款"]}, "as_of": "2026-11-11", "score_threshold": 0.1});
        assert_eq!(comparable(ran.json()), comparable(starter_server().post("/v1/search", &body).json()), "{question}");

        let context = json!({"channel": "im", "order": {"payment_method": "credit_card"}});
        let ran =
            yingda(["suggest", question, "--context", &context.to_string(), "--as-of", "2026-11-11T10:00", "--format", "json"])
                .data(data)
                .run();
        let body = json!({"messages": [{"role": "customer", "text": question}], "context": context, "as_of": "2026-11-11T10:00"});
        assert_eq!(comparable(ran.json()), comparable(starter_server().post("/v1/suggest", &body).json()), "{question}");
    }
}

#[test]
fn eval_measures_the_golden_questions() {
    let corpus = TempCorpus::small();
    corpus.write("golden/all.tsv", "退款几天到\trefund-time\n地址填错\torder-address\n你们老板是谁\t-\n");
    let ran = yingda(["eval", "--format", "json"]).corpus(corpus.path()).run();
    assert_eq!(ran.code, 0, "{ran:#?}");
    let summary = ran.json();
    assert_eq!((&summary["queries"], &summary["unanswerable"]), (&json!(3), &json!(1)));
    assert_eq!(summary["recall_at_1"], 1.0);
    let corpus = TempCorpus::small();
    assert_eq!(yingda(["eval"]).corpus(corpus.path()).run().code, 2, "no golden questions");
}

#[test]
fn help_and_version_are_results() {
    for verb in ["check", "index", "search", "explain", "analyze", "suggest", "serve", "eval", "generations", "rollback", "config"]
    {
        let ran = yingda([verb, "--help"]).run();
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{verb}");
        assert!(ran.stdout.contains("--format"), "{verb}: {}", ran.stdout);
    }
    let ran = yingda(["--help"]).run();
    assert!(ran.stdout.contains("Exit codes: 0") && ran.stdout.contains("suggest"), "{}", ran.stdout);
    assert_eq!(yingda(["--version"]).run().stdout, format!("yingda {}\n", env!("CARGO_PKG_VERSION")));
}

/// A running `yingda serve`, killed at the end.
struct Serving {
    child: Child,
    address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(corpus: &TempCorpus, verb: &[&str]) -> (Serving, Vec<String>) {
    let listen = ("YINGDA_SERVER_LISTEN", "127.0.0.1:0");
    let mut command = yingda(verb).corpus(corpus.path()).data(corpus.data()).env(listen.0, listen.1).into_command();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("standard error")).lines();
    let mut said = Vec::new();
    for line in lines.by_ref() {
        let line = line.expect("a line");
        said.push(line.clone());
        if line.contains("curl -s http://") {
            break;
        }
    }
    // What else it says must not fill the pipe.
    std::thread::spawn(move || lines.count());
    let hint = said.last().cloned().unwrap_or_default();
    let address = hint.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
    assert!(!address.is_empty(), "{said:#?}");
    (Serving { child, address }, said)
}

#[test]
fn without_a_command_it_indexes_and_serves_and_prints_a_line_that_works() {
    let corpus = TempCorpus::small();
    let (serving, said) = serve(&corpus, &[]);
    assert!(said.iter().any(|line| line.starts_with("first start: indexing")), "{said:#?}");
    let hint = said.last().expect("a hint");
    let (url, body) = hint.trim().strip_prefix("curl -s ").and_then(|rest| rest.split_once(" -d ")).expect("a curl line");
    let body = body.trim_matches('\'');
    assert!(url.starts_with(&format!("http://{}", serving.address)));
    // curl -d sends a form's content type; the server must not mind.
    let mut reply = ureq::post(url).header("content-type", "application/x-www-form-urlencoded").send(body).expect("an answer");
    let answer: Value = reply.body_mut().read_json().expect("JSON");
    assert_eq!(answer["suggestions"][0]["entry_id"], "refund-progress", "{answer}");
    drop(serving);
    let (_serving, said) = serve(&corpus, &["serve"]);
    assert!(!said.iter().any(|line| line.contains("indexing")), "the second start serves at once: {said:#?}");
}

#[cfg(unix)]
#[test]
fn a_stop_signal_ends_it_in_order() {
    let corpus = TempCorpus::small();
    let (mut serving, _) = serve(&corpus, &["serve"]);
    let stopped = std::process::Command::new("kill").arg("-TERM").arg(serving.child.id().to_string()).status().expect("kill");
    assert!(stopped.success());
    assert_eq!(serving.child.wait().expect("an exit code").code(), Some(0));
}

#[test]
fn a_taken_address_is_an_error_that_says_what_to_do() {
    let corpus = TempCorpus::small();
    corpus.publish();
    let address = starter_server().address().to_string();
    let ran = yingda(["serve", "--listen", &address]).corpus(corpus.path()).data(corpus.data()).run();
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.stderr.contains(&address) && ran.stderr.contains("--listen"), "{ran:#?}");
}

#[test]
fn a_bad_corpus_at_first_start_is_reported_and_nothing_is_served() {
    let corpus = TempCorpus::of([("faq/bad.yaml", "kind: faq\nentries:\n  - id: a\n")]);
    let ran = yingda(["serve", "--listen", "127.0.0.1:0"]).corpus(corpus.path()).data(corpus.data()).run();
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.stderr.contains("faq/bad.yaml:3: question: is missing"), "{ran:#?}");
}
