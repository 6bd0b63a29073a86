//! Settings: defaults, then one TOML file, then the environment (`YINGDA_SECTION_KEY`), then flags, resolved once into one
//! validated [`Config`]. Nothing else reads the environment. The variables that all Hugging Face tools share (`HF_HOME`,
//! `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`) stand for `[hub]`, weaker than `YINGDA_HUB_…`; proxies
//! (`HTTPS_PROXY` and its kin) are read by the HTTP client itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::{Error, Result};

/// The defaults, with a comment on each setting.
pub const DEFAULTS: &str = include_str!("defaults.toml");
const PREFIX: &str = "YINGDA_";
/// Environment names that stand for a setting under another section than their first word.
const ALIASES: &[(&str, &str)] = &[("api_keys", "server_api_keys")];

/// All settings, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the corpus is.
    pub corpus: CorpusConfig,
    /// Where generations are.
    pub data: DataConfig,
    /// The embedding model.
    pub model: ModelConfig,
    /// The hub that models are fetched from.
    pub hub: HubConfig,
    /// The cross-encoder.
    pub reranker: RerankerConfig,
    /// The ranker.
    pub ranker: RankerConfig,
    /// The second opinion on drafts.
    pub drafts: DraftsConfig,
    /// The HTTP service.
    pub server: ServerConfig,
    /// The shop.
    pub shop: ShopConfig,
    /// When to answer, suggest, or say no.
    pub decision: DecisionConfig,
    /// Logging.
    pub log: LogConfig,
}

/// `[corpus]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusConfig {
    /// Folder with the knowledge base.
    pub path: PathBuf,
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Folder for generations.
    pub path: PathBuf,
    /// Generations kept, from 1 to 100.
    pub keep_generations: usize,
}

/// `[model]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Folder of the embedding model, or the hub id of a fetched one.
    pub path: PathBuf,
    /// Pooling; empty for what the model's files say.
    pub pooling: String,
    /// `true` or `false`; empty for `true`.
    pub normalize: String,
    /// Put before each query; empty for what the model's files say.
    pub query_prompt: String,
    /// Put before each text of the corpus; empty for what the model's files say.
    pub document_prompt: String,
    /// Tokens of a text that are read; 0 for what the model's files say.
    pub max_length: usize,
}

/// `[hub]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubConfig {
    /// Address of the hub or of a mirror.
    pub endpoint: String,
    /// Folder of Hugging Face files, with the cache in `hub/`; empty where the environment names no home folder.
    pub home: PathBuf,
    /// The cache itself; empty for `hub/` in `home`.
    pub cache: PathBuf,
    /// Access token for gated models; empty for none.
    pub token: String,
    /// True if nothing may be downloaded.
    pub offline: bool,
}

/// `[reranker]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RerankerConfig {
    /// Folder of a cross-encoder, or the hub id of a fetched one; empty for none.
    pub path: PathBuf,
    /// Candidates that it reads, from 1 to 100.
    pub candidates: usize,
    /// Its share in the score, from 0 to 1.
    pub weight: f32,
}

/// `[ranker]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RankerConfig {
    /// Weights file; empty for the built-in one.
    pub path: PathBuf,
}

/// `[drafts]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftsConfig {
    /// Weights file; empty for the built-in one.
    pub path: PathBuf,
    /// Share of clean drafts that may be warned of for what they read like, from 0 (none: no second opinion) to 0.15.
    pub warned: f32,
    /// Share of rightly blocked drafts that may be softened to a warning, from 0 (none) to 0.05.
    pub softened: f32,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// Seconds until a request is given up, from 1 to 300.
    pub timeout_seconds: u64,
    /// Requests answered at the same time, from 1 to 10,000.
    pub concurrency: usize,
    /// Milliseconds between two looks for a new generation, from 10 to 60,000.
    pub reload_milliseconds: u64,
    /// Keys of which a request must carry one; empty for an open service.
    pub api_keys: Vec<String>,
}

/// `[shop]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShopConfig {
    /// Name of the time zone.
    pub time_zone: String,
}

