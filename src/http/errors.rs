//! From domain errors to HTTP: the one table of status codes, and the body `{code, message, request_id}`. Internal errors keep
//! their details to the log.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::Error;

/// The body of every error.
#[derive(Debug, Serialize)]
struct ErrorBody {
    code: &'static str,
    message: String,
    request_id: String,
}

/// An error on its way out.
#[derive(Debug)]
pub struct HttpError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl HttpError {
    /// An error with its own status and code.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        HttpError { status, code, message: message.into() }
    }

    /// Status and message, for a route with an error body of its own.
    pub fn into_parts(self) -> (StatusCode, String) {
        (self.status, self.message)
    }

    /// The response, which names the request.
    pub fn response(self, request_id: &str) -> Response {
        let body = ErrorBody { code: self.code, message: self.message, request_id: request_id.to_owned() };
        (self.status, Json(body)).into_response()
    }
}

impl From<Error> for HttpError {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::InvalidRequest(_) => StatusCode::BAD_REQUEST,
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::NoGeneration(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let code = error.code();
        let message = match status {
            StatusCode::INTERNAL_SERVER_ERROR => {
                tracing::error!(%error, "request failed");
                "the request failed; the server's log says why".to_owned()
            }
            StatusCode::SERVICE_UNAVAILABLE => "no knowledge base is published yet; run `yingda index`".to_owned(),
            _ => error.to_string(),
        };
        HttpError { status, code, message }
    }
}
