//! The second opinion on drafts: what no check has words for is warned of, what is said well is not, and nothing that the
//! corpus says is; training gives the same weights again and says where its input is wrong.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use yingda::compliance::{Checker, Likeness, MatchedBy, Opinion, Violation};
use yingda::config::Config;
use yingda::corpus::{CheckRule, CheckSeverity, Corpus, Screening, SourceFile};
use yingda::eval::{DraftSet, hold_out, learn};

use crate::support::{Server, TempCorpus, config, root, yingda};

/// Violations, with their rule and what must be covered.
const WILD: &[(&str, &str, &str)] = &[
    ("credential", "短信里那串数字念给我听一下", "短信里那串数字念给我听一下"),
    ("credential", "麻烦把您收到的六个数发过来我帮您操作", "六个数发过来"),
    ("insult", "您这理解能力我真是服了", "理解能力我真是服了"),
    ("insult", "说了这么多遍还不明白，真够可以的", "这么多遍还不明白"),
    ("blame", "东西是您自己弄坏的，别往我们头上推", "别往我们头上推"),
    ("evasion", "这事别找我，我只管打字", "这事别找我"),
    ("medical_claim", "喝一个疗程血糖就下来了", "血糖就下来了"),
    ("medical_claim", "贴上两天，老寒腿就不疼了", "老寒腿就不疼了"),
    ("off_platform", "咱们换个软件聊，这里不方便说", "换个软件聊"),
    ("vague", "您等等看，早晚会到的", "早晚会到的"),
    ("over_promise", "这单您放一百个心，出了事我扛着", "出了事我扛着"),
    ("superlative", "全中国找不出第二家比我们好的", "找不出第二家"),
    ("insult", "亲，衣服我看过了，没有瑕疵。像您这样难伺候的客人我头一回见！您可以申请退货。", "难伺候的客人我头一回见！"),
];
/// What speaks of the same things without fault.
const NEAR_MISSES: &[&str] = &[
    "请勿把短信验证码告诉任何人，我们也不会向您索要。",
    "这款护腰只有保暖作用，不能治疗腰椎疾病，疼痛请及时就医。",
    "具体哪天送到我们不能保证，请以物流信息为准。",
    "您说客服让您加微信，那不是我们的人，请不要添加。",
    "羊毛面料遇热可能会缩水，建议用冷水手洗。",
    "这个问题我现在还不知道，我问一下仓库，下午三点前回复您。",
    "给您发错颜色是我们的疏忽，运费由我们承担。",
    "麻烦您看一下包装底部的批号，拍一张照片给我。",
    "我们不敢说是全网最低价，您可以比较之后再决定。",
    "审核通过后，退款会在1到3个工作日内退回原付款账户。",
    "没关系，您慢慢拍，我一直在的。",
    "您没有看错，页面上的尺寸确实写错了，是我们的问题。",
];

fn starter() -> Corpus {
    Corpus::load(&root().join("corpus")).expect("the starter corpus can be read")
}

/// The opinion of the shipped model with the shipped settings.
fn opinion() -> Opinion {
    let config = Config::resolve(None, [], &[]).expect("the defaults are valid");
    Opinion::new(Likeness::built_in(), config.drafts.warned, config.drafts.softened).expect("the shipped weights have thresholds")
}

fn by_likeness(violations: &[Violation]) -> Vec<&Violation> {
    violations.iter().filter(|violation| violation.matched_by == MatchedBy::Likeness).collect()
}

/// A corpus whose checks name no words that anybody writes, so that likeness alone speaks, and a server over it.
fn server_without_words() -> (TempCorpus, Server) {
    let corpus = TempCorpus::small();
    for rule in CheckRule::NAMES {
        let check = |id: &str| {
            format!(
                "  - id: {id}\n    severity: block\n    patterns: [某甲某乙某丙]\n    reason: 试验\n    replacement: 请稍等{id}。\n"
            )
        };
        let checks = [check(&format!("{rule}-1")), check(&format!("{rule}-2"))].concat();
        corpus.write(&format!("check/{rule}.yaml"), format!("kind: check\nrule: {rule}\nchecks:\n{checks}"));
    }
    corpus.publish();
    let server = Server::start(&config(&corpus.path(), &corpus.data()));
    (corpus, server)
}

