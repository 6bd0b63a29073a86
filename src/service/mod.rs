//! The application: what each endpoint and each command does, in one place, so that `POST /v1/search` and `yingda search
//! --format json` give the same answer. It knows requests as data; it knows neither HTTP nor terminals.

mod answer;
mod check;
mod conversation;
mod decide;
mod dify;
mod dify_condition;
mod find;
mod guard;
mod risk;
mod search;
mod suggest;
mod wire;
mod wire_answer;

pub use dify::{KNOWLEDGE_ID, Record, RetrievalRequest, RetrievalResponse, RetrievalSetting};
pub use dify_condition::{Condition, MetadataCondition, OneOrMany};
pub use wire::*;
pub use wire_answer::*;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::Config;
use crate::corpus::Entry;
use crate::embedding::{self, Embedder};
use crate::error::{Error, Result};
use crate::generation::{DataFolder, Generation, Live};
use crate::query::Ranker;
use crate::reply::Moment;

/// Everything a request needs besides its own content.
pub struct Service {
    live: Live,
    ranker: Ranker,
    zone: TimeZone,
    config: Config,
    started: Timestamp,
}

/// Loads the model that `config` names.
pub fn load_model(config: &Config) -> Result<Arc<dyn Embedder>> {
    embedding::load(&config.model.path).map(Arc::from)
}

/// Loads the ranker that `config` names.
pub fn load_ranker(config: &Config) -> Result<Ranker> {
    if config.ranker.path.as_os_str().is_empty() { Ok(Ranker::built_in()) } else { Ranker::load(Path::new(&config.ranker.path)) }
}

impl Service {
    /// A service over the data folder of `config`, with no generation open yet.
    pub fn new(config: &Config, embedder: Arc<dyn Embedder>) -> Result<Self> {
        Ok(Service {
            live: Live::new(DataFolder::new(&config.data.path), embedder),
            ranker: load_ranker(config)?,
            zone: config.time_zone()?,
            config: config.clone(),
            started: Timestamp::now(),
        })
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
        }
    }

    fn moment(&self, as_of: Option<Moment>) -> Timestamp {
        as_of.map_or_else(Timestamp::now, |moment| moment.at(&self.zone))
    }
}
