//! Kinds of bad files, each with where and how it must be reported: data only.

use crate::support::corpora::SMALL_FAQ;

/// A bad file with where and how it must be reported: line, field, and words of the message.
pub struct Bad {
    pub name: &'static str,
    pub path: &'static str,
    pub content: Vec<u8>,
    pub line: usize,
    pub field: &'static str,
    pub says: &'static str,
}

fn bad(
    name: &'static str,
    path: &'static str,
    content: impl Into<Vec<u8>>,
    line: usize,
    field: &'static str,
    says: &'static str,
) -> Bad {
    Bad { name, path, content: content.into(), line, field, says }
}

/// An otherwise good FAQ entry with `lines` in it, and one answer; the lines begin on line 5.
pub fn faq(lines: &str) -> String {
    format!(
        "kind: faq\nentries:\n  - id: other\n    question: 怎么开发票？\n{lines}    answers:\n      - text: 您好，请在订单页申请。\n"
    )
}

fn utf16(text: &str) -> Vec<u8> {
    [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

/// “退款” and more in GBK.
const GBK: &[u8] = b"kind: faq\nentries:\n  - id: a\n    question: \xCD\xCB\xBF\xEE\n";

pub fn bad_files() -> Vec<Bad> {
    let faq_text = |text: &str| {
        format!("kind: faq\nentries:\n  - id: other\n    question: 怎么开发票？\n    answers:\n      - text: {text}\n")
    };
    let script = |lines: &str| format!("kind: script\nscene: 发票\nentries:\n  - id: other\n    title: 发票\n{lines}");
    let risk = |lines: &str| format!("kind: risk\nentries:\n  - id: other\n    title: 投诉\n{lines}");
    let manual = |front: &str| format!("---\nkind: manual\nid: m\ntitle: 手册\n{front}---\n# 手册\n\n正文。\n");
    vec![
        bad("a tab as indentation", "faq/bad.yaml", "kind: faq\nentries:\n\t- id: a\n", 3, "-", "not valid YAML"),
        bad("an open bracket", "faq/bad.yaml", "kind: faq\nentries: [\n", 3, "-", "not valid YAML"),
        bad("an open quotation", "faq/bad.yaml", faq("    tags: [\"开票]\n"), 5, "-", "not valid YAML"),
        bad("an id twice", "faq/twice.yaml", faq("").replace("other", "refund-time"), 3, "id", "already used at faq/refund.yaml:"),
        bad(
            "an id twice in one file",
            "faq/bad.yaml",
            format!("{}  - id: other\n    question: 又一个？\n    answers: [{{text: 好的。}}]\n", faq("")),
            7,
            "id",
            "already used at faq/bad.yaml:3",
        ),
        bad("an id with blanks", "faq/bad.yaml", faq("").replace("other", "退款 1"), 3, "id", "not a usable id"),
        bad(
            "no id",
            "faq/bad.yaml",
            "kind: faq\nentries:\n  - question: 怎么开发票？\n    answers: [{text: 好的。}]\n",
            3,
            "id",
            "missing",
        ),
        bad(
            "no answer",
            "faq/bad.yaml",
            "kind: faq\nentries:\n  - id: other\n    question: 怎么开发票？\n",
            3,
            "answers",
            "missing",
        ),
        bad(
            "an empty list of answers",
            "faq/bad.yaml",
            "kind: faq\nentries:\n  - id: other\n    question: 怎么开发票？\n    answers: []\n",
            5,
            "answers",
            "missing",
        ),
        bad(
            "an answer without text",
            "faq/bad.yaml",
            "kind: faq\nentries:\n  - id: other\n    question: 怎么开发票？\n    answers:\n      - when: {channel: [im]}\n",
            6,
            "answers[0].text",
            "missing",
        ),
        bad(
            "no fallback",
            "faq/bad.yaml",
            "kind: faq\nentries:\n  - id: other\n    question: 怎么开发票？\n    answers:\n      - when: {channel: [im]}\n        text: 好的。\n",
            6,
            "answers",
            "no fallback",
        ),
        bad("GBK", "faq/bad.yaml", GBK, 4, "-", "not UTF-8"),
        bad("UTF-16", "faq/bad.yaml", utf16(SMALL_FAQ), 1, "-", "UTF-16"),
        bad("a zero byte", "faq/bad.yaml", faq("").replace("发票", "发\0票"), 4, "-", "zero byte"),
        bad("an unknown field", "faq/bad.yaml", faq("    similer: [开票]\n"), 5, "similer", "did you mean `similar`"),
        bad(
            "an unknown field of an answer",
            "faq/bad.yaml",
            format!("{}        txt: 好\n", faq("")),
            7,
            "answers[0].txt",
            "did you mean `text`",
        ),
        bad(
            "an unknown field of the file",
            "faq/bad.yaml",
            format!("{}topics: 发票\n", faq("")),
            7,
            "topics",
            "did you mean `topic`",
        ),
        bad("a field twice", "faq/bad.yaml", faq("    tags: [开票]\n    tags: [票]\n"), 6, "-", "duplicated key"),
        bad("an unknown status", "faq/bad.yaml", faq("    status: 发布\n"), 5, "status", "published"),
        bad("an unknown channel", "faq/bad.yaml", faq("    channels: [wechat]\n"), 5, "channels", "not known"),
        bad("an impossible date", "faq/bad.yaml", faq("    valid_until: 2026-02-30\n"), 5, "valid_until", "not a date that exists"),
        bad("a date in another form", "faq/bad.yaml", faq("    valid_from: 2026/2/3\n"), 5, "valid_from", "YYYY-MM-DD"),
        bad(
            "dates in the wrong order",
            "faq/bad.yaml",
            faq("    valid_from: 2026-03-01\n    valid_until: 2026-02-01\n"),
            6,
            "valid_until",
            "before valid_from",
        ),
        bad("a dangling related", "faq/bad.yaml", faq("    related: [refund-tine]\n"), 5, "related", "did you mean `refund-time`"),
        bad("related to itself", "faq/bad.yaml", faq("    related: [other]\n"), 5, "related", "itself"),
        bad("an open placeholder", "faq/bad.yaml", faq_text("\"您好，{{ order.id \""), 6, "answers[0].text", "template syntax"),
        bad(
            "an unknown variable",
            "faq/bad.yaml",
            faq_text("\"您好，{{ order.nummer }}\""),
            6,
            "answers[0].text",
            "not a variable",
        ),
        bad(
            "an unknown filter",
            "faq/bad.yaml",
            faq_text("\"您好，{{ order.id | shout }}\""),
            6,
            "answers[0].text",
            "not a filter",
        ),
        bad(
            "an unknown shop setting",
            "faq/bad.yaml",
            faq_text("\"您好，{{ shop.hotlin }}\""),
            6,
            "answers[0].text",
            "there is no setting",
        ),
        bad(
            "an unknown time window",
            "faq/bad.yaml",
            "kind: faq\nentries:\n  - id: other\n    question: 怎么开发票？\n    answers:\n      - when: {window: [double13]}\n        text: 好。\n      - text: 好的。\n",
            3,
            "when.window",
            "double13",
        ),
        bad("a number as a text", "faq/bad.yaml", faq("    tags: [12]\n"), 5, "tags[0]", "quotation marks"),
        bad("a list as a text", "faq/bad.yaml", faq("").replace("怎么开发票？", "[怎么开发票]"), 4, "question", "not a text"),
        bad("a text as a list of entries", "faq/bad.yaml", "kind: faq\nentries: 没有\n", 2, "entries", "not a list"),
        bad("a text as an entry", "faq/bad.yaml", "kind: faq\nentries:\n  - 怎么开发票\n", 3, "-", "not a mapping"),
        bad("a list as the file", "faq/bad.yaml", "- id: a\n", 1, "-", "not a mapping"),
        bad("the wrong kind", "faq/bad.yaml", faq("").replace("kind: faq", "kind: script"), 1, "kind", "script"),
        bad("no kind", "faq/bad.yaml", faq("").replace("kind: faq\n", ""), 1, "kind", "missing"),
        bad("two documents", "faq/bad.yaml", format!("{}---\nkind: faq\n", faq("")), 8, "-", "more than one"),
        bad("an empty file", "faq/bad.yaml", "", 1, "-", "is empty"),
        bad("blank lines alone", "faq/bad.yaml", "\n \n", 1, "-", "is empty"),
        bad("comments alone", "faq/bad.yaml", "# 以后再写\n", 1, "-", "is empty"),
        bad(
            "deep nesting",
            "faq/bad.yaml",
            format!("kind: faq\nentries: {}1{}\n", "[".repeat(5_000), "]".repeat(5_000)),
            2,
            "-",
            "nested",
        ),
        bad(
            "a phrase in both lists",
            "faq/bad.yaml",
            faq("    similar: [开票]\n    negative: [开票]\n"),
            6,
            "negative",
            "also a phrasing",
        ),
        bad("a script without a step", "script/bad.yaml", script("    text: 好的。\n"), 4, "step", "missing"),
        bad(
            "a script with an unknown step",
            "script/bad.yaml",
            script("    step: begin\n    text: 好的。\n"),
            6,
            "step",
            "opening",
        ),
        bad(
            "a risk out of its levels",
            "risk/bad.yaml",
            risk("    level: 4\n    deadline_minutes: 5\n    team: 售后\n    triggers: {words: [投诉]}\n    reply: 好的。\n"),
            5,
            "level",
            "1 to 3",
        ),
        bad(
            "a risk without triggers",
            "risk/bad.yaml",
            risk("    level: 2\n    deadline_minutes: 5\n    team: 售后\n    reply: 好的。\n"),
            3,
            "triggers",
            "missing",
        ),
        bad("a manual without front matter", "manual/bad.md", "# 手册\n", 1, "-", "front matter"),
        bad("a manual without a version", "manual/bad.md", manual("product: p\nupdated: 2026-01-01\n"), 2, "version", "missing"),
        bad(
            "a manual of an impossible day",
            "manual/bad.md",
            manual("product: p\nversion: \"1\"\nupdated: 2026-13-01\n"),
            7,
            "updated",
            "not a date",
        ),
        bad(
            "a manual without a body",
            "manual/bad.md",
            "---\nkind: manual\nid: m\ntitle: 手册\nproduct: p\nversion: \"1\"\nupdated: 2026-01-01\n---\n",
            9,
            "-",
            "no text",
        ),
        bad("a golden question without a tab", "golden/bad.tsv", "退款多久到\n", 1, "-", "no tab"),
        bad("a golden question for nothing", "golden/bad.tsv", "# 注释\n退款多久到\trefund-tim\n", 2, "-", "no entry"),
        bad("a dictionary line", "dict/user.txt", "到账\n账\n", 2, "-", "two characters"),
        bad("an unknown dictionary", "dict/words.txt", "到账\n", 1, "-", "user.txt"),
        bad("a file at the top", "refund.yaml", faq(""), 1, "-", "only shop.yaml"),
        bad("an unknown folder", "scripts/a.yaml", "x", 1, "-", "not a folder of the corpus"),
        bad("a spreadsheet among the questions", "faq/a.xlsx", "PK", 1, "-", "YAML"),
        bad(
            "a shop setting without a value",
            "shop.yaml",
            "settings:\n  hotline: {note: 电话}\n",
            2,
            "settings.hotline.value",
            "missing",
        ),
        bad(
            "a window that ends before it begins",
            "shop.yaml",
            "windows:\n  a: {from: 2026-02-01T00:00, until: 2026-01-01T00:00}\n",
            2,
            "windows.a",
            "ends before",
        ),
    ]
}
