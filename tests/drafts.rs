//! Draft checking: violating drafts are found where they break a rule, clean ones pass, replacements pass themselves.

use std::collections::BTreeMap;
use std::path::Path;

use yingda::compliance::{Checker, Verdict, Violation, review};
use yingda::corpus::{Channel, CheckRule, Corpus, Screening, SourceFile};
use yingda::pattern::Span;

const VIOLATING: &str = include_str!("data/drafts-violating.tsv");
const CLEAN: &str = include_str!("data/drafts-clean.tsv");

fn screening() -> Screening {
    let corpus = Corpus::load(Path::new("corpus")).expect("the starter corpus can be read");
    assert_eq!(corpus.errors(), 0, "{:?}", corpus.problems);
    corpus.screening
}

fn checker() -> Checker {
    Checker::new(&screening()).expect("the checks compile")
}

#[test]
fn the_starter_corpus_screens_as_the_built_in_files_do() {
    assert_eq!(screening(), Screening::built_in());
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A draft without its marks, and the marked spans in characters.
fn unmark(marked: &str) -> (String, Vec<(u32, u32)>) {
    let (mut text, mut spans, mut open, mut length) = (String::new(), Vec::new(), 0, 0);
    for c in marked.chars() {
        match c {
            '【' => open = length,
            '】' => spans.push((open, length)),
            c => {
                text.push(c);
                length += 1;
            }
        }
    }
    (text, spans)
}

/// True if the sentence of a violation of `rule` covers the marked words, and the words it names are among them.
fn covers(violations: &[Violation], rule: CheckRule, (start, end): (u32, u32)) -> bool {
    violations
        .iter()
        .filter(|violation| violation.rule == rule)
        .any(|Violation { span, words, .. }| span.start <= start && end <= span.end && words.start < end && start < words.end)
}

#[test]
fn violating_drafts_are_found() {
    let checker = checker();
    let (mut found, mut all) = (0, 0);
    for line in lines(VIOLATING) {
        let (rule, marked) = line.split_once('\t').expect("rule and draft");
        let rule = CheckRule::parse(rule).expect(rule);
        let (text, spans) = unmark(marked);
        let violations = checker.check(&text, Some(Channel::Im)).expect(&text);
        all += 1;
        if spans.iter().any(|span| covers(&violations, rule, *span)) {
            found += 1;
        } else {
            let seen: Vec<String> = violations.iter().map(|v| format!("{}:{}", v.rule.as_str(), v.text)).collect();
            println!("missed {} {marked} {seen:?}", rule.as_str());
        }
    }
    println!("violating drafts found: {found} of {all}");
    assert!(found * 100 >= all * 95, "{found} of {all}");
}

#[test]
fn words_that_only_calm_negate_nothing() {
    let checker = checker();
    let rules = |text: &str| -> Vec<CheckRule> {
        let violations = checker.check(text, Some(Channel::Im)).expect(text);
        violations.iter().map(|violation| violation.rule).collect()
    };
    for (text, rule) in [
        ("不用担心，验证码发我就行", CheckRule::Credential),
        ("型号可以的，不用担心，验证码发我就行", CheckRule::Credential),
        ("型号可以的，验证码发我就行，不用担心。", CheckRule::Credential),
        ("您把验证码告诉我，别着急", CheckRule::Credential),
        ("您别着急，今天一定到", CheckRule::OverPromise),
        ("不用害怕哦，一定能退", CheckRule::OverPromise),
    ] {
        assert_eq!(rules(text), [rule], "{text}");
    }
    for text in [
        "不用担心",
        "您别担心，我们不会要您的密码。",
        "您不用着急，验证码只需要您自己在页面上填写，不用发给我们。",
        "别紧张，我们不会让您提供银行卡密码。",
    ] {
        assert!(rules(text).is_empty(), "{text}: {:?}", rules(text));
    }
}

#[test]
fn clean_drafts_pass() {
    let checker = checker();
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    for text in lines(CLEAN) {
        let violations = checker.check(text, Some(Channel::Im)).expect(text);
        for violation in &violations {
            println!("{} {} “{}” in {text}", violation.severity.as_str(), violation.check, violation.text);
        }
        *verdicts.entry(format!("{:?}", Verdict::of(&violations))).or_default() += 1;
    }
    println!("clean drafts: {verdicts:?}");
    let count = |verdict: &str| verdicts.get(verdict).copied().unwrap_or(0);
    assert!(count("Block") <= 2 && count("Warn") <= 8, "{verdicts:?}");
}

#[test]
fn replacements_pass_the_check_themselves() {
    let screening = screening();
    let checker = checker();
    for check in &screening.checks {
        let violations = checker.check(&check.replacement, None).expect(&check.id);
        assert!(violations.is_empty(), "{}: {violations:?}", check.id);
    }
}

#[test]
fn spans_count_characters_of_the_draft() {
    let text = "😊您好！ 加 ｖ❤：abc_1.2 吧 ，谢谢 。再见";
    let violations = checker().check(text, None).expect(text);
    let violation = violations.first().expect("a violation");
    let at = |span: Span| text.chars().skip(span.start as usize).take((span.end - span.start) as usize).collect::<String>();
    assert_eq!(at(violation.words), "加 ｖ❤");
    assert_eq!(at(violation.span), "加 ｖ❤：abc_1.2 吧 ，谢谢 。");
    assert_eq!(violation.text, at(violation.span));
    assert_eq!(violation.rule, CheckRule::OffPlatform);
}

#[test]
fn a_replacement_stands_for_whole_sentences() {
    let checker = checker();
    let violations = checker.check("您好。爱买不买，滚。", None).expect("a short draft");
    let seen: Vec<&str> = violations.iter().map(|violation| violation.text.as_str()).collect();
    assert_eq!(seen, ["爱买不买，滚。"]);
    let violations = checker.check("爱买不买。滚！", None).expect("a short draft");
    let seen: Vec<&str> = violations.iter().map(|violation| violation.text.as_str()).collect();
    assert_eq!(seen, ["爱买不买。", "滚！"]);
    // A sentence without end is cut where a clause ends.
    let long = format!("{}，爱买不买，{}", "好，".repeat(40), "行，".repeat(40));
    let violations = checker.check(&long, None).expect("a short draft");
    let [violation] = &violations[..] else { panic!("{violations:?}") };
    assert!(violation.text.starts_with("好，") && violation.text.ends_with("，行"), "{violation:?}");
}

#[test]
fn context_decides() {
    let checker = checker();
    for (text, verdict) in [
        ("我们不能保证今天到。", Verdict::Pass),
        ("我们保证今天到。", Verdict::Block),
        ("您说的“一定全额退款”我核实一下。", Verdict::Pass),
        ("“一定全额退款”，您放心。", Verdict::Block),
        ("您转述的“肯定全额退款”不是我们的答复。", Verdict::Pass),
        ("小净 V8 的滤网两个月换一次。", Verdict::Pass),
        ("加V8866abc聊。", Verdict::Block),
        ("洗衣粉放中间“Ⅱ”格，不要超过“MAX”线。", Verdict::Pass),
        ("请不要把验证码告诉任何人。", Verdict::Pass),
        ("请把验证码告诉我。", Verdict::Block),
        ("最晚明天给您回复。", Verdict::Pass),
        ("退款会退回您的微信零钱。", Verdict::Pass),
        ("", Verdict::Pass),
    ] {
        let violations = checker.check(text, None).expect(text);
        assert_eq!(Verdict::of(&violations), verdict, "{text}: {violations:?}");
    }
}

#[test]
fn drafts_have_a_limit() {
    assert!(checker().check(&"好".repeat(8_001), None).is_err());
    assert!(checker().check(&"保证".repeat(4_000), None).is_ok());
}

#[test]
fn the_starter_corpus_keeps_its_own_rules() {
    let mut corpus = Corpus::load(Path::new("corpus")).expect("the starter corpus can be read");
    review(&mut corpus).expect("the checks compile");
    let broken: Vec<String> =
        corpus.problems.iter().filter(|problem| problem.what.contains("breaks the rule")).map(ToString::to_string).collect();
    broken.iter().for_each(|problem| println!("{problem}"));
    println!("{} texts of the corpus are at fault, {} of them blocked", broken.len(), corpus.errors());
    assert_eq!(corpus.errors(), 0);
}

#[test]
fn faults_of_the_rules_are_reported_where_they_stand() {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), bytes: text.as_bytes().to_vec() };
    let check = "kind: check\nrule: insult\nchecks:\n  - id: a\n    severity: block\n    patterns: [\"(傻|\"]\n    reason: 不好\n    replacement: 您好\n";
    let corpus = Corpus::from_files(
        &[
            file("check/a.yaml", check),
            file("check/b.yaml", "kind: check\nrule: rude\nchecks: []\n"),
            file("dict/evasions.txt", "微信\n"),
            file("dict/groups.yaml", "kind: groups\ngroups:\n  好: 坏\n"),
        ],
        Vec::new(),
    );
    for expected in ["check/a.yaml:4: patterns", "check/b.yaml:2: rule", "dict/evasions.txt:1", "dict/groups.yaml:3: groups.好"] {
        assert!(corpus.problems.iter().any(|p| p.to_string().starts_with(expected)), "{expected}: {:#?}", corpus.problems);
    }
}
