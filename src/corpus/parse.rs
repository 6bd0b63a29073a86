//! From files to entries. Pure: bytes in, entries and problems out. Each file kind has one function; the fields that all
//! entries share are read in one place.

use std::collections::BTreeMap;

use super::entry::*;
use super::golden;
use super::manual::parse_manual;
use super::template_check::check_template;
use super::yaml::{self, Fields, Node, Value};
use super::{Corpus, Problem, SourceFile, screening};
use crate::text::DictionaryProblem;

/// Most phrasings of one entry.
const MAX_PHRASINGS: usize = 500;
const DICT_FILES: &str = "dict holds user.txt, synonyms.txt, stopwords.txt, evasions.txt, groups.yaml and emotion.yaml";

/// Parses one file into `corpus`, by its place in the folder.
pub(super) fn parse_file(file: &SourceFile, corpus: &mut Corpus, problems: &mut Vec<Problem>) {
    let text = match file.text() {
        Ok(text) => text,
        Err(problem) => return problems.push(problem),
    };
    let path = file.path.as_str();
    if text.trim().is_empty() {
        return problems.push(Problem::error(path, 1, "-", "is empty", "write at least one entry, or remove the file"));
    }
    let (folder, name) = path.split_once('/').unwrap_or(("", path));
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let wrong_place = |problems: &mut Vec<Problem>, fix: &str| {
        problems.push(Problem::error(path, 1, "-", "is not a file the corpus knows", fix));
    };
    match (folder, extension) {
        ("", _) if name == "shop.yaml" => parse_shop(path, &text, corpus, problems),
        ("", _) => {
            wrong_place(problems, "only shop.yaml stands at the top; move it into faq, manual, script, risk, check, dict or golden")
        }
        ("faq", "yaml" | "yml") => parse_entries(path, &text, Kind::Faq, corpus, problems),
        ("script", "yaml" | "yml") => parse_entries(path, &text, Kind::Script, corpus, problems),
        ("risk", "yaml" | "yml") => parse_entries(path, &text, Kind::Risk, corpus, problems),
        ("check", "yaml" | "yml") => screening::parse_check(path, &text, corpus, problems),
        ("dict", "yaml") if name == "groups.yaml" => screening::parse_groups(path, &text, corpus, problems),
        ("dict", "yaml") if name == "emotion.yaml" => screening::parse_emotions(path, &text, corpus, problems),
        ("dict", "txt") if name == "evasions.txt" => screening::parse_evasions(path, &text, corpus, problems),
        ("manual", "md") => {
            if let Some(entry) = parse_manual(path, &text, problems) {
                corpus.entries.push(entry);
            }
        }
        ("golden", "tsv") => golden::parse_questions(path, &text, corpus, problems),
        ("golden", "yaml" | "yml") => golden::parse_conversations(path, &text, corpus, problems),
        ("dict", "txt") => {
            let found = match name {
                "user.txt" => corpus.dictionaries.add_words(&text),
                "synonyms.txt" => corpus.dictionaries.add_synonyms(&text),
                "stopwords.txt" => corpus.dictionaries.add_stop_words(&text),
                _ => return wrong_place(problems, DICT_FILES),
            };
            problems
                .extend(found.into_iter().map(|DictionaryProblem { line, what, fix }| Problem::error(path, line, "-", what, fix)));
        }
        ("manual", _) => wrong_place(problems, "manuals are Markdown files ending in .md"),
        ("golden", _) => wrong_place(problems, "golden questions are files ending in .tsv, golden conversations end in .yaml"),
        ("dict", _) => wrong_place(problems, DICT_FILES),
        _ => wrong_place(problems, "entries are YAML files ending in .yaml"),
    }
}

