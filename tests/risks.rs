//! Risk and emotion: what calls for a person is seen, ordinary messages raise nothing.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use yingda::compliance::Verdict;
use yingda::config::Config;
use yingda::corpus::{Corpus, Emotion, Kind};
use yingda::generation::{BuildOptions, DataFolder, Generation, build};
use yingda::query::Decision;
use yingda::risk::{MatchedBy, RiskAssessment, Thresholds, assess, assess_with};
use yingda::service::{CheckRequest, Message, Role, Service, SuggestRequest, load_model};

use crate::support::corpora::SMALL_FAQ;
use crate::support::{TempCorpus, model, yingda};

const LEVEL_1: &str = include_str!("data/risk-level1.tsv");
const LEVEL_2_3: &str = include_str!("data/risk-level23.tsv");
const ORDINARY: &str = include_str!("data/risk-ordinary.tsv");
const EMOTIONS: &str = include_str!("data/emotions.tsv");

fn generation() -> &'static Generation {
    &published().0
}

/// A generation of the starter corpus, and the data folder that holds it.
fn published() -> &'static (Generation, tempfile::TempDir) {
    static GENERATION: OnceLock<(Generation, tempfile::TempDir)> = OnceLock::new();
    GENERATION.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let corpus = Corpus::load(Path::new("corpus")).expect("the starter corpus");
        assert_eq!(corpus.errors(), 0, "{:?}", corpus.problems);
        let embedder = Arc::from(yingda::embedding::load(Path::new("models/yingda-embed-zh")).expect("the model"));
        let data = DataFolder::new(folder.path());
        let options = BuildOptions { force: false, keep: 1, ranker_version: "test".into() };
        build(&corpus, &data, &*embedder, &options, &|_, _, _| {}).expect("a generation");
        (Generation::open_current(&data, embedder).expect("an open generation"), folder)
    })
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn read(message: &str) -> RiskAssessment {
    assess(generation(), &[message]).expect(message)
}

fn shown(assessment: &RiskAssessment) -> String {
    let rules = assessment.rules.iter().take(3);
    rules
        .map(|r| format!("{} {:?} {:.2}/{:.2} “{}”", r.id, r.matched_by, r.similarity, r.ordinary, r.text))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Prints the evidence of every sentence, for choosing thresholds.
#[test]
#[ignore = "prints a table"]
fn evidence_for_thresholds() {
    let open = r#"{"level_1":{"cosine":0.0,"margin":-1.0},"level_2":{"cosine":0.0,"margin":-1.0},"level_3":{"cosine":0.0,"margin":-1.0},
        "danger":{"cosine":0.0,"margin":-1.0},"doubt":{"cosine":0.0,"margin":-1.0},"heard":1.0,"hypothetical":0.0}"#;
    let open = Thresholds::parse(open).expect("thresholds");
    let further = std::env::var("YINGDA_MESSAGES").ok().map(|path| std::fs::read_to_string(path).expect("a file of messages"));
    for (set, text) in [("1", LEVEL_1), ("23", LEVEL_2_3), ("0", ORDINARY), ("further", further.as_deref().unwrap_or_default())] {
        for line in lines(text) {
            let message = line.rsplit('\t').next().unwrap_or(line);
            let all = assess_with(generation(), &[message], &open).expect(message);
            let danger = !generation()
                .danger_words
                .find(&yingda::pattern::Reading::new(message, &generation().screening.evasions))
                .is_empty();
            let by_words =
                all.rules.iter().find(|r| r.matched_by != yingda::risk::MatchedBy::Meaning).map_or("-", |r| r.id.as_str());
            let best = |level: u8| {
                let of = all.rules.iter().filter(|r| r.level == level);
                of.max_by(|a, b| a.similarity.total_cmp(&b.similarity))
                    .map_or((0.0, 0.0, "-"), |r| (r.similarity, r.ordinary, r.id.as_str()))
            };
            let (one, two, three) = (best(1), best(2), best(3));
            println!(
                "E\t{set}\t{}\t{by_words}\t{:.3}\t{:.3}\t{}\t{:.3}\t{}\t{:.3}\t{}\t{message}",
                u8::from(danger),
                one.1,
                one.0,
                one.2,
                two.0,
                two.2,
                three.0,
                three.2
            );
        }
    }
}

