//! Where exactly a problem stands that was found after parsing: entries know only the line on which they begin, editors want
//! the line of the field. Also what the unreadable files seem to hold, so that one bad byte does not bring a hundred dangling
//! references with it. Reads the files' text again, and only where something is wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::manual::front_matter;
use super::yaml::{self, Node, Value};
use super::{Corpus, Kind, Problem, SourceFile};

/// Moves each problem from the line on which its entry begins to that of its field.
pub(super) fn refine(files: &[SourceFile], problems: &mut [Problem]) {
    let by_path: BTreeMap<&str, &SourceFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut parsed: BTreeMap<String, Vec<Node>> = BTreeMap::new();
    for problem in problems.iter_mut().filter(|problem| problem.field != "-") {
        let Some(file) = by_path.get(problem.file.as_str()) else { continue };
        let entries = parsed.entry(problem.file.clone()).or_insert_with(|| entries_of(file));
        let line = entries.iter().find(|entry| entry.line == problem.line).and_then(|entry| line_of(entry, &problem.field));
        if let Some(line) = line {
            problem.line = line;
        }
    }
}

/// The entries of a file as nodes; none where it cannot be read.
fn entries_of(file: &SourceFile) -> Vec<Node> {
    let Ok(text) = file.text() else { return Vec::new() };
    if file.path.ends_with(".md") {
        let front = front_matter(&text).and_then(|front| yaml::parse(&file.path, front, 2).ok());
        // A manual's entry begins with the file.
        return front.map(|node| Node { line: 1, ..node }).into_iter().collect();
    }
    let Ok(Node { value: Value::Map(top), .. }) = yaml::parse(&file.path, &text, 1) else { return Vec::new() };
    match top.into_iter().find(|(name, _)| name == "entries").map(|(_, node)| node.value) {
        Some(Value::List(entries)) => entries,
        _ => Vec::new(),
    }
}

/// The line of a field such as `answers[0].text`: of its last part that is there.
fn line_of(entry: &Node, field: &str) -> Option<usize> {
    let (mut node, mut line) = (entry, None);
    for part in field.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, rest)) => (name, rest.strip_suffix(']').and_then(|index| index.parse::<usize>().ok())),
            None => (part, None),
        };
        let Value::Map(map) = &node.value else { break };
        let Some((_, found)) = map.iter().find(|(key, _)| key == name) else { break };
        node = found;
        if let (Some(index), Value::List(items)) = (index, &found.value) {
            let Some(item) = items.get(index) else { break };
            node = item;
        }
        line = Some(node.line);
    }
    line
}

/// Ids that stand in files from which no entry could be read.
pub(super) fn hidden_ids(files: &[SourceFile], corpus: &Corpus) -> BTreeSet<String> {
    let read: BTreeSet<&str> = corpus.entries.iter().map(|entry| entry.source.file.as_str()).collect();
    let holds_entries = |path: &str| Kind::NAMES.iter().any(|kind| path.split_once('/').is_some_and(|(folder, _)| folder == *kind));
    let hidden = files.iter().filter(|file| holds_entries(&file.path) && !read.contains(file.path.as_str()));
    hidden
        .flat_map(|file| {
            // Ids are plain letters in every encoding; UTF-16 puts a zero byte beside each.
            let bytes: Vec<u8> = file.bytes.iter().copied().filter(|byte| *byte != 0).collect();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let ids = text.lines().filter_map(|line| {
                let line = line.trim_start();
                let id = line.strip_prefix("- ").unwrap_or(line).trim_start().strip_prefix("id:")?;
                Some(id.trim().trim_matches(['"', '\'']).to_owned())
            });
            ids.collect::<Vec<String>>()
        })
        .collect()
}
