//! Dify's route: its handler and its errors. Dify reads the status first and shows `error_msg` to whoever builds the app;
//! the codes are 1001 (the `Authorization` header is malformed) and 1002 (the key is wrong), both with 403, and 2001 (no such
//! knowledge) with 404. Its specification has no code for anything else; there `error_code` repeats the HTTP status.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;

use super::errors::HttpError;
use super::extract::json;
use super::middleware::{WholeBody, known_key};
use super::routes::AppState;
use crate::error::Error;
use crate::service::RetrievalRequest;

/// The route's path.
pub const PATH: &str = "/dify/retrieval";

const MALFORMED_AUTHORIZATION: u16 = 1001;
const AUTHORIZATION_FAILED: u16 = 1002;
const NO_SUCH_KNOWLEDGE: u16 = 2001;

#[derive(Debug, Serialize)]
struct ErrorBody {
    error_code: u16,
    error_msg: String,
}

/// An error as Dify reads it.
#[derive(Debug)]
pub struct DifyError {
    status: StatusCode,
    code: u16,
    message: String,
}

impl IntoResponse for DifyError {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorBody { error_code: self.code, error_msg: self.message })).into_response()
    }
}

impl From<HttpError> for DifyError {
    fn from(error: HttpError) -> Self {
        let (status, message) = error.into_parts();
        DifyError { status, code: status.as_u16(), message }
    }
}

impl From<Error> for DifyError {
    fn from(error: Error) -> Self {
        let no_knowledge = matches!(error, Error::NotFound(_));
        let mut error = DifyError::from(HttpError::from(error));
        if no_knowledge {
            error.code = NO_SUCH_KNOWLEDGE;
        }
        error
    }
}

/// Checks the key, which Dify sends as `Authorization: Bearer KEY` and in no other way.
pub fn authorise(headers: &HeaderMap, keys: &[String]) -> Result<(), DifyError> {
    if keys.is_empty() {
        return Ok(());
    }
    let denied = |code, message: &str| DifyError { status: StatusCode::FORBIDDEN, code, message: message.to_owned() };
    let key = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim())
        .filter(|key| !key.is_empty() && !key.contains(' '));
    match key {
        None => {
            let message = "Invalid Authorization header format. Expected 'Bearer <api-key>' format.";
            Err(denied(MALFORMED_AUTHORIZATION, message))
        }
        Some(key) if known_key(key, keys) => Ok(()),
        Some(_) => Err(denied(AUTHORIZATION_FAILED, "Authorization failed; the key is not one of this server's")),
    }
}

/// `POST /dify/retrieval`
pub async fn retrieval(State(state): State<Arc<AppState>>, Extension(body): Extension<WholeBody>) -> Response {
    let request: RetrievalRequest = match json(&body.0) {
        Ok(request) => request,
        Err(error) => return DifyError::from(error).into_response(),
    };
    match tokio::task::spawn_blocking(move || state.service.retrieval(&request)).await {
        Ok(Ok(response)) => Json(response).into_response(),
        Ok(Err(error)) => DifyError::from(error).into_response(),
        Err(error) => DifyError::from(Error::internal("a request's computation broke off", error)).into_response(),
    }
}
