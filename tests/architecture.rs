//! The one-way flow, read from the source text: which room may use which.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::root;

/// A room with the rooms it may use, and files that may use one more.
const ROOMS: &[(&str, &[&str])] = &[
    ("error.rs", &[]),
    ("config.rs", &["error"]),
    ("text", &["error"]),
    ("pattern", &["text"]),
    ("corpus", &["error", "text", "pattern"]),
    ("compliance", &["error", "corpus", "pattern"]),
    ("emotion", &["error", "corpus", "pattern"]),
    ("dialogue", &["text", "corpus"]),
    ("lexical", &["error", "text"]),
    ("embedding", &["error", "text"]),
    ("generation", &["error", "text", "pattern", "corpus", "compliance", "emotion", "dialogue", "lexical", "embedding"]),
    ("query", &["error", "text", "corpus", "lexical", "embedding", "generation"]),
    ("risk", &["error", "pattern", "corpus", "embedding", "generation"]),
    ("reply", &["error", "text", "corpus", "dialogue"]),
    (
        "service",
        &[
            "error",
            "config",
            "text",
            "corpus",
            "compliance",
            "emotion",
            "embedding",
            "generation",
            "query",
            "risk",
            "dialogue",
            "reply",
        ],
    ),
    ("eval", &["error", "text", "pattern", "corpus", "compliance", "lexical", "embedding", "generation", "query", "service"]),
    ("http", &["error", "config", "service"]),
    ("cli", &["error", "config", "text", "corpus", "compliance", "embedding", "generation", "query", "reply", "eval", "service"]),
    ("main.rs", &["cli"]),
];

/// Directions that no change of the table above may allow.
const NEVER: &[(&str, &[&str])] = &[
    ("text", &["lexical", "embedding"]),
    ("corpus", &["lexical", "embedding"]),
    ("lexical", &["embedding"]),
    ("embedding", &["lexical"]),
    ("pattern", &["corpus", "lexical", "embedding"]),
    ("compliance", &["lexical", "embedding", "generation"]),
    ("emotion", &["lexical", "embedding", "generation", "risk"]),
    ("query", &["risk", "dialogue", "reply", "http", "cli"]),
    ("risk", &["query", "reply", "service", "http", "cli"]),
    ("dialogue", &["lexical", "embedding", "generation", "query", "reply"]),
    ("reply", &["lexical", "embedding", "generation", "query"]),
    ("eval", &["http", "cli"]),
    ("service", &["http", "cli"]),
    ("http", &["cli"]),
];

/// Files that may use one room more than theirs.
const EXCEPTIONS: &[(&str, &str)] = &[("cli/serve.rs", "http")];

/// Crates that appear in one room only.
const CRATES: &[(&str, &str)] = &[
    ("candle_core", "embedding"),
    ("candle_nn", "embedding"),
    ("candle_transformers", "embedding"),
    ("tokenizers", "embedding"),
    ("tantivy", "lexical"),
    ("jieba_rs", "text"),
    ("ferrous_opencc", "text"),
    ("saphyr", "corpus"),
    ("axum", "http"),
    ("tower_http", "http"),
    ("clap", "cli"),
    ("indicatif", "cli"),
];

fn source_files() -> Vec<(String, String)> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for item in fs::read_dir(folder).expect("a source folder") {
            let path = item.expect("a source file").path();
            if path.is_dir() { walk(&path, out) } else { out.push(path) }
        }
    }
    let source = root().join("src");
    let mut paths = Vec::new();
    walk(&source, &mut paths);
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&source).expect("below src").to_string_lossy().replace('\\', "/");
            (name, code(&fs::read_to_string(&path).expect("a source file")))
        })
        .collect()
}

/// Source text without its comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn room_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file)
}

/// Rooms that `text` names as `crate::room` or, in the binary, `yingda::room`, also inside `crate::{…}`.
fn uses(text: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let rooms: Vec<&str> = ROOMS.iter().map(|(room, _)| room.trim_end_matches(".rs")).collect();
    for prefix in ["crate::", "yingda::"] {
        for (at, _) in text.match_indices(prefix) {
            let rest = &text[at + prefix.len()..];
            let group = rest.strip_prefix('{').map(|inner| inner.split(';').next().unwrap_or(inner));
            let names = |part: &str| -> String { part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
            match group {
                Some(inner) => out.extend(inner.split([',', '{']).map(names)),
                None => {
                    out.insert(names(rest));
                }
            }
        }
    }
    out.retain(|name| rooms.contains(&name.as_str()));
    out
}

#[test]
fn rooms_use_only_what_lies_below_them() {
    let mut wrong = Vec::new();
    for (file, text) in source_files() {
        let room = room_of(&file);
        if file == "lib.rs" {
            continue;
        }
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("src/{file}: `{room}` is a new room; say in tests/architecture.rs what it may use"));
            continue;
        };
        let own = room.trim_end_matches(".rs");
        for used in uses(&text).iter().filter(|used| *used != own) {
            let excepted = EXCEPTIONS.contains(&(file.as_str(), used.as_str()));
            if !allowed.contains(&used.as_str()) && !excepted {
                wrong.push(format!("src/{file} uses `{used}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_itself_keeps_the_flow_one_way() {
    for (room, forbidden) in NEVER {
        let (_, allowed) = ROOMS.iter().find(|(name, _)| name == room).expect("a known room");
        let both: Vec<_> = allowed.iter().filter(|name| forbidden.contains(name)).collect();
        assert!(both.is_empty(), "{room} may use {both:?}");
    }
    // A room may use only rooms that stand above it in the table: no circles.
    for (at, (room, allowed)) in ROOMS.iter().enumerate() {
        for used in *allowed {
            let stands = ROOMS.iter().position(|(name, _)| name.trim_end_matches(".rs") == *used);
            assert!(stands.is_some_and(|stands| stands < at), "{room} uses {used}, which stands below it");
        }
    }
}

#[test]
fn engines_appear_in_one_room_only() {
    let mut wrong = Vec::new();
    for (file, text) in source_files() {
        for (name, home) in CRATES.iter().filter(|(_, home)| room_of(&file) != *home) {
            if text.contains(&format!("{name}::")) {
                wrong.push(format!("src/{file} uses `{name}`, which belongs into `{home}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_settings_read_the_environment_and_nothing_is_unsafe() {
    let mut wrong = Vec::new();
    for (file, text) in source_files() {
        if text.contains("env::var") && file != "cli/mod.rs" {
            wrong.push(format!("src/{file} reads the environment; settings come from `Config`"));
        }
        if text.contains("unsafe ") {
            wrong.push(format!("src/{file} has unsafe code"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let library = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    assert!(library.contains("#![forbid(unsafe_code)]"));
}

#[test]
fn every_room_says_what_it_is_for() {
    for item in fs::read_dir(root().join("src")).expect("src").flatten() {
        let file = if item.path().is_dir() { item.path().join("mod.rs") } else { item.path() };
        if file.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&file).expect("a source file");
            assert!(text.starts_with("//! "), "{} does not open with `//!`", file.display());
        }
    }
}
