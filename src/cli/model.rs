//! `yingda model`: fetch models from the hub, list the ones at hand, and check that one is usable.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::{EXIT_OK, EXIT_PROBLEMS, Format, output};
use crate::config::Config;
use crate::embedding::hub::{self, ModelId};
use crate::embedding::{self, Description, Overrides, Role};
use crate::error::{Error, Result};
use crate::service::{hub_of, overrides};

/// Questions, each with one that means the same in other words and one that does not; what a usable model tells apart.
const TRIPLES: [[&str; 3]; 5] = [
    ["退款什么时候到账", "退款多久能到账", "怎么修改收货地址"],
    ["怎么开发票", "可以给我开一张发票吗", "手机充不进去电"],
    ["我的快递到哪里了", "查一下快递到哪了", "会员积分有什么用"],
    ["忘记登录密码了怎么办", "登录密码忘了,怎么找回", "这件衣服有大码吗"],
    ["优惠券为什么用不了", "下单时优惠券不能使用", "洗衣机怎么预约安装"],
];

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Download a model from the Hugging Face hub, or from the mirror that HF_ENDPOINT names
    ///
    /// Only what loading needs is downloaded, into the cache that all Hugging Face tools share (HF_HOME). A download that
    /// broke goes on where it broke. Then set `[model] path` to the id.
    Fetch {
        /// Hub id, such as BAAI/bge-small-zh-v1.5
        id: String,
        /// Branch, tag or commit
        #[arg(long)]
        revision: Option<String>,
    },
    /// List the shipped models and the ones in the cache
    List,
    /// Load a model and check that it understands Chinese: exit code 1 if it does not
    Check {
        /// Folder or hub id; the configured model if not given
        #[arg(value_name = "DIR|ID")]
        target: Option<PathBuf>,
    },
}

/// Runs the command.
pub fn run(config: &Config, command: &ModelCommand, format: Format) -> Result<u8> {
    match command {
        ModelCommand::Fetch { id, revision } => fetch(config, id, revision.as_deref(), format),
        ModelCommand::List => list(config, format),
        ModelCommand::Check { target } => check(config, target.as_deref(), format),
    }
}

fn fetch(config: &Config, id: &str, revision: Option<&str>, format: Format) -> Result<u8> {
    let text = revision.map_or_else(|| id.to_owned(), |revision| format!("{id}@{revision}"));
    let parsed = ModelId::parse(&text).filter(|_| revision.is_none() || !id.contains('@'));
    let Some(id) = parsed else {
        return Err(Error::InvalidRequest(format!("“{text}” is not a hub id; write org/name, or org/name --revision R")));
    };
    let hub = hub_of(config);
    let bar = output::Bar::of_bytes();
    let folder = hub::fetch(&hub, &id, &|file, done, total| bar.report(file, done as usize, total as usize))?;
    drop(bar);
    let glance = embedding::glance(&folder)?;
    if format == Format::Json {
        output::json(&serde_json::json!({ "id": id.to_string(), "folder": folder, "model": glance }))?;
        return Ok(EXIT_OK);
    }
    output::text(&folder.display().to_string());
    let section = if glance.dimensions.is_some() { "model" } else { "reranker" };
    output::note(&format!("{}, {}; to use it set [{section}] path = \"{id}\"", glance.architecture, megabytes(glance.bytes)));
    Ok(EXIT_OK)
}

#[derive(Serialize)]
struct Listed {
    id: String,
    #[serde(flatten)]
    model: embedding::Glance,
    folder: PathBuf,
}

