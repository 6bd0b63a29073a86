//! A reader over YAML that remembers lines: it turns a mapping into fields, reports what is missing, mistyped or unknown,
//! and goes on, so that one run finds every problem. It knows nothing of what the fields mean.

use jiff::civil;
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use saphyr_parser::{Event, Parser};

use super::{Date, Problem};

/// Deepest nesting of a corpus file; the format itself needs eight levels.
const MAX_DEPTH: usize = 32;
/// Longest single text, in characters.
const MAX_TEXT_CHARS: usize = 20_000;

/// A YAML node with the line it begins on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub line: usize,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Text(String),
    /// A scalar that is not a text, in its written form with the name of its type.
    Other(String, &'static str),
    Int(i64),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Parses one YAML document. `first_line` is the line of the file on which `text` begins.
pub(super) fn parse(file: &str, text: &str, first_line: usize) -> Result<Node, Problem> {
    let shift = first_line - 1;
    let error = |line: usize, what: String, fix: &str| Problem::error(file, line + shift, "-", what, fix);
    let too_deep = |line| error(line, format!("is nested more than {MAX_DEPTH} levels deep"), DEPTH_FIX);
    let mut depth = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| match e.info() {
            // The scanner looks further ahead than the events that are counted here.
            info if info.contains("recursion limit") => too_deep(e.marker().line()),
            info => error(e.marker().line(), format!("is not valid YAML: {info}"), SYNTAX_FIX),
        })?;
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(too_deep(span.start.line()));
        }
    }
    let documents = MarkedYaml::load_from_str(text)
        .map_err(|e| error(e.marker().line(), format!("is not valid YAML: {}", e.info()), SYNTAX_FIX))?;
    match documents.as_slice() {
        [document] => Ok(convert(document, shift)),
        [] => Err(error(1, "is empty".into(), "write at least one entry, or remove the file")),
        [_, second, ..] => Err(error(second.span.start.line(), "has more than one YAML document".into(), "split it into files")),
    }
}

const DEPTH_FIX: &str = "use the structure described in the corpus documentation";
const SYNTAX_FIX: &str = "check indentation and quote texts that contain `: ` or ` #`";

fn convert(node: &MarkedYaml, shift: usize) -> Node {
    let value = match &node.data {
        YamlData::Value(Scalar::Null) => Value::Null,
        YamlData::Value(Scalar::String(text)) => Value::Text(text.clone().into_owned()),
        YamlData::Value(Scalar::Integer(number)) => Value::Int(*number),
        YamlData::Value(Scalar::Boolean(value)) => Value::Other(value.to_string(), "a truth value"),
        YamlData::Value(Scalar::FloatingPoint(number)) => Value::Other(number.to_string(), "a number"),
        YamlData::Sequence(items) => Value::List(items.iter().map(|item| convert(item, shift)).collect()),
        YamlData::Mapping(map) => Value::Map(
            map.iter()
                .map(|(key, value)| {
                    let key_node = convert(key, shift);
                    let mut value = convert(value, shift);
                    if matches!(value.value, Value::Map(_) | Value::List(_) | Value::Null) {
                        value.line = key_node.line;
                    }
                    (key_text(&key_node.value), value)
                })
                .collect(),
        ),
        YamlData::Tagged(_, inner) => return convert(inner, shift),
        YamlData::Representation(text, ..) => Value::Text(text.clone().into_owned()),
        YamlData::Alias(_) | YamlData::BadValue => Value::Other(String::new(), "a value that YAML cannot resolve"),
    };
    Node { line: node.span.start.line() + shift, value }
}

fn key_text(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Other(text, _) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Null | Value::List(_) | Value::Map(_) => "?".to_owned(),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Text(_) => "a text",
        Value::Int(_) => "a number",
        Value::Other(_, name) => name,
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}