/// `[decision]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionConfig {
    /// Precision that direct answers must keep, from 0.5 to 0.999.
    pub answer_precision: f32,
    /// Share of the questions with an answer that must be taken for such, from 0.5 to 1.
    pub answerable_share: f32,
    /// Confidence from which a suggestion is shown, from 0 to 1.
    pub suggest_confidence: f32,
    /// Share of the first candidate's odds from which another one is close, from 0 to 1.
    pub clarify_ratio: f32,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// `text` or `json`.
    pub format: String,
    /// Questions without an answer that are kept in the data folder, up to 100,000; 0 for none.
    pub unanswered: usize,
}

impl Config {
    /// Resolves the settings. `flags` are `section.key` with their values; `environment` is usually `std::env::vars()`.
    ///
    /// # Errors
    /// [`Error::Config`] that names the source and the setting if one is unknown, mistyped or out of range.
    pub fn resolve(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(&str, String)],
    ) -> Result<Self> {
        let mut settings: Table = DEFAULTS.parse().map_err(|error| Error::internal("defaults.toml", error))?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
            let given: Table =
                text.parse().map_err(|error: toml::de::Error| Error::Config(format!("{}: {}", path.display(), error.message())))?;
            let source = path.display().to_string();
            for (section, values) in given {
                let Value::Table(values) = values else {
                    return Err(Error::Config(format!(
                        "{source}: `{section}` stands outside a section; known sections: {}",
                        sections(&settings)
                    )));
                };
                for (key, value) in values {
                    set(&mut settings, &source, &section, &key, value)?;
                }
            }
        }
        // Ordered, so that of two mistakes always the same one is reported.
        let environment: BTreeMap<String, String> = environment.into_iter().collect();
        hub_environment(&mut settings, &environment)?;
        for (name, text) in environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            let path = name[PREFIX.len()..].to_lowercase();
            let path = ALIASES.iter().find(|(alias, _)| *alias == path).map_or(path.as_str(), |(_, full)| *full);
            let (section, key) = path.split_once('_').unwrap_or((path, ""));
            set_text(&mut settings, &name, section, key, &text)?;
        }
        for (path, text) in flags {
            let (section, key) = path.split_once('.').unwrap_or((path, ""));
            set_text(&mut settings, "flag", section, key, text)?;
        }
        let config: Config =
            Value::Table(settings).try_into().map_err(|error: toml::de::Error| Error::Config(error.message().to_owned()))?;
        config.validate()?;
        Ok(config)
    }

    /// The settings as TOML, keys hidden.
    pub fn to_toml(&self) -> Result<String> {
        let mut shown = self.clone();
        shown.server.api_keys.iter_mut().for_each(|key| *key = "(hidden)".to_owned());
        if !shown.hub.token.is_empty() {
            shown.hub.token = "(hidden)".to_owned();
        }
        toml::to_string_pretty(&shown).map_err(|error| Error::internal("cannot write settings", error))
    }

    /// The shop's time zone.
    pub fn time_zone(&self) -> Result<TimeZone> {
        TimeZone::get(&self.shop.time_zone)
            .map_err(|error| Error::Config(format!("shop.time_zone: {error}; use a name such as Asia/Shanghai")))
    }

    fn validate(&self) -> Result<()> {
        fn within<T: PartialOrd + std::fmt::Display>(name: &str, value: T, low: T, high: T) -> Result<()> {
            // Written so that NaN is out of range.
            if !(low <= value && value <= high) {
                return Err(Error::Config(format!("{name} is {value}; use {low} to {high}")));
            }
            Ok(())
        }
        fn one_of(name: &str, value: &str, known: &[&str]) -> Result<()> {
            if known.contains(&value) {
                return Ok(());
            }
            Err(Error::Config(format!("{name} is “{value}”; use one of {}", known.join(", "))))
        }
        within("data.keep_generations", self.data.keep_generations, 1, 100)?;
        within("server.timeout_seconds", self.server.timeout_seconds, 1, 300)?;
        within("server.concurrency", self.server.concurrency, 1, 10_000)?;
        within("server.reload_milliseconds", self.server.reload_milliseconds, 10, 60_000)?;
        within("log.unanswered", self.log.unanswered, 0, 100_000)?;
        within("decision.answer_precision", self.decision.answer_precision, 0.5, 0.999)?;
        within("decision.answerable_share", self.decision.answerable_share, 0.5, 1.0)?;
        within("decision.clarify_ratio", self.decision.clarify_ratio, 0.0, 1.0)?;
        within("decision.suggest_confidence", self.decision.suggest_confidence, 0.0, 1.0)?;
        if self.server.api_keys.iter().any(|key| key.trim().len() < 8) {
            return Err(Error::Config("server.api_keys has a key of fewer than 8 characters; use long random ones".into()));
        }
        within("reranker.candidates", self.reranker.candidates, 1, 100)?;
        within("reranker.weight", self.reranker.weight, 0.0, 1.0)?;
        within("drafts.warned", self.drafts.warned, 0.0, 0.15)?;
        within("drafts.softened", self.drafts.softened, 0.0, 0.05)?;
        one_of("model.normalize", &self.model.normalize, &["", "true", "false"])?;
        one_of("log.level", &self.log.level, &["error", "warn", "info", "debug", "trace"])?;
        one_of("log.format", &self.log.format, &["text", "json"])?;
        self.time_zone().map(|_| ())
    }
}