fn parse_shop(path: &str, text: &str, corpus: &mut Corpus, problems: &mut Vec<Problem>) {
    let node = match yaml::parse(path, text, 1) {
        Ok(node) => node,
        Err(problem) => return problems.push(problem),
    };
    let Some(mut top) = Fields::open(path, "", &node, problems) else { return };
    if let Some(settings) = top.take("settings")
        && let Some(fields) = Fields::open(path, "settings", settings, problems)
    {
        for (key, node) in fields.all() {
            let field = format!("settings.{key}");
            if !is_identifier(key) {
                let fix = "use lower-case letters, digits and underscores";
                problems.push(Problem::error(path, node.line, &field, "is not a usable name", fix));
            }
            let value = match &node.value {
                Value::Map(_) => Fields::open(path, &field, node, problems).map(|mut inner| {
                    let (value, _) = inner.required_text("value", "write `value: …`", problems);
                    inner.text("note", problems);
                    inner.finish(problems);
                    value
                }),
                Value::Text(value) => Some(value.trim().to_owned()),
                _ => {
                    let fix = "write `value: \"…\"` in quotation marks";
                    problems.push(Problem::error(path, node.line, &field, "is not a text", fix));
                    None
                }
            };
            if let Some(value) = value {
                corpus.shop.settings.insert(key.clone(), value);
            }
        }
    }
    if let Some(windows) = top.take("windows")
        && let Some(fields) = Fields::open(path, "windows", windows, problems)
    {
        for (key, node) in fields.all() {
            let field = format!("windows.{key}");
            let Some(mut inner) = Fields::open(path, &field, node, problems) else { continue };
            let (from, until) = (inner.datetime("from", problems), inner.datetime("until", problems));
            inner.text("note", problems);
            let line = inner.line;
            inner.finish(problems);
            match (from, until) {
                (Some(from), Some(until)) if from <= until => {
                    corpus.shop.windows.insert(key.clone(), TimeWindow { from, until });
                }
                (Some(_), Some(_)) => {
                    problems.push(Problem::error(path, line, &field, "ends before it begins", "swap `from` and `until`"));
                }
                _ => problems.push(Problem::error(path, line, &field, "needs `from` and `until`", "write both")),
            }
        }
    }
    top.finish(problems);
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Defaults of a file, for all its entries.
#[derive(Default)]
struct Defaults {
    tags: Vec<String>,
    products: Vec<String>,
    channels: Vec<Channel>,
    status: Option<Status>,
    topic: Option<String>,
}

fn parse_entries(path: &str, text: &str, kind: Kind, corpus: &mut Corpus, problems: &mut Vec<Problem>) {
    let node = match yaml::parse(path, text, 1) {
        Ok(node) => node,
        Err(problem) => return problems.push(problem),
    };
    let Some(mut top) = Fields::open(path, "", &node, problems) else { return };
    match top.choice("kind", Kind::NAMES, Kind::parse, problems) {
        Some(found) if found != kind => {
            let what = format!("is {}, but the file lies in {}/", found.as_str(), kind.as_str());
            problems.push(Problem::error(
                path,
                top.line,
                "kind",
                what,
                format!("write `kind: {}` or move the file", kind.as_str()),
            ));
        }
        Some(_) => {}
        None => top.missing("kind", &format!("write `kind: {}`", kind.as_str()), problems),
    }
    let mut defaults = Defaults::default();
    if kind == Kind::Script {
        defaults.topic = top.text("scene", problems).map(|(text, _)| text);
    } else {
        defaults.topic = top.text("topic", problems).map(|(text, _)| text);
    }
    if let Some(node) = top.take("defaults")
        && let Some(mut fields) = Fields::open(path, "defaults", node, problems)
    {
        defaults.tags = fields.texts("tags", problems);
        defaults.products = fields.texts("products", problems);
        defaults.channels = fields.choices("channels", Channel::NAMES, Channel::parse, problems);
        defaults.status = fields.choice("status", Status::NAMES, Status::parse, problems);
        fields.finish(problems);
    }
    let items = top.list("entries", problems);
    if items.is_empty() {
        top.missing("entries", "write a list of entries, each beginning with `- id: …`", problems);
    }
    top.finish(problems);
    for item in items {
        if let Some(fields) = Fields::open(path, "", item, problems) {
            let entry = parse_entry(fields, kind, &defaults, problems);
            corpus.entries.push(entry);
        }
    }
}

/// Reads the fields that every kind shares.
pub(super) fn parse_common(fields: &mut Fields, problems: &mut Vec<Problem>) -> Entry {
    let (id, id_line) = fields.required_text("id", "write a stable, unique id such as `refund-timeline`", problems);
    let well_formed = id.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
        && id.len() <= 128;
    if !id.is_empty() && !well_formed {
        let fix = "use lower-case letters, digits and hyphens, at most 128";
        problems.push(Problem::error(fields.file, id_line, "id", format!("“{id}” is not a usable id"), fix));
    }
    let tags = fields.texts("tags", problems);
    let products = fields.texts("products", problems);
    let channels = fields.choices("channels", Channel::NAMES, Channel::parse, problems);
    let status = fields.choice("status", Status::NAMES, Status::parse, problems).unwrap_or(Status::Published);
    let (valid_from, valid_until) = (fields.date("valid_from", problems), fields.date("valid_until", problems));
    if let (Some(from), Some(until)) = (valid_from, valid_until)
        && until < from
    {
        let what = format!("{until} lies before valid_from {from}");
        problems.push(Problem::error(fields.file, fields.line, "valid_until", what, "swap the two dates"));
    }
    Entry {
        id,
        title: String::new(),
        topic: None,
        tags,
        products,
        channels,
        status,
        valid_from,
        valid_until,
        related: fields.texts("related", problems),
        source: Source { file: fields.file.to_owned(), line: fields.line, version: None },
        body: EntryBody::Risk(Risk {
            level: 3,
            deadline_minutes: 0,
            team: String::new(),
            triggers: Triggers::default(),
            must_say: Vec::new(),
            must_not_promise: Vec::new(),
            reply: String::new(),
        }),
    }
}

fn parse_entry(mut fields: Fields, kind: Kind, defaults: &Defaults, problems: &mut Vec<Problem>) -> Entry {
    let has_status = fields.take("status").is_some();
    let mut entry = parse_common(&mut fields, problems);
    for tag in &defaults.tags {
        if !entry.tags.contains(tag) {
            entry.tags.push(tag.clone());
        }
    }
    if entry.products.is_empty() {
        entry.products.clone_from(&defaults.products);
    }
    if entry.channels.is_empty() {
        entry.channels.clone_from(&defaults.channels);
    }
    if !has_status {
        entry.status = defaults.status.unwrap_or(entry.status);
    }
    entry.topic.clone_from(&defaults.topic);
    match kind {
        Kind::Faq => {
            let faq = parse_faq(&mut fields, problems);
            entry.title.clone_from(&faq.question);
            entry.body = EntryBody::Faq(faq);
        }
        Kind::Script => {
            entry.title = fields.required_text("title", "write what the script is for", problems).0;
            let script = parse_script(&mut fields, defaults, problems);
            entry.topic = Some(script.scene.clone());
            entry.body = EntryBody::Script(script);
        }
        Kind::Risk => {
            entry.title = fields.required_text("title", "write a short name of the risk", problems).0;
            entry.body = EntryBody::Risk(parse_risk(&mut fields, problems));
        }
        Kind::Manual => unreachable!("manuals are Markdown"),
    }
    fields.finish(problems);
    entry
}

fn phrasings(fields: &mut Fields, key: &'static str, problems: &mut Vec<Problem>) -> Vec<String> {
    let texts = fields.texts(key, problems);
    if texts.len() > MAX_PHRASINGS {
        let what = format!("has {} phrasings", texts.len());
        problems.push(Problem::error(fields.file, fields.line, key, what, format!("keep the {MAX_PHRASINGS} most different")));
    }
    texts
}

fn parse_faq(fields: &mut Fields, problems: &mut Vec<Problem>) -> Faq {
    let (question, _) = fields.required_text("question", "write the standard question", problems);
    let mut similar = phrasings(fields, "similar", problems);
    similar.retain(|text| *text != question);
    let negative = phrasings(fields, "negative", problems);
    for text in &negative {
        if *text == question || similar.contains(text) {
            let what = format!("“{text}” is also a phrasing of this question");
            problems.push(Problem::error(fields.file, fields.line, "negative", what, "keep it in one of the two lists"));
        }
    }
    let mut answers = Vec::new();
    let before = problems.len();
    let nodes = fields.list("answers", problems);
    if nodes.is_empty() && problems.len() == before {
        fields.missing("answers", "write a list with at least one `- text: …`", problems);
    }
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("answers[{index}]");
        if let Some(mut inner) = Fields::open(fields.file, &path, node, problems) {
            let when = parse_when(&mut inner, problems);
            let text = template(&mut inner, "text", "write the answer", problems);
            inner.finish(problems);
            answers.push(Answer { when, text });
        }
    }
    let fallbacks = answers.iter().filter(|answer| answer.when.is_none()).count();
    let line = nodes.first().map_or(fields.line, |node| node.line);
    if !answers.is_empty() && fallbacks == 0 {
        let fix = "add a last answer without `when`";
        problems.push(Problem::error(fields.file, line, "answers", "have no fallback: every one has a condition", fix));
    }
    if fallbacks > 1 || fallbacks == 1 && answers.last().is_some_and(|answer| answer.when.is_some()) {
        let fix = "keep one answer without `when`, as the last";
        problems.push(Problem::error(
            fields.file,
            line,
            "answers",
            "have answers after the fallback that can never be reached",
            fix,
        ));
    }
    let mut options = Vec::new();
    for (index, node) in fields.list("options", problems).iter().enumerate() {
        let path = format!("options[{index}]");
        if let Some(mut inner) = Fields::open(fields.file, &path, node, problems) {
            let (label, _) = inner.required_text("label", "write a short name", problems);
            let when = parse_when(&mut inner, problems);
            let text = template(&mut inner, "text", "write the reply", problems);
            inner.finish(problems);
            options.push(ReplyOption { label, when, text });
        }
    }
    Faq { question, similar, negative, answers, options }
}

