//! The service under load, over real connections: the starter corpus, `POST /v1/suggest`, questions from its golden sets.
//! First one client without a pause, then a steady rate of requests. Prints figures and asserts none but that no request
//! fails.
//!
//! `cargo bench --bench load -- [SECONDS] [REQUESTS_PER_SECOND] [CONNECTIONS]` (10, 200 and 16 if not given)

#[path = "support.rs"]
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use yingda::config::Config;
use yingda::corpus::Corpus;
use yingda::service::Service;

/// Requests of the first part.
const ALONE: usize = 2_000;

fn main() {
    // cargo adds `--bench`.
    let given: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let seconds = given.first().copied().unwrap_or(10);
    let rate = given.get(1).copied().unwrap_or(200).max(1);
    let connections = given.get(2).copied().unwrap_or(16).max(1) as usize;

    let corpus = Corpus::load(&support::root().join("corpus")).expect("the starter corpus");
    let folder = TempDir::new().expect("a temporary folder");
    let model = support::model();
    let started = Instant::now();
    support::publish(&corpus, folder.path(), model.as_ref());
    println!("index: {} entries in {:.2} s", corpus.entries.len(), started.elapsed().as_secs_f64());
    let flags = [("data.path", folder.path().display().to_string())];
    let config = Config::resolve(None, [], &flags).expect("settings");
    let service = Arc::new(Service::new(&config, model).expect("a service"));
    service.live().refresh().expect("the generation");

    let questions: Vec<String> = corpus.golden.values().flatten().map(|golden| golden.question.clone()).collect();
    let bodies: Vec<String> =
        questions.iter().map(|text| json!({"messages": [{"role": "customer", "text": text}]}).to_string()).collect();
    let (address, stop, server) = serve(service);

    report("one client", &client(address, &bodies, ALONE), None);
    let total = (seconds * rate) as usize;
    let started = Instant::now();
    let samples = steadily(address, &bodies, total, rate, connections);
    report(&format!("{rate} requests/s over {connections} connections"), &samples, Some(started.elapsed()));
    println!("peak memory (VmHWM): {}", peak_memory());

    let _ = stop.send(());
    server.join().expect("the server ends in order");
    assert!(samples.iter().all(|sample| sample.ok), "a request failed");
}

struct Sample {
    took: Duration,
    ok: bool,
}

fn serve(service: Arc<Service>) -> (SocketAddr, tokio::sync::oneshot::Sender<()>, std::thread::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a listening socket");
    let address = listener.local_addr().expect("a listening socket");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listening socket");
            let stop = async {
                let _ = stopped.await;
            };
            yingda::http::serve(service, listener, stop).await.expect("the server");
        });
    });
    (address, stop, thread)
}

fn ask(agent: &ureq::Agent, address: SocketAddr, body: &str) -> bool {
    let sent = agent.post(format!("http://{address}/v1/suggest")).header("content-type", "application/json").send(body);
    sent.is_ok_and(|mut reply| reply.body_mut().read_to_vec().is_ok_and(|bytes| !bytes.is_empty()))
}

/// One client that asks as soon as it was answered.
fn client(address: SocketAddr, bodies: &[String], total: usize) -> Vec<Sample> {
    let agent = ureq::Agent::new_with_defaults();
    let mut samples = Vec::with_capacity(total);
    for number in 0..total {
        let started = Instant::now();
        let ok = ask(&agent, address, &bodies[number % bodies.len()]);
        samples.push(Sample { took: started.elapsed(), ok });
    }
    samples
}

/// A steady rate: request number n is due n / rate seconds after the start, whoever is free takes it, and its time counts
/// from when it was due, so that waiting for a free connection is not hidden.
fn steadily(address: SocketAddr, bodies: &[String], total: usize, rate: u64, connections: usize) -> Vec<Sample> {
    let (started, next) = (Instant::now(), AtomicUsize::new(0));
    let worker = || {
        let agent = ureq::Agent::new_with_defaults();
        let mut samples = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= total {
                return samples;
            }
            let due = started + Duration::from_secs_f64(number as f64 / rate as f64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let ok = ask(&agent, address, &bodies[number % bodies.len()]);
            samples.push(Sample { took: due.elapsed(), ok });
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a client")).collect()
    })
}

fn report(name: &str, samples: &[Sample], took: Option<Duration>) {
    let mut times: Vec<f64> = samples.iter().map(|sample| sample.took.as_secs_f64() * 1_000.0).collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or(0.0);
    let errors = samples.iter().filter(|sample| !sample.ok).count();
    let rate = took.map(|took| format!(", {:.1} answered/s", samples.len() as f64 / took.as_secs_f64())).unwrap_or_default();
    println!(
        "{name}: {} requests, {errors} errors{rate}, p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        samples.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}

/// The largest amount of memory this process has used; client and server are one process here.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "not known on this system".to_owned(), |text| text.trim().to_owned())
}
