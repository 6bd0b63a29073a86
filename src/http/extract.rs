//! Request bodies: JSON read in one place, with errors that say where.

use axum::body::Bytes;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::errors::HttpError;

/// Reads a JSON body.
pub fn json<T: DeserializeOwned>(body: &Bytes) -> Result<T, HttpError> {
    let bad = |message: String| HttpError::new(StatusCode::BAD_REQUEST, "invalid_request", message);
    if body.is_empty() {
        return Err(bad("the body is empty; send a JSON object".into()));
    }
    let text = std::str::from_utf8(body).map_err(|error| bad(format!("the body is not UTF-8 at byte {}", error.valid_up_to())))?;
    if text.trim_start().starts_with('[') {
        // A list would be taken as the fields in their order.
        return Err(bad("the body is a list; send a JSON object".into()));
    }
    serde_json::from_str(text).map_err(|error| {
        let kind = if error.is_data() { "the body does not fit" } else { "the body is not valid JSON" };
        bad(format!("{kind}: {error}"))
    })
}