fn parse_script(fields: &mut Fields, defaults: &Defaults, problems: &mut Vec<Problem>) -> Script {
    let scene = fields.text("scene", problems).map(|(text, _)| text).or_else(|| defaults.topic.clone()).unwrap_or_else(|| {
        fields.missing("scene", "write it here or once at the top of the file", problems);
        String::new()
    });
    let before = problems.len();
    let step = fields.choice("step", Step::NAMES, Step::parse, problems).unwrap_or_else(|| {
        if problems.len() == before {
            fields.missing("step", &format!("use one of {}", Step::NAMES.join(", ")), problems);
        }
        Step::Solve
    });
    let similar = phrasings(fields, "similar", problems);
    let text = template(fields, "text", "write the script", problems);
    Script { scene, step, text, similar, when: parse_when(fields, problems).map(Box::new) }
}

fn parse_risk(fields: &mut Fields, problems: &mut Vec<Problem>) -> Risk {
    let before = problems.len();
    let level = fields.integer("level", 1..=3, problems).unwrap_or_else(|| {
        if problems.len() == before {
            fields.missing("level", "write 1, 2 or 3", problems);
        }
        3
    });
    let before = problems.len();
    let deadline = fields.integer("deadline_minutes", 1..=43_200, problems).unwrap_or_else(|| {
        if problems.len() == before {
            fields.missing("deadline_minutes", "write the minutes until somebody must have reacted", problems);
        }
        1
    });
    let (team, _) = fields.required_text("team", "write who takes over", problems);
    let mut triggers = Triggers::default();
    match fields.take("triggers") {
        None => fields.missing("triggers", "write `words:` or `examples:` below it", problems),
        Some(node) => {
            if let Some(mut inner) = Fields::open(fields.file, "triggers", node, problems) {
                triggers.words = inner.texts("words", problems);
                triggers.examples = phrasings(&mut inner, "examples", problems);
                triggers.unless = inner.texts("unless", problems);
                if triggers.words.is_empty() && triggers.examples.is_empty() {
                    inner.missing("words", "write words or examples that raise the risk", problems);
                }
                inner.finish(problems);
            }
        }
    }
    Risk {
        level: level as u8,
        deadline_minutes: deadline as u32,
        team,
        triggers,
        must_say: fields.texts("must_say", problems),
        must_not_promise: fields.texts("must_not_promise", problems),
        reply: template(fields, "reply", "write a compliant reply", problems),
    }
}