#[test]
fn level_1_is_seen() {
    let (mut seen, mut all) = (0, 0);
    for line in lines(LEVEL_1) {
        let message = line.rsplit('\t').next().unwrap_or(line);
        let assessment = read(message);
        all += 1;
        if assessment.level == Some(1) {
            seen += 1;
        } else {
            println!("missed {line} [{}]", shown(&assessment));
        }
    }
    println!("level 1 seen: {seen} of {all}");
    assert!(seen * 100 >= all * 90, "{seen} of {all}");
}

#[test]
fn levels_2_and_3_are_seen() {
    let (mut seen, mut all) = (0, 0);
    for line in lines(LEVEL_2_3) {
        let (level, message) = line.split_once('\t').expect("level and message");
        let assessment = read(message);
        all += 1;
        if assessment.level.is_some_and(|found| found <= level.parse().expect("a level")) {
            seen += 1;
        } else {
            println!("missed {line} [{}]", shown(&assessment));
        }
        if assessment.level == Some(1) {
            println!("level 1 for {line} [{}]", shown(&assessment));
        }
    }
    println!("levels 2 and 3 seen: {seen} of {all}");
    assert!(seen * 100 >= all * 80, "{seen} of {all}");
}

#[test]
fn ordinary_messages_raise_nothing() {
    let (mut raised, mut all) = (0, 0);
    for message in lines(ORDINARY) {
        let assessment = read(message);
        all += 1;
        if assessment.level.is_some() {
            raised += 1;
            println!("raised {:?} by {message} [{}]", assessment.level, shown(&assessment));
        }
    }
    println!("ordinary messages raised: {raised} of {all}");
    assert!(raised * 100 <= all * 3, "{raised} of {all}");
}

#[test]
fn what_was_said_before_counts_only_while_it_is_grave() {
    let grave = assess(generation(), &["充电宝着火了，沙发烧了", "那运费谁出"]).expect("an assessment");
    assert_eq!(grave.level, Some(1), "{}", shown(&grave));
    assert_eq!(grave.rules[0].message, 1);
    let light = assess(generation(), &["我要打12315", "那运费谁出"]).expect("an assessment");
    assert_eq!(light.level, None, "{}", shown(&light));
}

#[test]
fn evasions_are_read_and_spans_count_characters() {
    for (message, words) in [("😡我要打 一2三①伍", "打 一2三①伍"), ("我的帳號被盜了", "帳號被盜"), ("我要起 诉 你 们", "我要起 诉")]
    {
        let assessment = read(message);
        let rule = assessment.rules.first().unwrap_or_else(|| panic!("nothing raised by {message}"));
        assert!(rule.text.contains(words) || words.contains(&rule.text), "{message}: {}", shown(&assessment));
    }
}

#[test]
fn emotions_are_read() {
    let (mut right, mut all) = (0, 0);
    for line in lines(EMOTIONS) {
        let (label, message) = line.split_once('\t').expect("label and message");
        let label = Emotion::parse(label).expect(label);
        let found = generation().emotions.read(message);
        all += 1;
        if found.label == label {
            right += 1;
        } else {
            println!("{} instead of {} for {message} ({:?})", found.label.as_str(), label.as_str(), found.text);
        }
        assert_eq!(found.span.is_some(), found.label != Emotion::Neutral, "{message}");
        assert!((0.0..=1.0).contains(&found.intensity), "{message}");
    }
    println!("emotions right: {right} of {all}");
    assert!(right * 100 >= all * 85, "{right} of {all}");
}

