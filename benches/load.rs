//! The service under load, over real connections: the shipped program as a process of its own, the starter corpus,
//! `POST /v1/suggest` with questions from its golden sets. First one client without a pause, with the bare round trip
//! (`GET /healthz`) beside it as the baseline; then a steady rate of requests. Prints figures and asserts none but that no
//! request fails.
//!
//! `cargo bench --bench load -- [SECONDS] [REQUESTS_PER_SECOND] [CONNECTIONS]` (10, 200 and 16 if not given)

#[path = "support.rs"]
mod support;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use yingda::corpus::Corpus;

/// Requests of the first part.
const ALONE: usize = 2_000;
/// Longest time that the first start may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    // cargo adds `--bench`.
    let given: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let seconds = given.first().copied().unwrap_or(10);
    let rate = given.get(1).copied().unwrap_or(200).max(1);
    let connections = given.get(2).copied().unwrap_or(16).max(1) as usize;

    let corpus = Corpus::load(&support::root().join("corpus")).expect("the starter corpus");
    let questions: Vec<String> = corpus.golden.values().flatten().map(|golden| golden.question.clone()).collect();
    let bodies: Vec<String> =
        questions.iter().map(|text| json!({"messages": [{"role": "customer", "text": text}]}).to_string()).collect();
    let folder = TempDir::new().expect("a temporary folder");
    let started = Instant::now();
    let server = Server::start(folder.path());
    println!("first start, indexing {} entries: {:.2} s", corpus.entries.len(), started.elapsed().as_secs_f64());

    let alone = |call: &dyn Fn(&ureq::Agent, &str) -> bool| client(&bodies, ALONE, call);
    alone(&|agent, body| server.suggest(agent, body));
    report("one client, /healthz", &alone(&|agent, _| server.health(agent)), None);
    let samples = alone(&|agent, body| server.suggest(agent, body));
    report("one client, /v1/suggest", &samples, None);
    let total = (seconds * rate) as usize;
    let started = Instant::now();
    let steady = steadily(&server, &bodies, total, rate, connections);
    report(&format!("{rate} requests/s over {connections} connections"), &steady, Some(started.elapsed()));
    println!("peak memory of the server (VmHWM): {}", server.peak_memory());
    drop(server);
    assert!(samples.iter().chain(&steady).all(|sample| sample.ok), "a request failed");
}

/// The program, serving; killed when dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(data: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let process = Command::new(env!("CARGO_BIN_EXE_yingda"))
            .current_dir(support::root())
            .args(["serve", "--listen", &address.to_string(), "--data"])
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut server = Server { process, address };
        let agent = ureq::Agent::new_with_defaults();
        let started = Instant::now();
        while agent.get(format!("http://{address}/readyz")).call().is_err() {
            assert!(
                server.process.try_wait().expect("the program's state").is_none(),
                "the server ended; run `yingda serve` to see why"
            );
            assert!(started.elapsed() < PATIENCE, "the server is not ready after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn suggest(&self, agent: &ureq::Agent, body: &str) -> bool {
        let sent = agent.post(format!("http://{}/v1/suggest", self.address)).header("content-type", "application/json").send(body);
        sent.is_ok_and(|mut reply| reply.body_mut().read_to_vec().is_ok_and(|bytes| !bytes.is_empty()))
    }

    fn health(&self, agent: &ureq::Agent) -> bool {
        let sent = agent.get(format!("http://{}/healthz", self.address)).call();
        sent.is_ok_and(|mut reply| reply.body_mut().read_to_vec().is_ok())
    }

    /// The largest amount of memory that the server has used.
    fn peak_memory(&self) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.map_or_else(|| "not known on this system".to_owned(), |text| text.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Sample {
    took: Duration,
    ok: bool,
}

/// One client that asks as soon as it was answered.
fn client(bodies: &[String], total: usize, call: &dyn Fn(&ureq::Agent, &str) -> bool) -> Vec<Sample> {
    let agent = ureq::Agent::new_with_defaults();
    let mut samples = Vec::with_capacity(total);
    for number in 0..total {
        let started = Instant::now();
        let ok = call(&agent, &bodies[number % bodies.len()]);
        samples.push(Sample { took: started.elapsed(), ok });
    }
    samples
}

/// A steady rate: request number n is due n / rate seconds after the start, whoever is free takes it, and its time counts
/// from when it was due, so that waiting for a free connection is not hidden.
fn steadily(server: &Server, bodies: &[String], total: usize, rate: u64, connections: usize) -> Vec<Sample> {
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
            let ok = server.suggest(&agent, &bodies[number % bodies.len()]);
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
