//! Manuals: Markdown with front matter, cut into sections by heading. The text of a section stays verbatim, because
//! agents quote it.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::entry::{ChangeLogEntry, Entry, EntryBody, Manual, Section};
use super::parse::parse_common;
use super::yaml::{self, Fields};
use super::{Problem, Status};

/// Headings deeper than this stay part of their section.
const DEEPEST_SECTION: HeadingLevel = HeadingLevel::H4;

/// Parses one manual; `None` where its front matter cannot be read at all.
pub(super) fn parse_manual(path: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Entry> {
    let Some((front, body, body_line)) = split_front_matter(text) else {
        let fix = "begin the file with `---`, the fields id, title, product, version and updated, and a closing `---`";
        problems.push(Problem::error(path, 1, "-", "has no front matter", fix));
        return None;
    };
    let node = match yaml::parse(path, front, 2) {
        Ok(node) => node,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let mut fields = Fields::open(path, "", &node, problems)?;
    match fields.text("kind", problems) {
        Some((kind, _)) if kind == "manual" => {}
        Some((kind, line)) => {
            problems.push(Problem::error(path, line, "kind", format!("is “{kind}”, not manual"), "write `kind: manual`"));
        }
        None => fields.missing("kind", "write `kind: manual`", problems),
    }
    let mut entry = parse_common(&mut fields, problems);
    entry.title = fields.required_text("title", "write the manual's title", problems).0;
    let (product, _) = fields.required_text("product", "write the product's id", problems);
    let (version, _) = fields.required_text("version", "write it in quotation marks, such as \"2.1\"", problems);
    let before = problems.len();
    let updated = fields.date("updated", problems);
    if updated.is_none() && problems.len() == before {
        fields.missing("updated", "write the day of this version as YYYY-MM-DD", problems);
    }
    let models = fields.texts("models", problems);
    let mut changelog = Vec::new();
    for (index, node) in fields.list("changelog", problems).iter().enumerate() {
        let field = format!("changelog[{index}]");
        let Some(mut inner) = Fields::open(path, &field, node, problems) else { continue };
        let (version, _) = inner.required_text("version", "write it in quotation marks", problems);
        let date = inner.date("date", problems);
        let changes = inner.texts("changes", problems).join("；");
        let line = inner.line;
        inner.finish(problems);
        match date {
            Some(date) => changelog.push(ChangeLogEntry { version, date, changes }),
            None => problems.push(Problem::error(path, line, &field, "has no date", "write `date: YYYY-MM-DD`")),
        }
    }
    fields.finish(problems);
    let sections = sections(body, body_line, &entry.title);
    if sections.is_empty() && entry.status == Status::Published {
        problems.push(Problem::error(
            path,
            body_line,
            "-",
            "has no text below the front matter",
            "write sections with `##` headings",
        ));
    }
    if entry.products.is_empty() && !product.is_empty() {
        entry.products.push(product.clone());
    }
    entry.source.version = Some(version.clone());
    entry.source.line = 1;
    entry.body = EntryBody::Manual(Manual { product, models, version, updated: updated.unwrap_or_default(), changelog, sections });
    Some(entry)
}

/// Front matter, body, and the line on which the body begins.
fn split_front_matter(text: &str) -> Option<(&str, &str, usize)> {
    let rest = text.strip_prefix("---\n")?;
    let mut offset = 0;
    for (index, line) in rest.split_inclusive('\n').enumerate() {
        if line.trim_end() == "---" {
            return Some((&rest[..offset], &rest[offset + line.len()..], index + 3));
        }
        offset += line.len();
    }
    None
}

/// The YAML between the two `---` lines at the beginning of a manual.
pub(super) fn front_matter(text: &str) -> Option<&str> {
    split_front_matter(text).map(|(front, _, _)| front)
}

fn sections(body: &str, first_line: usize, title: &str) -> Vec<Section> {
    let line_at = |offset: usize| first_line + body[..offset].matches('\n').count();
    let mut out = Vec::new();
    let mut path: Vec<(HeadingLevel, String)> = Vec::new();
    let (mut start, mut line) = (0, first_line);
    let mut heading: Option<(HeadingLevel, usize, String)> = None;
    let mut push = |path: &[(HeadingLevel, String)], from: usize, to: usize, line: usize| {
        let text = body[from..to].trim();
        if !text.is_empty() {
            let mut names: Vec<String> = path.iter().map(|(_, name)| name.clone()).collect();
            if names.first().is_none_or(|first| first != title) {
                names.insert(0, title.to_owned());
            }
            out.push(Section { path: names, line, text: text.to_owned() });
        }
    };
    for (event, range) in Parser::new_ext(body, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) if level <= DEEPEST_SECTION => {
                push(&path, start, range.start, line);
                heading = Some((level, range.start, String::new()));
                (start, line) = (range.end, line_at(range.start));
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some((level, _, name)) = heading.take() {
                    path.retain(|(other, _)| *other < level);
                    path.push((level, name.trim().to_owned()));
                }
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, _, name)) = &mut heading {
                    name.push_str(&text);
                }
            }
            _ => {}
        }
    }
    push(&path, start, body.len(), line);
    out
}
