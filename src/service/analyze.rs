//! `POST /v1/analyze` and `yingda analyze`: how a text is read, in the index and in a query.

use serde::{Deserialize, Serialize};

use super::Service;
use crate::error::Result;
use crate::query::{self, Readings};

/// `POST /v1/analyze`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalyzeRequest {
    /// The text, up to 2,000 characters.
    pub text: String,
}

/// The answer of `POST /v1/analyze`.
#[derive(Debug, Clone, Serialize)]
pub struct AnalyzeResponse {
    /// Id of the request.
    pub request_id: String,
    /// The generation whose dictionaries and words were used.
    pub generation: String,
    /// The text as it was sent.
    pub text: String,
    /// How it is read.
    #[serde(flatten)]
    pub readings: Readings,
}

impl Service {
    /// Shows how a text is read with the serving generation's words.
    ///
    /// # Errors
    /// [`crate::Error::InvalidRequest`] if it is empty or too long, [`crate::Error::NoGeneration`] while nothing is published.
    pub fn analyze(&self, request: &AnalyzeRequest, request_id: &str) -> Result<AnalyzeResponse> {
        let generation = self.generation()?;
        let readings = query::read(&generation, &request.text)?;
        Ok(AnalyzeResponse {
            request_id: request_id.to_owned(),
            generation: generation.id().to_owned(),
            text: request.text.clone(),
            readings,
        })
    }
}