fn list(config: &Config, format: Format) -> Result<u8> {
    let mut places: Vec<(String, PathBuf)> = Vec::new();
    // Models lie beside each other: the configured one among the shipped ones.
    let parent = config.model.path.parent().filter(|_| config.model.path.is_dir()).unwrap_or(Path::new("models"));
    if let Ok(entries) = std::fs::read_dir(parent) {
        let mut folders: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        folders.sort();
        let models =
            folders.into_iter().filter(|folder| ["config.json", "modules.json"].iter().any(|file| folder.join(file).is_file()));
        places.extend(models.map(|folder| (folder.display().to_string(), folder)));
    }
    places.extend(hub::cached(&hub_of(config).cache)?.into_iter().map(|(id, folder)| (id.to_string(), folder)));
    let mut models = Vec::new();
    for (id, folder) in places {
        match embedding::glance(&folder) {
            Ok(model) => models.push(Listed { id, model, folder }),
            // The cache belongs to all Hugging Face tools: most of what lies there need not be for this program.
            Err(error) => tracing::info!(%error, "not listed"),
        }
    }
    if format == Format::Json {
        output::json(&models)?;
        return Ok(EXIT_OK);
    }
    let width = models.iter().map(|model| model.id.chars().count()).max().unwrap_or(0);
    for Listed { id, model, .. } in &models {
        let dimensions = model.dimensions.map_or_else(|| "-".to_owned(), |size| size.to_string());
        output::text(&format!("{id:<width$}  {:<24} {dimensions:>5}  {:>9}", model.architecture, megabytes(model.bytes)));
    }
    if models.is_empty() {
        output::note("no models here; run `yingda model fetch ID`");
    }
    Ok(EXIT_OK)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[derive(Serialize)]
struct Checked {
    folder: PathBuf,
    name: String,
    dimensions: Option<usize>,
    fingerprint: Option<String>,
    description: Option<Description>,
    pairs: Vec<Pair>,
    passed: bool,
}

/// A question with the values of its two companions.
#[derive(Serialize)]
struct Pair {
    question: &'static str,
    related: &'static str,
    related_value: f32,
    unrelated: &'static str,
    unrelated_value: f32,
}

fn check(config: &Config, model: Option<&Path>, format: Format) -> Result<u8> {
    let path = model.unwrap_or(&config.model.path);
    let folder = hub::resolve(path, &hub_of(config).cache)?;
    let checked = if embedding::glance(&folder)?.dimensions.is_none() {
        check_reranker(folder)?
    } else {
        // Settings for the configured model say nothing about another.
        let overrides = if path == config.model.path { overrides(config)? } else { Overrides::default() };
        check_embedder(folder, &overrides)?
    };
    if format == Format::Json {
        output::json(&checked)?;
    } else {
        print(&checked);
    }
    Ok(if checked.passed { EXIT_OK } else { EXIT_PROBLEMS })
}

fn check_embedder(folder: PathBuf, overrides: &Overrides) -> Result<Checked> {
    let model = embedding::load_with(&folder, overrides)?;
    let questions = model.embed(&TRIPLES.map(|[question, ..]| question), Role::Query)?;
    let related = model.embed(&TRIPLES.map(|[_, related, _]| related), Role::Document)?;
    let unrelated = model.embed(&TRIPLES.map(|[.., unrelated]| unrelated), Role::Document)?;
    let pairs = pairs(|n| (cosine(&questions[n], &related[n]), cosine(&questions[n], &unrelated[n])));
    Ok(Checked {
        folder,
        name: model.name().to_owned(),
        dimensions: Some(model.dimensions()),
        fingerprint: Some(model.fingerprint().to_owned()),
        description: Some(model.description()),
        passed: passed(&pairs),
        pairs,
    })
}

fn check_reranker(folder: PathBuf) -> Result<Checked> {
    let model = embedding::load_reranker(&folder)?;
    let mut values = Vec::new();
    for [question, related, unrelated] in TRIPLES {
        let relevance = model.relevance(question, &[related, unrelated])?;
        values.push((relevance[0], relevance[1]));
    }
    let pairs = pairs(|n| values[n]);
    Ok(Checked {
        folder,
        name: model.name().to_owned(),
        dimensions: None,
        fingerprint: None,
        description: None,
        passed: passed(&pairs),
        pairs,
    })
}

fn pairs(values: impl Fn(usize) -> (f32, f32)) -> Vec<Pair> {
    let pair = |(number, [question, related, unrelated]): (usize, [&'static str; 3])| {
        let (related_value, unrelated_value) = values(number);
        Pair { question, related, related_value, unrelated, unrelated_value }
    };
    TRIPLES.into_iter().enumerate().map(pair).collect()
}

fn passed(pairs: &[Pair]) -> bool {
    pairs.iter().all(|pair| pair.related_value > pair.unrelated_value)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}

fn print(checked: &Checked) {
    let line = |name: &str, value: &str| output::text(&format!("{name:<16} {value}"));
    line("name", &checked.name);
    line("folder", &checked.folder.display().to_string());
    if let Some(description) = &checked.description {
        line("type", &description.architecture);
        line("dimensions", &checked.dimensions.map(|size| size.to_string()).unwrap_or_default());
        line("max length", &description.max_length.map_or_else(|| "unbounded".to_owned(), |length| length.to_string()));
        line("pooling", &description.pooling);
        line("normalised", if description.normalize { "yes" } else { "no" });
        line("query prompt", &description.query_prompt);
        line("document prompt", &description.document_prompt);
        line("fingerprint", checked.fingerprint.as_deref().unwrap_or_default());
    } else {
        line("type", "cross-encoder");
    }
    for pair in &checked.pairs {
        let verdict = if pair.related_value > pair.unrelated_value { "ok" } else { "WRONG" };
        output::text(&format!("{verdict:<5} {}", pair.question));
        output::text(&format!("      {:.3} {}", pair.related_value, pair.related));
        output::text(&format!("      {:.3} {}", pair.unrelated_value, pair.unrelated));
    }
    if !checked.passed {
        output::note("the model finds an unrelated question nearer than a related one; check its files, pooling and prompts");
    }
}