fn template(fields: &mut Fields, key: &'static str, fix: &str, problems: &mut Vec<Problem>) -> String {
    let (text, line) = fields.required_text(key, fix, problems);
    let path = fields.path_of(key);
    check_template(fields.file, line, &path, &text, problems);
    text
}

fn parse_when(fields: &mut Fields, problems: &mut Vec<Problem>) -> Option<When> {
    let node = fields.take("when")?;
    let path = fields.path_of("when");
    let mut inner = Fields::open(fields.file, &path, node, problems)?;
    let mut when = When {
        channel: inner.choices("channel", Channel::NAMES, Channel::parse, problems),
        product: inner.texts("product", problems),
        product_attribute: BTreeMap::new(),
        order_status: inner.choices("order_status", OrderStatus::NAMES, OrderStatus::parse, problems),
        payment_method: inner.choices("payment_method", PaymentMethod::NAMES, PaymentMethod::parse, problems),
        customer_tier: inner.choices("customer_tier", CustomerTier::NAMES, CustomerTier::parse, problems),
        region: inner.texts("region", problems),
        asked_times: None,
        paid_hours: None,
        shipped_hours: None,
        signed_days: None,
        window: inner.texts("window", problems),
    };
    if let Some(node) = inner.take("product_attribute") {
        when.product_attribute = parse_attributes(fields.file, &inner.path_of("product_attribute"), node, problems);
    }
    when.asked_times = parse_range(&mut inner, "asked_times", problems);
    when.paid_hours = parse_range(&mut inner, "paid_hours", problems);
    when.shipped_hours = parse_range(&mut inner, "shipped_hours", problems);
    when.signed_days = parse_range(&mut inner, "signed_days", problems);
    inner.finish(problems);
    if when == When::default() {
        let fix = "write a condition below it, or remove `when`";
        problems.push(Problem::error(fields.file, node.line, &path, "holds no condition", fix));
    }
    Some(when)
}