/// A folder of drafts.
fn drafts(bad: &str, clean: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("bad_drafts.tsv"), bad).expect("a file of drafts");
    fs::write(folder.path().join("clean_drafts.tsv"), clean).expect("a file of drafts");
    folder
}

const FEW_BAD: &str = "\
insult\t你是不是傻，自己看。\t你是不是傻
insult\t亲，这都不懂？你是不是傻。\t你是不是傻
insult\t你真是傻得可以。\t你真是傻
credential\t把短信里的数字报给我。\t短信里的数字报给我
credential\t短信里的数字发我一下，马上好。\t短信里的数字发我
credential\t请把短信里的数字报过来！\t短信里的数字报过来
";
const FEW_CLEAN: &str = "\
您好，订单今天下午发出。
短信里的物流单号您可以点开看。
好的，马上为您登记。
请稍等，我查一下订单。
";

#[test]
fn what_no_check_has_words_for_is_warned_of() {
    let (corpus, server) = server_without_words();
    for (rule, text, words) in WILD {
        let answer = server.post("/v1/check", &json!({ "text": text, "channel": "im" })).json();
        let violations = answer["violations"].as_array().unwrap_or_else(|| panic!("{text}: {answer}"));
        let at = text.find(words).map(|at| text[..at].chars().count()).expect(words);
        let end = at + words.chars().count();
        let place =
            |violation: &serde_json::Value, field: &str, side: &str| violation[field][side].as_u64().expect("a place") as usize;
        let covering = violations.iter().find(|violation| {
            violation["matched_by"] == "likeness"
                && violation["rule"] == *rule
                && place(violation, "span", "start") <= at
                && end <= place(violation, "span", "end")
        });
        let covering = covering.unwrap_or_else(|| panic!("{text}: {answer:#}"));
        assert_eq!((&covering["severity"], &answer["verdict"]), (&json!("warn"), &json!("warn")), "{text}");
        let (from, to) = (place(covering, "words", "start"), place(covering, "words", "end"));
        assert!(from < end && at < to, "{text}: {covering}");
        let check = corpus.load().screening.checks.into_iter().find(|check| covering["check"] == check.id).expect("a check");
        assert_eq!((*rule, covering["replacement"].as_str()), (check.rule.as_str(), Some(&*check.replacement)), "{text}");
    }
}

#[test]
fn what_is_said_well_of_the_same_things_passes() {
    let (_corpus, server) = server_without_words();
    for text in NEAR_MISSES {
        let answer = server.post("/v1/check", &json!({ "text": text })).json();
        assert_eq!(answer["verdict"], "pass", "{text}: {answer:#}");
    }
}

#[test]
fn nothing_that_the_corpus_says_is_raised() {
    let corpus = starter();
    let checker = Checker::new(&corpus.screening).expect("the checks compile");
    let opinion = opinion();
    let said = DraftSet::of_corpus(&corpus).drafts;
    assert!(said.len() > corpus.screening.checks.len() + 600, "{} texts", said.len());
    for draft in &said {
        let violations = checker.check_with(&draft.text, None, Some(&opinion)).expect(&draft.text);
        assert!(by_likeness(&violations).is_empty(), "{}: {violations:#?}", draft.text);
    }
}

#[test]
fn a_guess_never_blocks_and_repeats_no_check() {
    let checker = Checker::new(&Screening::built_in()).expect("the checks compile");
    let opinion = opinion();
    let set = DraftSet::load(&root().join("models/recipe/drafts/author-5")).expect("drafts of the recipe");
    let mut raised = 0;
    for draft in &set.drafts {
        let words = checker.check(&draft.text, None).expect(&draft.text);
        let both = checker.check_with(&draft.text, None, Some(&opinion)).expect(&draft.text);
        assert!(words.iter().all(|violation| violation.matched_by == MatchedBy::Words), "{words:?}");
        assert_eq!(both.len(), words.len() + by_likeness(&both).len(), "{}", draft.text);
        for guess in by_likeness(&both) {
            raised += 1;
            assert_eq!(guess.severity, CheckSeverity::Warn, "{guess:?}");
            assert!(words.iter().all(|known| known.span.end <= guess.span.start || guess.span.end <= known.span.start), "{both:?}");
            assert!(guess.span.start <= guess.words.start && guess.words.end <= guess.span.end, "{guess:?}");
        }
    }
    assert!(raised > 50, "{raised} sentences raised");
}

