//! What can only be seen with all entries at hand: duplicate ids, dangling references, phrasings that two entries claim,
//! settings and windows that do not exist.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::template_check::shop_keys;
use super::{Corpus, Entry, EntryBody, Problem, Status, When};
use crate::text::normalise;

/// Adds the problems that span entries, and orders the entries by id. `hidden` are ids of entries that could not be read: a
/// reference to one of them is not reported, because what is wrong is reported already.
pub(super) fn validate(corpus: &mut Corpus, hidden: &BTreeSet<String>, problems: &mut Vec<Problem>) {
    corpus.entries.sort_by(|a, b| (&a.id, &a.source.file, a.source.line).cmp(&(&b.id, &b.source.file, b.source.line)));
    duplicates(corpus, problems);
    references(corpus, hidden, problems);
    claimed_phrasings(corpus, problems);
    super::reachability::check(corpus, problems);
    if corpus.entries.is_empty() && problems.is_empty() {
        problems.push(Problem::error(".", 1, "-", "holds no entries", "write entries into faq, manual, script or risk"));
    }
}

fn duplicates(corpus: &Corpus, problems: &mut Vec<Problem>) {
    for pair in corpus.entries.windows(2) {
        if pair[0].id == pair[1].id && !pair[0].id.is_empty() {
            let (first, second) = (&pair[0].source, &pair[1].source);
            let what = format!("“{}” is already used at {}:{}", pair[1].id, first.file, first.line);
            problems.push(Problem::error(&second.file, second.line, "id", what, "give every entry its own id"));
        }
    }
}

fn references(corpus: &Corpus, hidden: &BTreeSet<String>, problems: &mut Vec<Problem>) {
    let by_id: BTreeMap<&str, &Entry> = corpus.entries.iter().map(|entry| (entry.id.as_str(), entry)).collect();
    for entry in &corpus.entries {
        let Source { file, line } = Source::of(entry);
        for id in &entry.related {
            match by_id.get(id.as_str()) {
                None if hidden.contains(id) => {}
                None => {
                    let known: Vec<&str> = by_id.keys().copied().collect();
                    let fix = match super::yaml::closest(id, &known) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "use the id of an entry, or remove it".to_owned(),
                    };
                    problems.push(Problem::error(file, line, "related", format!("there is no entry “{id}”"), fix));
                }
                Some(other) if other.id == entry.id => {
                    problems.push(Problem::error(file, line, "related", "names the entry itself", "remove it"));
                }
                Some(other) if other.status == Status::Archived && entry.status == Status::Published => {
                    let what = format!("“{id}” is archived");
                    problems.push(Problem::warning(file, line, "related", what, "name a published entry"));
                }
                Some(_) => {}
            }
        }
        for (field, text) in templates(entry) {
            for key in shop_keys(text) {
                if !corpus.shop.settings.contains_key(&key) {
                    let known: Vec<&str> = corpus.shop.settings.keys().map(String::as_str).collect();
                    let fix = match super::yaml::closest(&key, &known) {
                        Some(near) => format!("did you mean `shop.{near}`?"),
                        None => "add it to settings in shop.yaml".to_owned(),
                    };
                    problems.push(Problem::error(file, line, &field, format!("there is no setting “shop.{key}”"), fix));
                }
            }
        }
        for when in conditions(entry) {
            for name in &when.window {
                if !corpus.shop.windows.contains_key(name) {
                    let what = format!("there is no time window “{name}”");
                    problems.push(Problem::error(file, line, "when.window", what, "add it to windows in shop.yaml"));
                }
            }
        }
    }
    let dangling = |id: &&String| !by_id.contains_key(id.as_str()) && !hidden.contains(*id);
    for (file, conversations) in &corpus.conversations {
        for conversation in conversations {
            for id in conversation.entries.iter().filter(dangling) {
                let what = format!("“{id}” is no entry");
                problems.push(Problem::error(file, conversation.line, "entry", what, "use the id of an entry"));
            }
        }
    }
    for (file, questions) in &corpus.golden {
        for question in questions {
            for id in question.expected.iter().filter(dangling) {
                let what = format!("“{}” expects “{id}”, which is no entry", question.question);
                problems.push(Problem::error(file, question.line, "-", what, "use the id of an entry"));
            }
        }
    }
}

struct Source<'a> {
    file: &'a str,
    line: usize,
}

impl<'a> Source<'a> {
    fn of(entry: &'a Entry) -> Self {
        Source { file: &entry.source.file, line: entry.source.line }
    }
}

/// A phrasing that stands in two FAQ entries makes one of them unreachable.
fn claimed_phrasings(corpus: &Corpus, problems: &mut Vec<Problem>) {
    let mut owner: HashMap<String, &Entry> = HashMap::new();
    for entry in corpus.entries.iter().filter(|entry| entry.status == Status::Published) {
        let EntryBody::Faq(faq) = &entry.body else { continue };
        for text in std::iter::once(&faq.question).chain(&faq.similar).filter(|text| !text.is_empty()) {
            match owner.insert(normalise(text), entry) {
                Some(other) if other.id != entry.id => {
                    let what = format!("“{text}” is also a phrasing of “{}”", other.id);
                    let fix = "keep it where it fits better";
                    problems.push(Problem::warning(&entry.source.file, entry.source.line, "similar", what, fix));
                }
                _ => {}
            }
        }
    }
}

fn templates(entry: &Entry) -> Vec<(String, &str)> {
    match &entry.body {
        EntryBody::Faq(faq) => {
            let answers = faq.answers.iter().enumerate().map(|(i, answer)| (format!("answers[{i}].text"), answer.text.as_str()));
            let options = faq.options.iter().enumerate().map(|(i, option)| (format!("options[{i}].text"), option.text.as_str()));
            answers.chain(options).collect()
        }
        EntryBody::Script(script) => vec![("text".to_owned(), script.text.as_str())],
        EntryBody::Risk(risk) => vec![("reply".to_owned(), risk.reply.as_str())],
        EntryBody::Manual(_) => Vec::new(),
    }
}

fn conditions(entry: &Entry) -> Vec<&When> {
    match &entry.body {
        EntryBody::Faq(faq) => {
            let answers = faq.answers.iter().filter_map(|answer| answer.when.as_ref());
            answers.chain(faq.options.iter().filter_map(|option| option.when.as_ref())).collect()
        }
        EntryBody::Script(script) => script.when.iter().map(Box::as_ref).collect(),
        EntryBody::Manual(_) | EntryBody::Risk(_) => Vec::new(),
    }
}
