//! `POST /v1/check` and `yingda check-text`: an agent's draft before it is sent.

use super::{CheckRequest, CheckResponse, Service};
use crate::compliance::Verdict;
use crate::error::{Error, Result};

impl Service {
    /// Checks a draft against the published rules, and by what it reads like if the settings say so.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if the draft is empty or too long, [`Error::NoGeneration`] while nothing is published.
    pub fn check(&self, request: &CheckRequest, request_id: &str) -> Result<CheckResponse> {
        if request.text.trim().is_empty() {
            return Err(Error::InvalidRequest("text is empty; send the draft".into()));
        }
        let violations = self.generation()?.checker.check_with(&request.text, request.channel, self.opinion.as_ref())?;
        let verdict = Verdict::of(&violations);
        Ok(CheckResponse { request_id: request_id.to_owned(), violations, verdict })
    }
}