#[test]
fn a_block_is_softened_where_the_sentence_reads_like_a_clean_one() {
    let check = "kind: check\nrule: over_promise\nchecks:\n  - id: today\n    severity: block\n    patterns: [今天下午]\n    reason: 试验\n    replacement: 请稍等。\n";
    let corpus = Corpus::from_files(&[SourceFile { path: "check/a.yaml".into(), bytes: check.as_bytes().to_vec() }], Vec::new());
    let checker = Checker::new(&corpus.screening).expect("the checks compile");
    for (text, severity) in [
        ("您好，您的订单今天下午已经发出，物流信息可以在订单详情里查看。", CheckSeverity::Warn),
        ("我保证今天下午百分百送到，送不到我赔您十倍。", CheckSeverity::Block),
    ] {
        let severities = |opinion| -> Vec<CheckSeverity> {
            let violations = checker.check_with(text, None, opinion).expect(text);
            violations.iter().filter(|violation| violation.check == "today").map(|violation| violation.severity).collect()
        };
        assert_eq!(severities(None), [CheckSeverity::Block], "{text}");
        assert_eq!(severities(Some(&opinion())), [severity], "{text}");
    }
}

#[test]
fn a_rule_without_checks_is_not_guessed_at() {
    for (rule, guessed) in [("credential", vec![CheckRule::Credential]), ("insult", vec![])] {
        let check = format!(
            "kind: check\nrule: {rule}\nchecks:\n  - id: a\n    severity: block\n    patterns: [某甲某乙某丙]\n    reason: 试验\n    replacement: 请稍等。\n"
        );
        let corpus = Corpus::from_files(&[SourceFile { path: "check/a.yaml".into(), bytes: check.into_bytes() }], Vec::new());
        let checker = Checker::new(&corpus.screening).expect("the checks compile");
        let violations = checker.check_with("短信里那串数字念给我听一下。", None, Some(&opinion())).expect("a short draft");
        assert_eq!(by_likeness(&violations).iter().map(|violation| violation.rule).collect::<Vec<_>>(), guessed, "{violations:?}");
    }
}

#[test]
fn settings_turn_it_down_and_off() {
    let model = Likeness::built_in();
    assert!(Opinion::new(model.clone(), 0.0, 0.0).is_none());
    let at = |warned| Opinion::new(model.clone(), warned, 0.0).expect("a threshold").raised_above;
    assert!(at(0.01) > at(0.05) && at(0.05) > at(0.15), "{:?}", model.thresholds);
    let bad = Config::resolve(None, [], &[("drafts.warned", "0.5".into())]).expect_err("refused").to_string();
    assert!(bad.contains("drafts.warned is 0.5"), "{bad}");
}

