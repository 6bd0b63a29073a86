//! `yingda serve`, also what runs without a command: index at first start, then serve until stopped.

use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;

use super::{EXIT_OK, index, output};
use crate::config::Config;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::generation::DataFolder;
use crate::service::{Service, load_model};

#[derive(Debug, Default, Args)]
pub struct ServeArguments {
    /// Address and port [default: 127.0.0.1:8600]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
}

/// Serves until Ctrl-C or a stop signal.
pub fn run(config: &Config) -> Result<u8> {
    let first_start = DataFolder::new(&config.data.path).current()?.is_none();
    let corpus = if first_start {
        output::note(&format!("first start: indexing {}", config.corpus.path.display()));
        Some(index::read(config)?)
    } else {
        None
    };
    let model = load_model(config)?;
    if let Some(corpus) = corpus {
        let built = index::publish(config, &corpus, model.as_ref(), false)?;
        output::note(&format!("published {}", built.id));
    }
    let service = Arc::new(Service::new(config, model)?.keeping_unanswered());
    service.live().refresh()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("cannot start the runtime", error))?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        let listen = config.server.listen;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| Error::Internal(format!("cannot listen on {listen}: {error}; choose another with --listen")))?;
        let address = listener.local_addr().map_err(|error| Error::internal("cannot listen", error))?;
        let service_for_hint = Arc::clone(&service);
        let corpus_path = config.corpus.path.clone();
        tokio::task::spawn_blocking(move || hint_if_stale(&service_for_hint, &corpus_path));
        output::note(&format!("serving on http://{address} — try:"));
        output::note(&format!(
            "  curl -s http://{address}/v1/suggest -d '{{\"messages\":[{{\"role\":\"customer\",\"text\":\"退款 未到账\"}}]}}'"
        ));
        crate::http::serve(service, listener, stop).await
    })?;
    Ok(EXIT_OK)
}

/// Says so if the corpus folder is not what is being served.
fn hint_if_stale(service: &Service, corpus: &std::path::Path) {
    let (Ok(corpus), Some(generation)) = (Corpus::load(corpus), service.live().get()) else { return };
    if corpus.hash != generation.manifest.corpus_hash {
        tracing::warn!("the corpus folder has changed since it was indexed; run `yingda index` to publish it");
    }
}

/// Ready once the program is told to stop. Listening begins here and not at the first poll: a signal that comes while the server
/// is still starting must not kill it.
#[cfg(unix)]
fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| Error::internal("cannot listen for the stop signal", error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    })
}

/// Ready once the program is told to stop.
#[cfg(not(unix))]
fn stop_signal() -> Result<impl Future<Output = ()>> {
    Ok(async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "cannot listen for Ctrl-C");
            std::future::pending::<()>().await;
        }
    })
}
