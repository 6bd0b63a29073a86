//! The routes. Handlers are thin: read the body, call the service on a thread for computing, map the result.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router, middleware as layers};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use super::dify;
use super::errors::HttpError;
use super::extract::json;
use super::metrics::Metrics;
use super::middleware::{RequestId, WholeBody, guard};
use crate::error::Result;
use crate::service::{AnalyzeRequest, CheckRequest, SearchRequest, Service, SuggestRequest};

/// What handlers share.
pub struct AppState {
    pub(super) service: Arc<Service>,
    pub(super) metrics: Metrics,
    pub(super) permits: Semaphore,
}

type Shared = State<Arc<AppState>>;

/// The whole HTTP service as a router.
pub fn app(service: Arc<Service>) -> Router {
    let permits = Semaphore::new(service.config().server.concurrency);
    let state = Arc::new(AppState { service, metrics: Metrics::default(), permits });
    Router::new()
        .route("/v1/search", post(search))
        .route("/v1/suggest", post(suggest))
        .route("/v1/answer", post(answer))
        .route(dify::PATH, post(dify::retrieval))
        .route("/v1/check", post(check))
        .route("/v1/analyze", post(analyze))
        .route("/v1/entries/{id}", get(entry))
        .route("/v1/status", get(status))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(layers::from_fn_with_state(Arc::clone(&state), guard))
        .with_state(state)
}

/// Runs `work` on a thread for computing and maps its result.
async fn compute<T: Serialize + Send + 'static>(id: RequestId, work: impl FnOnce(&str) -> Result<T> + Send + 'static) -> Response {
    let request_id = id.0.clone();
    match tokio::task::spawn_blocking(move || work(&request_id)).await {
        Ok(Ok(value)) => Json(value).into_response(),
        Ok(Err(error)) => HttpError::from(error).response(&id.0),
        Err(error) => {
            tracing::error!(%error, "a request's computation broke off");
            internal().response(&id.0)
        }
    }
}

/// Reads the body, then computes.
async fn with_body<B, T>(id: RequestId, body: WholeBody, work: impl FnOnce(B, &str) -> Result<T> + Send + 'static) -> Response
where
    B: DeserializeOwned + Send + 'static,
    T: Serialize + Send + 'static,
{
    match json::<B>(&body.0) {
        Ok(request) => compute(id, move |id| work(request, id)).await,
        Err(error) => error.response(&id.0),
    }
}

async fn search(State(state): Shared, Extension(id): Extension<RequestId>, Extension(body): Extension<WholeBody>) -> Response {
    with_body(id, body, move |request: SearchRequest, id| state.service.search(&request, id)).await
}

async fn suggest(State(state): Shared, Extension(id): Extension<RequestId>, Extension(body): Extension<WholeBody>) -> Response {
    with_body(id, body, move |request: SuggestRequest, id| state.service.suggest(&request, id)).await
}

async fn check(State(state): Shared, Extension(id): Extension<RequestId>, Extension(body): Extension<WholeBody>) -> Response {
    with_body(id, body, move |request: CheckRequest, id| state.service.check(&request, id)).await
}

async fn analyze(State(state): Shared, Extension(id): Extension<RequestId>, Extension(body): Extension<WholeBody>) -> Response {
    with_body(id, body, move |request: AnalyzeRequest, id| state.service.analyze(&request, id)).await
}

async fn answer(State(state): Shared, Extension(id): Extension<RequestId>, Extension(body): Extension<WholeBody>) -> Response {
    with_body(id, body, move |request: SuggestRequest, id| state.service.answer(&request, id)).await
}

async fn entry(
    State(state): Shared,
    Extension(id): Extension<RequestId>,
    entry: std::result::Result<Path<String>, PathRejection>,
) -> Response {
    match entry {
        Ok(Path(entry)) => compute(id, move |_| state.service.entry(&entry)).await,
        Err(rejection) => HttpError::new(StatusCode::BAD_REQUEST, "invalid_request", rejection.body_text()).response(&id.0),
    }
}

async fn status(State(state): Shared) -> Response {
    Json(state.service.status()).into_response()
}

async fn healthz() -> &'static str {
    "ok"
}

async fn readyz(State(state): Shared, Extension(id): Extension<RequestId>) -> Response {
    match state.service.generation() {
        Ok(_) => "ready".into_response(),
        Err(error) => HttpError::from(error).response(&id.0),
    }
}

async fn metrics(State(state): Shared) -> Response {
    let generation = state.service.live().get();
    let text = state.metrics.render(generation.as_ref().map(|generation| generation.id()));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn no_route(Extension(id): Extension<RequestId>) -> Response {
    HttpError::new(StatusCode::NOT_FOUND, "not_found", "there is no such path; see the README for the endpoints").response(&id.0)
}

async fn wrong_method(Extension(id): Extension<RequestId>) -> Response {
    let message = "this path does not take this method; see the README for the endpoints";
    HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message).response(&id.0)
}

fn internal() -> HttpError {
    HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request failed; the server's log says why")
}

/// The answer to a handler that panicked; `guard` adds the request's id as a header.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    internal().response("")
}