#[test]
fn broken_weights_are_refused_by_name() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("drafts.json");
    let shipped: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(root().join("models/drafts.json")).expect("the shipped weights")).expect("JSON");
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut weights = shipped.clone();
        weights["weights"] = json!({ "好": [1, 0, 0, 0, 0, 0, 0, 0, 0, -1] });
        change(&mut weights);
        weights.to_string()
    };
    fs::write(&path, with(&|_| ())).expect("a weights file");
    Likeness::load(&path).expect("the shape is right");
    for (text, fault) in [
        ("{\n\"version\": 1".to_owned(), "line 2"),
        (with(&|w| w["weights"]["好"] = json!([1])), "`好` has 1 weights; write 10"),
        (with(&|w| w["weights"]["好"][1] = json!(100_000)), "`好` has the weight 100000"),
        (with(&|w| w["weights"]["好得很吗"] = json!([0])), "`好得很吗` has 4 signs"),
        (with(&|w| w["bias"] = json!([])), "`bias` has 0 weights"),
        (with(&|w| w["classes"][1] = json!("rude")), "classes are clean, rude"),
        (with(&|w| w["thresholds"] = json!([[0.5, 0.1], [0.1, 0.2]])), "`thresholds`"),
        (with(&|w| w["softening"] = json!([[0.5, 1.1]])), "`softening`"),
        (with(&|w| w["more"] = json!(1)), "`more`"),
    ] {
        fs::write(&path, text).expect("a weights file");
        let error = Likeness::load(&path).expect_err(fault).to_string();
        assert!(error.contains("drafts.json") && error.contains(fault), "{fault}: {error}");
    }
    let missing = Likeness::load(Path::new("no/such.json")).expect_err("refused").to_string();
    assert!(missing.contains("no/such.json"), "{missing}");
}

#[test]
fn training_gives_the_same_weights_again() {
    let (one, two) = (drafts(FEW_BAD, FEW_CLEAN), drafts(FEW_BAD, FEW_CLEAN));
    let out = TempDir::new().expect("a temporary folder");
    let empty = out.path().join("corpus");
    fs::create_dir(&empty).expect("a corpus folder");
    let train = |name: &str| {
        let path = out.path().join(name);
        let ran = yingda(["tune", "--name", "few"])
            .corpus(&empty)
            .flag("--drafts", one.path())
            .flag("--hold-out", two.path())
            .flag("--drafts-out", &path)
            .run();
        assert_eq!(ran.code, 0, "{ran:#?}");
        assert!(ran.stdout.contains("6 violating drafts, 4 clean ones"), "{}", ran.stdout);
        (fs::read(&path).expect("weights"), path)
    };
    let (first, path) = train("a.json");
    assert_eq!(first, train("b.json").0);
    // What was written is what was learnt, and it has learnt its lesson.
    let set = DraftSet::load(one.path()).expect("drafts");
    let corpus = Corpus::load(&empty).expect("an empty corpus");
    let learnt = learn(std::slice::from_ref(&set), &corpus, "few").expect("a model");
    let loaded = Likeness::load(&path).expect("what was written");
    assert_eq!(loaded, learnt.model);
    let report = hold_out(&set, &corpus, &loaded).expect("a report");
    assert_eq!((report.violating, report.clean), (6, 4));
    assert!(report.thresholds.iter().all(|at| at.both.warned == 0 && at.both.found >= report.words.found), "{report:#?}");
}

#[test]
fn faults_of_labelled_drafts_are_reported_where_they_stand() {
    for (bad, clean, fault) in [
        ("insult\t你傻\n", "您好\n", "bad_drafts.tsv:1: has 2 fields"),
        ("# rule, draft, words\n\nrude\t你傻\t傻\n", "您好\n", "bad_drafts.tsv:3: “rude” is no rule"),
        ("insult\t你傻\t笨\n", "您好\n", "bad_drafts.tsv:1: the draft does not hold “笨”"),
        ("insult\t你傻\t\n", "您好\n", "bad_drafts.tsv:1: the draft does not hold “”"),
        ("insult\t你傻\t傻\n", "您好\n您\t好\n", "clean_drafts.tsv:2: has 2 fields"),
        ("insult\t你傻\t傻\n", "", "of one kind only"),
        ("", "您好\n", "of one kind only"),
    ] {
        let folder = drafts(bad, clean);
        let ran = yingda(["tune"]).flag("--drafts", folder.path()).flag("--drafts-out", folder.path().join("out.json")).run();
        assert_eq!(ran.code, 2, "{ran:#?}");
        assert!(ran.stderr.contains(fault), "{fault}: {}", ran.stderr);
    }
    let long = drafts("insult\t你傻\t傻\n", &"好".repeat(8_001));
    let error = DraftSet::load(long.path()).expect_err("refused").to_string();
    assert!(error.contains("clean_drafts.tsv:1: the draft has 8001 characters"), "{error}");
}