#[test]
fn a_customer_at_level_1_is_handed_over_with_the_rules_wording_first() {
    let data = published().1.path().to_string_lossy().into_owned();
    let config = Config::resolve(None, std::iter::empty(), &[("data.path", data)]).expect("settings");
    let service = Service::new(&config, load_model(&config).expect("the model")).expect("a service");
    service.live().refresh().expect("a generation");
    let suggest = |text: &str| {
        let messages = vec![Message { role: Role::Customer, text: text.into() }];
        service.suggest(&SuggestRequest { messages, ..SuggestRequest::default() }, "test").expect(text)
    };
    let grave = suggest("充电宝充着充着起火了，手被烫伤了");
    assert_eq!(grave.decision, Decision::Handoff);
    assert_eq!(grave.risk.level, Some(1));
    let first = grave.suggestions.first().expect("a suggestion");
    assert_eq!((first.kind, first.entry_id.as_str()), (Kind::Risk, grave.risk.rules[0].id.as_str()));
    assert!(!first.text.is_empty() && !first.text.contains("{{"), "{}", first.text);
    assert!(!grave.risk.rules[0].must_say.is_empty() && grave.risk.rules[0].deadline_minutes <= 30);
    let light = suggest("退款多久到账");
    assert_ne!(light.decision, Decision::Handoff);
    assert_eq!(light.risk, RiskAssessment::default());
    assert_eq!(light.emotion.label, Emotion::Neutral);
    let checked = service.check(&CheckRequest { text: "亲，一定全额退款".into(), channel: None }, "test").expect("a check");
    assert_eq!((checked.verdict, checked.violations.len()), (Verdict::Block, 1));
    assert!(service.check(&CheckRequest::default(), "test").is_err());
}

#[test]
fn an_exception_silences_meaning_as_it_does_words() {
    const RULE: &str = "\
kind: risk
entries:
  - id: risk-account
    title: 账号被盗
    level: 1
    deadline_minutes: 30
    team: 安全组
    triggers:
      words: [盗号]
      examples: [有人登了我的账户把积分都兑走了]
      unless: [登了我的账户把积分都兑走了会怎样]
    must_say: [先改密码]
    must_not_promise: [承诺追回]
    reply: 您好，账户安全的事我们马上处理。
";
    let corpus = TempCorpus::of([("faq/refund.yaml", SMALL_FAQ), ("risk/account.yaml", RULE)]);
    corpus.publish();
    let generation = Generation::open_current(&DataFolder::new(corpus.data()), model()).expect("a generation");
    for (message, raised) in [
        ("有人登了我的账户把积分都兑走了", true),
        ("有人登了我的账户把积分都兑走了会怎样", false),
        // Another sentence speaks for itself.
        ("有人登了我的账户把积分都兑走了会怎样？有人登了我的账户把积分都兑走了", true),
    ] {
        let found = assess(&generation, &[message]).expect(message);
        assert_eq!(found.level.is_some(), raised, "{message}: {}", shown(&found));
        assert!(found.rules.iter().all(|rule| rule.matched_by == MatchedBy::Meaning), "{message}: {}", shown(&found));
    }
}

#[test]
fn what_comes_near_level_1_is_left_to_a_person_although_nothing_is_raised() {
    let faq = "kind: faq\nentries:\n  - id: battery-swollen\n    question: 电池鼓包冒烟了怎么处理\n    answers:\n      - text: 您好，请马上停止使用。\n";
    let risk = "kind: risk\nentries:\n  - id: risk-battery\n    title: 电池起火\n    level: 1\n    deadline_minutes: 30\n    team: 安全组\n    triggers:\n      examples: [电池鼓包冒烟了怎么处理呀]\n    reply: 您好，请先离开现场。\n";
    for (files, decision) in [(vec![("faq/a.yaml", faq)], "answer"), (vec![("faq/a.yaml", faq), ("risk/b.yaml", risk)], "suggest")]
    {
        let corpus = TempCorpus::of(files);
        corpus.publish();
        let asked = ["suggest", "电池鼓包冒烟了怎么处理", "--format", "json"];
        let reply = yingda(asked).corpus(corpus.path()).data(corpus.data()).run().json();
        assert_eq!(reply["decision"], decision, "{reply}");
        assert!(reply["risk"]["level"].is_null(), "{reply}");
    }
}
