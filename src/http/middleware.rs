//! What happens around every request: its id, the key, the limits on size, time and number, and its counter.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::dify::{self, DifyError};
use super::errors::HttpError;
use super::routes::AppState;

/// Largest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
const REQUEST_ID: &str = "x-request-id";

/// The request's id, for handlers.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// The request's body, read within its limits.
#[derive(Debug, Clone)]
pub struct WholeBody(pub Bytes);

/// Wraps every request.
pub async fn guard(State(state): State<Arc<AppState>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = match admit(&state, &route, request, next).await {
        Ok(response) => response,
        Err(refusal) => {
            let mut response = match refusal {
                Refusal::Ours(error) => error.response(&id),
                Refusal::Dify(error) => error.into_response(),
            };
            // Its body may not have been read, and then nothing more can be read from this connection: the client must know.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    state.metrics.observe(&route, response.status().as_u16(), started.elapsed());
    response
}

/// Why a request is not let in, in the words of its route.
enum Refusal {
    Ours(HttpError),
    Dify(DifyError),
}

async fn admit(state: &AppState, route: &str, request: Request, next: Next) -> Result<Response, Refusal> {
    if route == dify::PATH {
        dify::authorise(request.headers(), &state.service.config().server.api_keys).map_err(Refusal::Dify)?;
        return within_limits(state, request, next).await.map_err(|error| Refusal::Dify(error.into()));
    }
    let open = matches!(route, "/healthz" | "/readyz");
    if !open && !authorised(request.headers(), &state.service.config().server.api_keys) {
        let message = "send a valid key as `Authorization: Bearer KEY` or `X-API-Key: KEY`";
        return Err(Refusal::Ours(HttpError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)));
    }
    within_limits(state, request, next).await.map_err(Refusal::Ours)
}

/// Lets the request run within its limits on number, size and time.
async fn within_limits(state: &AppState, request: Request, next: Next) -> Result<Response, HttpError> {
    let limit = Duration::from_secs(state.service.config().server.timeout_seconds);
    let work = async {
        let _permit = state
            .permits
            .acquire()
            .await
            .map_err(|_| HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server is stopping"))?;
        let (mut parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
            let message = format!("the body is larger than {MAX_BODY_BYTES} bytes, or broke off");
            HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
        })?;
        parts.extensions.insert(WholeBody(body));
        Ok(next.run(Request::from_parts(parts, Body::empty())).await)
    };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let message = format!("the request took longer than {} s", limit.as_secs());
        Err(HttpError::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message))
    })
}

/// The client's id if it is usable, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (1..=128).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic()))
        .map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}

/// True if no key is wanted, or the request carries one. Every key is compared in constant time.
fn authorised(headers: &HeaderMap, keys: &[String]) -> bool {
    if keys.is_empty() {
        return true;
    }
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    let Some(given) = bearer.or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok())) else { return false };
    known_key(given, keys)
}

/// True if `given` is one of `keys`, each compared in constant time.
pub fn known_key(given: &str, keys: &[String]) -> bool {
    keys.iter().fold(false, |found, key| found | bool::from(key.as_bytes().ct_eq(given.as_bytes())))
}
