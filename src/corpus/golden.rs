//! Golden files: what customers write, and what should come of it. `golden/*.tsv` holds single questions with the entries
//! that answer them, `golden/*.yaml` whole conversations with the decision, the entry and the words that are expected. None
//! of it is indexed.

use serde::{Deserialize, Serialize};

use super::yaml::{self, Fields, Node, Value};
use super::{Channel, Corpus, CustomerTier, GoldenQuestion, OrderStatus, PaymentMethod, Problem};

/// The decisions that may be expected, as the service writes them.
const DECISIONS: &[&str] = &["answer", "suggest", "clarify", "handoff", "no_match"];
/// Who may say something.
const SPEAKERS: &[&str] = &["customer", "agent", "bot", "system"];
/// Parts of a context with the vocabularies of their closed fields.
type Vocabulary = (&'static str, &'static [&'static str]);
const CONTEXT: &[(&str, &[Vocabulary])] = &[
    ("product", &[]),
    ("order", &[("status", OrderStatus::NAMES), ("payment_method", PaymentMethod::NAMES)]),
    ("customer", &[("tier", CustomerTier::NAMES)]),
    ("agent", &[]),
];

/// A conversation with what should come of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GoldenConversation {
    /// Line on which it begins, from 1.
    pub line: usize,
    /// Speaker (`customer`, `agent`, `bot` or `system`) and text of each message, oldest first.
    pub messages: Vec<(String, String)>,
    /// The request's context, as the endpoint takes it.
    pub context: serde_json::Value,
    /// The moment the reply is for, as the endpoint takes it.
    pub as_of: Option<String>,
    /// Decisions that are right; any if empty.
    pub decisions: Vec<String>,
    /// Entries of which one must be among the first three suggestions; any if empty. All of them if `every_entry`.
    pub entries: Vec<String>,
    /// True if each of `entries` must be among the first three suggestions.
    pub every_entry: bool,
    /// Words the first suggestion, or what is said instead of one, must contain.
    pub must_contain: Vec<String>,
    /// Words that none of the suggestions may contain.
    pub must_not_contain: Vec<String>,
}

/// Parses `golden/*.tsv`.
pub(super) fn parse_questions(path: &str, text: &str, corpus: &mut Corpus, problems: &mut Vec<Problem>) {
    let mut questions = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((question, ids)) = line.split_once('\t').filter(|(question, _)| !question.trim().is_empty()) else {
            let fix = "write `question<TAB>entry-id`, or `-` for no answer";
            problems.push(Problem::error(path, index + 1, "-", "has no tab between question and id", fix));
            continue;
        };
        let expected = match ids.trim() {
            "-" => Vec::new(),
            ids => ids.split(',').map(|id| id.trim().to_owned()).collect(),
        };
        questions.push(GoldenQuestion { line: index + 1, question: question.trim().to_owned(), expected });
    }
    corpus.golden.insert(path.to_owned(), questions);
}

/// Parses `golden/*.yaml`.
pub(super) fn parse_conversations(path: &str, text: &str, corpus: &mut Corpus, problems: &mut Vec<Problem>) {
    let node = match yaml::parse(path, text, 1) {
        Ok(node) => node,
        Err(problem) => return problems.push(problem),
    };
    let Some(mut top) = Fields::open(path, "", &node, problems) else { return };
    let items = top.list("conversations", problems);
    if items.is_empty() {
        top.missing("conversations", "write a list, each beginning with `- say: …` or `- messages: …`", problems);
    }
    top.finish(problems);
    let parsed: Vec<GoldenConversation> =
        items.iter().filter_map(|item| Some(conversation(Fields::open(path, "", item, problems)?, problems))).collect();
    corpus.conversations.insert(path.to_owned(), parsed);
}

fn conversation(mut fields: Fields, problems: &mut Vec<Problem>) -> GoldenConversation {
    let file = fields.file;
    let line = fields.line;
    let mut messages = Vec::new();
    if let Some((text, _)) = fields.text("say", problems) {
        messages.push(("customer".to_owned(), text));
    }
    for item in fields.list("messages", problems) {
        let said = match &item.value {
            Value::Map(map) => map.as_slice(),
            _ => &[],
        };
        match said {
            [(speaker, Node { value: Value::Text(text), .. })] if SPEAKERS.contains(&speaker.as_str()) => {
                messages.push((speaker.clone(), text.trim().to_owned()));
            }
            _ => {
                let fix = format!("write `- customer: …`, or another of {}", SPEAKERS.join(", "));
                problems.push(Problem::error(file, item.line, "messages", "is not a speaker with a text", fix));
            }
        }
    }
    if !messages.iter().any(|(speaker, _)| speaker == "customer") {
        fields.missing("messages", "let the customer say something: `say: …` or `- customer: …`", problems);
    }
    let context = fields.take("context").map_or(serde_json::Value::Null, |node| context(file, node, problems));
    let as_of = fields.datetime("as_of", problems).map(|at| at.to_string());
    let known = |name: &str| DECISIONS.iter().find(|known| **known == name).map(|known| (*known).to_owned());
    let decisions = fields.choices("decision", DECISIONS, known, problems);
    let mut entries = fields.texts("entry", problems);
    let every = fields.texts("entries", problems);
    let every_entry = !every.is_empty();
    entries.extend(every);
    let (must_contain, must_not_contain) = (fields.texts("must_contain", problems), fields.texts("must_not_contain", problems));
    if decisions.is_empty() && entries.is_empty() && must_contain.is_empty() && must_not_contain.is_empty() {
        fields.missing("decision", "expect something: decision, entry, entries, must_contain or must_not_contain", problems);
    }
    fields.finish(problems);
    GoldenConversation { line, messages, context, as_of, decisions, entries, every_entry, must_contain, must_not_contain }
}

/// The context as the endpoint takes it; a misspelt part or value would silently test nothing, so it is reported.
fn context(file: &str, node: &Node, problems: &mut Vec<Problem>) -> serde_json::Value {
    let Some(fields) = Fields::open(file, "context", node, problems) else { return serde_json::Value::Null };
    for (key, node) in fields.all() {
        match (key.as_str(), CONTEXT.iter().find(|(part, _)| part == key)) {
            ("channel", _) => one_of(file, "context.channel", node, Channel::NAMES, problems),
            ("asked_times", _) => {}
            (_, Some((part, closed))) => {
                let path = format!("context.{part}");
                let Some(inner) = Fields::open(file, &path, node, problems) else { continue };
                for (key, node) in inner.all() {
                    if let Some((_, names)) = closed.iter().find(|(name, _)| name == key) {
                        one_of(file, &format!("{path}.{key}"), node, names, problems);
                    }
                }
            }
            _ => {
                let what = format!("“{key}” is not a part of a context");
                let fix = "use channel, product, order, customer, agent or asked_times";
                problems.push(Problem::error(file, node.line, "context", what, fix));
            }
        }
    }
    json(node)
}

fn one_of(file: &str, path: &str, node: &Node, names: &[&str], problems: &mut Vec<Problem>) {
    if !matches!(&node.value, Value::Text(text) if names.contains(&text.as_str())) {
        let fix = format!("use one of {}", names.join(", "));
        problems.push(Problem::error(file, node.line, path, "is not known", fix));
    }
}

fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Text(text) => serde_json::json!(text),
        Value::Int(number) => serde_json::json!(number),
        Value::Other(written, _) => serde_json::from_str(written).unwrap_or_else(|_| serde_json::json!(written)),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(map) => map.iter().map(|(key, node)| (key.clone(), json(node))).collect::<serde_json::Map<_, _>>().into(),
    }
}
