//! What the tests share: temporary corpora, one generation of the starter corpus for the whole process, the shipped model,
//! real servers, and the real program. Helpers panic with what they found; nothing here checks a behaviour of its own.

#![allow(dead_code, unused_imports, reason = "helpers wait for the modules that use them")]

pub mod corpora;
pub mod hub;
pub mod program;
pub mod server;
pub mod starter;

pub use corpora::TempCorpus;
pub use program::{Ran, yingda};
pub use server::{Reply, Server};
pub use starter::{model, starter, starter_config, starter_server};

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use yingda::config::Config;

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The starter corpus.
pub fn starter_corpus() -> PathBuf {
    root().join("corpus")
}

/// The shipped model's folder.
pub fn model_folder() -> PathBuf {
    root().join("models/yingda-embed-zh")
}

/// Settings for a corpus and a data folder, with the shipped model and quick reloading; no environment, no file.
pub fn config(corpus: &Path, data: &Path) -> Config {
    config_with(corpus, data, &[])
}

/// The same with further settings, as `section.key` and value.
pub fn config_with(corpus: &Path, data: &Path, settings: &[(&str, &str)]) -> Config {
    let mut flags = vec![
        ("corpus.path", corpus.display().to_string()),
        ("data.path", data.display().to_string()),
        ("model.path", model_folder().display().to_string()),
        ("server.reload_milliseconds", "10".to_owned()),
    ];
    flags.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Config::resolve(None, [], &flags).expect("settings of a test are valid")
}

/// Asks `ready` again and again until it is true.
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ready() {
        assert!(started.elapsed() < PATIENCE, "waited too long: {what}");
        std::thread::yield_now();
    }
}

/// The fields of two answers, with what differs between any two requests taken out.
pub fn comparable(mut answer: Value) -> Value {
    answer["request_id"] = Value::Null;
    for suggestion in answer["suggestions"].as_array_mut().into_iter().flatten() {
        suggestion["suggestion_id"] = Value::Null;
    }
    answer
}
