//! A real server on a free port of the loopback interface, and a plain client for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use yingda::config::Config;
use yingda::service::Service;

use super::model;

/// A running server; it stops, letting running requests end, when it is dropped.
pub struct Server {
    address: SocketAddr,
    agent: ureq::Agent,
    service: Arc<Service>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// The `X-Request-ID` header, empty if there is none.
    pub request_id: String,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }
}

impl Server {
    /// Serves what is published in the data folder of `config`, if anything is.
    pub fn start(config: &Config) -> Self {
        let service = Arc::new(Service::new(config, model()).expect("a service"));
        service.live().refresh().expect("the published generation opens");
        Self::serve(service)
    }

    /// Serves `service`.
    pub fn serve(service: Arc<Service>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listening socket");
        let address = listener.local_addr().expect("a listening socket");
        let (stop, stopped) = oneshot::channel::<()>();
        let served = Arc::clone(&service);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listening socket");
                let stop = async move {
                    let _ = stopped.await;
                };
                yingda::http::serve(served, listener, stop).await.expect("the server ends in order");
            });
        });
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        Server { address, agent, service, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The service behind it.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Sends JSON.
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_bytes(path, body.to_string().as_bytes())
    }

    /// Sends a body as it is.
    pub fn post_bytes(&self, path: &str, body: &[u8]) -> Reply {
        self.send("POST", path, &[("content-type", "application/json")], body)
    }

    /// Asks for a path.
    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    /// Sends any request.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = if body.is_empty() && method != "POST" {
            self.agent.run(request.body(()).expect("a request"))
        } else {
            self.agent.run(request.body(body).expect("a request"))
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let request_id = answer.headers().get("x-request-id").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let body = answer.body_mut().read_to_string().expect("a body of text");
        Reply { status: answer.status().as_u16(), request_id, body }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Connections that are kept alive would hold the server up.
        self.agent = ureq::Agent::new_with_defaults();
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}
