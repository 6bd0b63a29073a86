//! Conditional answers that cannot be reached, overlap or leave gaps are reported by `check`.

use crate::support::TempCorpus;

fn faq(answers: &str) -> String {
    format!(
        "kind: faq\ntopic: 退款\nentries:\n  - id: one\n    question: 退款多久到账？\n    answers:\n{answers}      - text: 您好，一般三天内到账。\n"
    )
}

fn warnings(answers: &str) -> Vec<String> {
    let corpus = TempCorpus::of([("faq/a.yaml", faq(answers).as_str())]).load();
    assert_eq!(corpus.errors(), 0, "{:#?}", corpus.problems);
    corpus.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn answers_are_judged_by_their_conditions() {
    let cases: &[(&str, Option<&str>)] = &[
        ("      - {when: {payment_method: [wechat]}, text: 甲}\n      - {when: {payment_method: [alipay]}, text: 乙}\n", None),
        (
            "      - {when: {payment_method: [wechat, alipay]}, text: 甲}\n      - {when: {payment_method: [alipay]}, text: 乙}\n",
            Some("answers[1].when: warning: can never be reached"),
        ),
        (
            // Covered by two together, by neither alone.
            "      - {when: {signed_days: {max: 7}}, text: 甲}\n      - {when: {signed_days: {min: 8}}, text: 乙}\n      - {when: {signed_days: {min: 5, max: 10}}, text: 丙}\n",
            Some("answers[2].when: warning: can never be reached"),
        ),
        (
            "      - {when: {payment_method: [wechat]}, text: 甲}\n      - {when: {payment_method: [wechat], order_status: [refunding]}, text: 乙}\n",
            None,
        ),
        (
            "      - {when: {payment_method: [wechat]}, text: 甲}\n      - {when: {order_status: [refunding]}, text: 乙}\n",
            Some("answers[1].when: warning: overlaps answers[0] at equal rank"),
        ),
        (
            // An order that was not sent has no day of receipt.
            "      - {when: {order_status: [paid]}, text: 甲}\n      - {when: {signed_days: {max: 7}}, text: 乙}\n",
            None,
        ),
        ("      - {when: {order_status: [unpaid], paid_hours: {max: 2}}, text: 甲}\n", Some("can never hold")),
        (
            "      - {when: {signed_days: {max: 7}}, text: 甲}\n      - {when: {signed_days: {min: 9}}, text: 乙}\n",
            Some("for signed_days from 8 to 8 no condition holds"),
        ),
        ("      - {when: {signed_days: {max: 7}}, text: 甲}\n      - {when: {signed_days: {min: 8}}, text: 乙}\n", None),
    ];
    for (answers, expected) in cases {
        let found = warnings(answers);
        match expected {
            None => assert!(found.is_empty(), "{answers}{found:#?}"),
            Some(says) => assert!(found.iter().any(|warning| warning.contains(says)), "{answers}{found:#?}"),
        }
    }
}

#[test]
fn a_gap_between_two_validities_is_reported() {
    let entry = |id: &str, validity: &str| {
        format!("  - id: {id}\n    question: 大促几点开始？\n    {validity}\n    answers:\n      - text: 您好，晚上八点开始。\n")
    };
    let check = |second: &str| {
        let text = format!("kind: faq\nentries:\n{}{}", entry("a", "valid_until: 2026-06-30"), entry("b", second));
        let corpus = TempCorpus::of([("faq/a.yaml", text.as_str())]).load();
        corpus.problems.iter().map(ToString::to_string).filter(|text| text.contains("leaves a gap")).count()
    };
    assert_eq!(check("valid_from: 2026-07-02"), 1);
    assert_eq!(check("valid_from: 2026-07-01"), 0);
}

#[test]
fn golden_conversations_are_checked_where_they_stand() {
    let cases = [
        ("  - decision: [answer]\n", 2, "is missing"),
        ("  - say: 你好\n", 2, "is missing"),
        ("  - say: 你好\n    decision: [reply]\n", 3, "“reply” is not known"),
        ("  - say: 你好\n    entry: [no-such]\n", 2, "“no-such” is no entry"),
        ("  - say: 你好\n    decision: [no_match]\n    context: {order: {status: lost}}\n", 4, "is not known"),
        ("  - say: 你好\n    decision: [no_match]\n    contxt: {}\n", 4, "is not a field"),
        ("  - messages:\n      - waiter: 你好\n    decision: [no_match]\n", 3, "is not a speaker"),
    ];
    for (text, line, says) in cases {
        let corpus = TempCorpus::small();
        corpus.write("golden/talk.yaml", format!("conversations:\n{text}"));
        let problems: Vec<String> = corpus.load().problems.iter().map(ToString::to_string).collect();
        let place = format!("golden/talk.yaml:{line}: ");
        assert!(problems.iter().any(|p| p.starts_with(&place) && p.contains(says)), "{text}: {problems:#?}");
    }
}