/// Puts the environment of Hugging Face tools into `[hub]`.
fn hub_environment(settings: &mut Table, environment: &BTreeMap<String, String>) -> Result<()> {
    let get = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let below_home = |name: &str, folder: &str| get(name).map(|home| Path::new(home).join(folder).to_string_lossy().into_owned());
    // Where nothing else is said, the place that huggingface_hub uses.
    let home = below_home("XDG_CACHE_HOME", "huggingface")
        .or_else(|| below_home("HOME", ".cache/huggingface"))
        .or_else(|| below_home("USERPROFILE", ".cache/huggingface"));
    let is_unset = settings.get("hub").and_then(|hub| hub.get("home")).and_then(Value::as_str) == Some("");
    if let Some(home) = home.filter(|_| is_unset) {
        set_text(settings, "HOME", "hub", "home", &home)?;
    }
    for (name, key) in [("HF_HOME", "home"), ("HF_HUB_CACHE", "cache"), ("HF_ENDPOINT", "endpoint"), ("HF_TOKEN", "token")] {
        if let Some(value) = get(name) {
            set_text(settings, name, "hub", key, value)?;
        }
    }
    if let Some(value) = get("HF_HUB_OFFLINE") {
        let offline = ["1", "true", "yes", "on"].contains(&value.to_lowercase().as_str());
        set_text(settings, "HF_HUB_OFFLINE", "hub", "offline", if offline { "true" } else { "false" })?;
    }
    Ok(())
}

fn sections(settings: &Table) -> String {
    settings.keys().cloned().collect::<Vec<_>>().join(", ")
}

/// The slot of a known setting.
fn slot<'t>(settings: &'t mut Table, source: &str, section: &str, key: &str) -> Result<&'t mut Value> {
    let known = sections(settings);
    let Some(Value::Table(table)) = settings.get_mut(section) else {
        return Err(Error::Config(format!("{source}: there is no section `{section}`; known sections: {known}")));
    };
    let keys = table.keys().cloned().collect::<Vec<_>>().join(", ");
    table
        .get_mut(key)
        .ok_or_else(|| Error::Config(format!("{source}: there is no setting `{section}.{key}`; known in this section: {keys}")))
}

fn set(settings: &mut Table, source: &str, section: &str, key: &str, value: Value) -> Result<()> {
    let slot = slot(settings, source, section, key)?;
    let value = match (&*slot, value) {
        (Value::Float(_), Value::Integer(number)) => Value::Float(number as f64),
        (_, value) => value,
    };
    if !slot.same_type(&value) {
        return Err(Error::Config(format!("{source}: {section}.{key} is a {}, not a {}", value.type_str(), slot.type_str())));
    }
    *slot = value;
    Ok(())
}

fn set_text(settings: &mut Table, source: &str, section: &str, key: &str, text: &str) -> Result<()> {
    let slot = slot(settings, source, section, key)?;
    let wrong = |kind: &str| Error::Config(format!("{source}: {section}.{key} is “{text}”; write {kind}"));
    let value = match slot {
        Value::Integer(_) => Value::Integer(text.parse().map_err(|_| wrong("a whole number"))?),
        Value::Float(_) => Value::Float(text.parse().map_err(|_| wrong("a number"))?),
        Value::Boolean(_) => Value::Boolean(text.parse().map_err(|_| wrong("true or false"))?),
        Value::Array(_) => {
            Value::Array(text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(|s| Value::String(s.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    };
    *slot = value;
    Ok(())
}