/// A mapping that is being read field by field. Every field taken is remembered; [`Fields::finish`] reports the rest.
pub(super) struct Fields<'a> {
    pub file: &'a str,
    pub line: usize,
    path: String,
    map: &'a [(String, Node)],
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Opens `node` as a mapping; reports it and returns `None` if it is something else.
    pub fn open(file: &'a str, path: &str, node: &'a Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.value {
            Value::Map(map) => Some(Fields { file, line: node.line, path: path.to_owned(), map, known: Vec::new() }),
            other => {
                let what = format!("is {}, not a mapping", type_name(other));
                problems.push(Problem::error(file, node.line, path, what, "write `field: value` lines"));
                None
            }
        }
    }

    /// The path of `key` inside the entry.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The node of `key`, if it is there and not empty.
    pub fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.map.iter().find(|(name, _)| name == key).map(|(_, node)| node).filter(|node| node.value != Value::Null)
    }

    fn wrong(&self, key: &str, node: &Node, expected: &str, problems: &mut Vec<Problem>) {
        let what = format!("is {}, not {expected}", type_name(&node.value));
        let fix = match &node.value {
            Value::Int(_) | Value::Other(..) if expected == "a text" => "put it in quotation marks".to_owned(),
            _ => format!("write {expected}"),
        };
        problems.push(Problem::error(self.file, node.line, &self.path_of(key), what, fix));
    }

    /// Reports `key` as missing.
    pub fn missing(&self, key: &str, fix: &str, problems: &mut Vec<Problem>) {
        problems.push(Problem::error(self.file, self.line, &self.path_of(key), "is missing", fix));
    }

    /// A text that may be left out, with its line.
    pub fn text(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Option<(String, usize)> {
        let node = self.take(key)?;
        let Value::Text(text) = &node.value else {
            self.wrong(key, node, "a text", problems);
            return None;
        };
        let path = self.path_of(key);
        checked_text(self.file, &path, node.line, text, problems).map(|text| (text, node.line))
    }

    /// A text that must be there; the empty string where it was reported.
    pub fn required_text(&mut self, key: &'static str, fix: &str, problems: &mut Vec<Problem>) -> (String, usize) {
        let before = problems.len();
        self.text(key, problems).unwrap_or_else(|| {
            if problems.len() == before {
                self.missing(key, fix, problems);
            }
            (String::new(), self.line)
        })
    }

    /// A list of texts; a single text counts as a list of one. Duplicates are reported as warnings and left out.
    pub fn texts(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Vec<String> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let mut out: Vec<String> = Vec::new();
        for (index, item) in self.items(key, node, problems).iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(key));
            match &item.value {
                Value::Text(text) => {
                    let Some(text) = checked_text(self.file, &path, item.line, text, problems) else { continue };
                    if out.contains(&text) {
                        let what = format!("“{text}” is written twice");
                        problems.push(Problem::warning(self.file, item.line, &path, what, "remove one of them"));
                    } else {
                        out.push(text);
                    }
                }
                other => {
                    let what = format!("is {}, not a text", type_name(other));
                    problems.push(Problem::error(self.file, item.line, &path, what, "put it in quotation marks"));
                }
            }
        }
        out
    }

    /// A list of values from a closed vocabulary.
    pub fn choices<T>(
        &mut self,
        key: &'static str,
        names: &[&str],
        parse: fn(&str) -> Option<T>,
        problems: &mut Vec<Problem>,
    ) -> Vec<T> {
        let line = self.map.iter().find(|(name, _)| name == key).map_or(self.line, |(_, node)| node.line);
        self.texts(key, problems)
            .iter()
            .filter_map(|text| {
                parse(text).or_else(|| {
                    let what = format!("“{text}” is not known");
                    let fix = format!("use one of {}", names.join(", "));
                    problems.push(Problem::error(self.file, line, &self.path_of(key), what, fix));
                    None
                })
            })
            .collect()
    }

    /// One value from a closed vocabulary.
    pub fn choice<T>(
        &mut self,
        key: &'static str,
        names: &[&str],
        parse: fn(&str) -> Option<T>,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let (text, line) = self.text(key, problems)?;
        let value = parse(&text);
        if value.is_none() {
            let what = format!("“{text}” is not known");
            let fix = format!("use one of {}", names.join(", "));
            problems.push(Problem::error(self.file, line, &self.path_of(key), what, fix));
        }
        value
    }

    /// A date `YYYY-MM-DD`.
    pub fn date(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Option<Date> {
        let (text, line) = self.text(key, problems)?;
        // The parser also takes other ISO forms; editors should write one.
        let parsed = if text.len() == 10 { text.parse::<civil::Date>().ok() } else { None };
        if parsed.is_none() {
            let what = format!("“{text}” is not a date that exists");
            problems.push(Problem::error(self.file, line, &self.path_of(key), what, "write it as YYYY-MM-DD, such as 2026-11-11"));
        }
        parsed
    }

    /// A point in local time, `YYYY-MM-DDTHH:MM`.
    pub fn datetime(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Option<civil::DateTime> {
        let (text, line) = self.text(key, problems)?;
        let parsed = text.parse::<civil::DateTime>().ok();
        if parsed.is_none() {
            let what = format!("“{text}” is not a point in time that exists");
            problems.push(Problem::error(self.file, line, &self.path_of(key), what, "write it as 2026-11-11T00:00"));
        }
        parsed
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, key: &'static str, range: std::ops::RangeInclusive<i64>, problems: &mut Vec<Problem>) -> Option<i64> {
        let node = self.take(key)?;
        match node.value {
            Value::Int(number) if range.contains(&number) => Some(number),
            Value::Int(number) => {
                let what = format!("is {number}, out of range");
                let fix = format!("write a whole number from {} to {}", range.start(), range.end());
                problems.push(Problem::error(self.file, node.line, &self.path_of(key), what, fix));
                None
            }
            _ => {
                self.wrong(key, node, "a whole number", problems);
                None
            }
        }
    }

    /// A list of nodes; a scalar or mapping counts as a list of one where `single` is allowed by the format.
    pub fn list(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> &'a [Node] {
        let Some(node) = self.take(key) else { return &[] };
        match &node.value {
            Value::List(items) => items,
            _ => {
                self.wrong(key, node, "a list", problems);
                &[]
            }
        }
    }

    fn items(&self, key: &str, node: &'a Node, problems: &mut Vec<Problem>) -> &'a [Node] {
        match &node.value {
            Value::List(items) => items,
            Value::Text(_) => std::slice::from_ref(node),
            _ => {
                self.wrong(key, node, "a list", problems);
                &[]
            }
        }
    }

    /// All fields as they stand, for mappings whose keys are free.
    pub fn all(&self) -> &'a [(String, Node)] {
        self.map
    }

    /// Reports fields that were never taken.
    pub fn finish(self, problems: &mut Vec<Problem>) {
        for (name, node) in self.map {
            if !self.known.contains(&name.as_str()) {
                let what = format!("“{name}” is not a field here");
                let fix = match closest(name, &self.known) {
                    Some(near) => format!("did you mean `{near}`? known fields: {}", self.known.join(", ")),
                    None => format!("known fields: {}", self.known.join(", ")),
                };
                problems.push(Problem::error(self.file, node.line, &self.path_of(name), what, fix));
            }
        }
    }
}

fn checked_text(file: &str, path: &str, line: usize, text: &str, problems: &mut Vec<Problem>) -> Option<String> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        problems.push(Problem::error(file, line, path, "is empty", "write a text, or remove the field"));
        return None;
    }
    if trimmed.chars().count() > MAX_TEXT_CHARS {
        let what = format!("is longer than {MAX_TEXT_CHARS} characters");
        problems.push(Problem::error(file, line, path, what, "split it, or make it a manual"));
        return None;
    }
    Some(trimmed.to_owned())
}

/// The known name within two edits of `name`, nearest first.
pub(super) fn closest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    known
        .iter()
        .map(|other| (edit_distance(name, other), *other))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, other)| other)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
