//! The generation that serves, and how it is replaced while requests run.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;

use super::open::Generation;
use super::publish::DataFolder;
use crate::embedding::Embedder;
use crate::error::Result;

/// Holds the serving generation. A request takes it once; a replacement never disturbs requests that already run.
pub struct Live {
    data: DataFolder,
    embedder: Arc<dyn Embedder>,
    serving: ArcSwapOption<Generation>,
    /// Id of the last generation that could not be opened, so that it is reported once and not at every look.
    refused: Mutex<Option<String>>,
}

impl Live {
    /// A holder for the generations of `data`; call [`Live::refresh`] to open the current one.
    pub fn new(data: DataFolder, embedder: Arc<dyn Embedder>) -> Self {
        Live { data, embedder, serving: ArcSwapOption::empty(), refused: Mutex::new(None) }
    }

    /// The serving generation, if one is open.
    pub fn get(&self) -> Option<Arc<Generation>> {
        self.serving.load_full()
    }

    /// Opens the published generation if it is not the serving one; true if it was replaced.
    ///
    /// # Errors
    /// If it cannot be opened; the old one goes on serving, and the same generation is not tried again.
    pub fn refresh(&self) -> Result<bool> {
        let Some(id) = self.data.current()? else { return Ok(false) };
        if self.get().is_some_and(|generation| generation.id() == id) {
            return Ok(false);
        }
        let mut refused = self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if refused.as_ref() == Some(&id) {
            return Ok(false);
        }
        match Generation::open(&self.data, &id, Arc::clone(&self.embedder)) {
            Ok(generation) => {
                *refused = None;
                self.serving.store(Some(Arc::new(generation)));
                Ok(true)
            }
            Err(error) => {
                *refused = Some(id);
                Err(error)
            }
        }
    }
}