fn parse_attributes(file: &str, path: &str, node: &Node, problems: &mut Vec<Problem>) -> BTreeMap<String, Vec<String>> {
    let mut out = BTreeMap::new();
    let Some(fields) = Fields::open(file, path, node, problems) else { return out };
    for (key, node) in fields.all() {
        let texts: Vec<String> = match &node.value {
            Value::Text(text) => vec![text.clone()],
            Value::List(items) => items
                .iter()
                .filter_map(|item| if let Value::Text(text) = &item.value { Some(text.clone()) } else { None })
                .collect(),
            _ => Vec::new(),
        };
        if texts.is_empty() {
            let fix = "write a list such as [生鲜, 定制]";
            problems.push(Problem::error(file, node.line, &format!("{path}.{key}"), "is not a list of texts", fix));
        }
        out.insert(key.clone(), texts);
    }
    out
}

fn parse_range(fields: &mut Fields, key: &'static str, problems: &mut Vec<Problem>) -> Option<Range> {
    let node = fields.take(key)?;
    let path = fields.path_of(key);
    let mut inner = Fields::open(fields.file, &path, node, problems)?;
    let range = Range { min: inner.integer("min", 0..=1_000_000, problems), max: inner.integer("max", 0..=1_000_000, problems) };
    inner.finish(problems);
    let bad = match (range.min, range.max) {
        (None, None) => Some("has neither `min` nor `max`"),
        (Some(min), Some(max)) if min > max => Some("has `min` above `max`"),
        _ => None,
    };
    if let Some(what) = bad {
        problems.push(Problem::error(fields.file, node.line, &path, what, "write for instance {min: 1, max: 7}"));
    }
    Some(range)
}
