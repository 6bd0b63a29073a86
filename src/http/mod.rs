//! The HTTP service: [`app`] builds the router over a [`Service`], [`serve`] runs it. Handlers parse, call and map; what an
//! answer is, is decided in `service`. This room never imports `cli`.

mod dify;
mod errors;
mod extract;
mod metrics;
mod middleware;
mod routes;

pub use middleware::MAX_BODY_BYTES;
pub use routes::app;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::error::{Error, Result};
use crate::service::Service;

/// How long running requests may take to end after a stop signal.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until `stop` is ready, then lets running requests end. Looks for a new generation all the while.
///
/// # Errors
/// If the socket fails.
pub async fn serve(service: Arc<Service>, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let watcher = tokio::spawn(watch(Arc::clone(&service)));
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let signal = async move {
        stop.await;
        tracing::info!("stopping; running requests may take {} s to end", GRACE.as_secs());
        let _ = stopping.send(());
    };
    let server = axum::serve(listener, app(service)).with_graceful_shutdown(signal);
    let deadline = async {
        // An error means that the server ended by itself, and then there is nothing to wait for.
        if stopped.await.is_ok() {
            tokio::time::sleep(GRACE).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    let outcome = tokio::select! {
        outcome = server => outcome.map_err(|error| Error::internal("the server stopped", error)),
        () = deadline => Ok(()),
    };
    watcher.abort();
    outcome
}

/// Replaces the serving generation whenever another one is published.
async fn watch(service: Arc<Service>) {
    let mut pause = tokio::time::interval(Duration::from_millis(service.config().server.reload_milliseconds));
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pause.tick().await;
        let looking = Arc::clone(&service);
        match tokio::task::spawn_blocking(move || looking.live().refresh()).await {
            Ok(Ok(true)) => {
                if let Some(generation) = service.live().get() {
                    tracing::info!(generation = generation.id(), "serving a new generation");
                }
            }
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::error!(%error, "cannot open the published generation; the old one goes on serving"),
            Err(error) => tracing::error!(%error, "looking for a new generation failed"),
        }
    }
}
