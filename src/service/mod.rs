//! The application: what each endpoint and each command does, in one place, so that `POST /v1/search` and `yingda search
//! --format json` give the same answer. It knows requests as data; it knows neither HTTP nor terminals.

mod abreast;
mod analyze;
mod answer;
mod check;
mod conversation;
mod decide;
mod dify;
mod dify_condition;
mod explain;
mod find;
mod guard;
mod risk;
mod search;
mod suggest;
mod unanswered;
mod wire;
mod wire_answer;

pub use analyze::{AnalyzeRequest, AnalyzeResponse};
pub use dify::{KNOWLEDGE_ID, Record, RetrievalRequest, RetrievalResponse, RetrievalSetting};
pub use dify_condition::{Condition, MetadataCondition, OneOrMany};
pub use explain::DiagnosisReport;
pub use unanswered::UNANSWERED_FILE;
pub use wire::*;
pub use wire_answer::*;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::compliance::{Likeness, Opinion};
use crate::config::{Config, HubConfig, ModelConfig, RerankerConfig};
use crate::corpus::Entry;
use crate::embedding::hub::{self, Hub};
use crate::embedding::{self, Embedder, Overrides, Pooling};
use crate::error::{Error, Result};
use crate::generation::{DataFolder, Generation, Live};
use crate::query::{Ranker, Reranking};
use crate::reply::Moment;

use unanswered::Ledger;

/// Everything a request needs besides its own content.
pub struct Service {
    live: Live,
    ranker: Ranker,
    opinion: Option<Opinion>,
    zone: TimeZone,
    config: Config,
    started: Timestamp,
    ledger: Ledger,
}

/// Loads the model that `config` names.
pub fn load_model(config: &Config) -> Result<Arc<dyn Embedder>> {
    let folder = hub::resolve(&config.model.path, &hub_of(config).cache)?;
    embedding::load_with(&folder, &overrides(config)?).map(Arc::from)
}

/// What `[model]` sets in place of what the model's files say.
pub fn overrides(config: &Config) -> Result<Overrides> {
    let ModelConfig { pooling, normalize, query_prompt, document_prompt, max_length, .. } = &config.model;
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let pooling = given(pooling).map(|name| {
        Pooling::parse(&name).ok_or_else(|| {
            let known: Vec<&str> = Pooling::ALL.iter().map(|(_, name, _)| *name).collect();
            Error::Config(format!("model.pooling is “{name}”; use one of {}", known.join(", ")))
        })
    });
    Ok(Overrides {
        pooling: pooling.transpose()?,
        normalize: given(normalize).map(|text| text == "true"),
        query_prompt: given(query_prompt),
        document_prompt: given(document_prompt),
        max_length: Some(*max_length).filter(|length| *length > 0),
    })
}

/// Where models are fetched from and kept.
pub fn hub_of(config: &Config) -> Hub {
    let HubConfig { endpoint, home, cache, token, offline } = &config.hub;
    let cache = if cache.as_os_str().is_empty() { home.join("hub") } else { cache.clone() };
    let token = Some(token.clone()).filter(|token| !token.is_empty());
    Hub { endpoint: endpoint.clone(), cache, token, offline: *offline }
}

/// The cross-encoder that `config` names, if any, with its part in the ranking.
pub fn load_reranking(config: &Config) -> Result<Option<Reranking>> {
    let RerankerConfig { path, candidates, weight } = &config.reranker;
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let folder = hub::resolve(path, &hub_of(config).cache)?;
    let model = embedding::load_reranker(&folder)?;
    Ok(Some(Reranking { model: Arc::from(model), candidates: *candidates, weight: *weight }))
}

/// Loads the ranker that `config` names.
pub fn load_ranker(config: &Config) -> Result<Ranker> {
    if config.ranker.path.as_os_str().is_empty() { Ok(Ranker::built_in()) } else { Ranker::load(Path::new(&config.ranker.path)) }
}

/// The second opinion on drafts that `config` asks for, if any.
pub fn load_opinion(config: &Config) -> Result<Option<Opinion>> {
    let path = &config.drafts.path;
    let model = if path.as_os_str().is_empty() { Likeness::built_in() } else { Arc::new(Likeness::load(path)?) };
    Ok(Opinion::new(model, config.drafts.warned, config.drafts.softened))
}

impl Service {
    /// A service over the data folder of `config`, with no generation open yet.
    pub fn new(config: &Config, embedder: Arc<dyn Embedder>) -> Result<Self> {
        Ok(Service {
            live: Live::new(DataFolder::new(&config.data.path), embedder),
            ranker: load_ranker(config)?.with_reranking(load_reranking(config)?),
            opinion: load_opinion(config)?,
            zone: config.time_zone()?,
            config: config.clone(),
            started: Timestamp::now(),
            ledger: Ledger::default(),
        })
    }

    /// The same service, keeping the questions it finds nothing for in the data folder, as many as the settings say.
    pub fn keeping_unanswered(self) -> Self {
        let ledger = Ledger::new(&self.config.data.path, self.config.log.unanswered);
        Service { ledger, ..self }
    }

    /// The holder of the serving generation.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The settings in use.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The serving generation.
    ///
    /// # Errors
    /// [`Error::NoGeneration`] while there is none.
    pub fn generation(&self) -> Result<Arc<Generation>> {
        self.live.get().ok_or_else(|| Error::NoGeneration(self.config.data.path.clone()))
    }

    /// The entry with this id.
    pub fn entry(&self, id: &str) -> Result<Entry> {
        let generation = self.generation()?;
        generation.entry(id).cloned().ok_or_else(|| Error::NotFound(format!("there is no entry “{id}”")))
    }

    /// What is running.
    pub fn status(&self) -> StatusResponse {
        StatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started,
            generation: self.live.get().map(|generation| generation.manifest.summary()),
            ranker_version: self.ranker.version.clone(),
            answer_precision: self.config.decision.answer_precision,
            unanswered: self.ledger.count(),
        }
    }

    fn moment(&self, as_of: Option<Moment>) -> Timestamp {
        as_of.map_or_else(Timestamp::now, |moment| moment.at(&self.zone))
    }
}
