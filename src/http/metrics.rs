//! Counters for `/metrics`, in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

/// Upper ends of the latency histogram's buckets, in seconds.
const BUCKETS: [f64; 9] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0];

#[derive(Default)]
struct Series {
    count: u64,
    seconds: f64,
    buckets: [u64; BUCKETS.len()],
}

/// Requests by route and status.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(String, u16), Series>>,
}

impl Metrics {
    /// Counts one answered request.
    pub fn observe(&self, route: &str, status: u16, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let series = requests.entry((route.to_owned(), status)).or_default();
        let seconds = took.as_secs_f64();
        series.count += 1;
        series.seconds += seconds;
        for (bucket, end) in series.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= end);
        }
    }

    /// All counters as text.
    pub fn render(&self, generation: Option<&str>) -> String {
        let requests = self.requests.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut out =
            String::from("# HELP yingda_request_seconds Time to answer a request.\n# TYPE yingda_request_seconds histogram\n");
        for ((route, status), series) in requests.iter() {
            let labels = format!("route=\"{route}\",status=\"{status}\"");
            for (count, end) in series.buckets.iter().zip(BUCKETS) {
                let _ = writeln!(out, "yingda_request_seconds_bucket{{{labels},le=\"{end}\"}} {count}");
            }
            let _ = writeln!(out, "yingda_request_seconds_bucket{{{labels},le=\"+Inf\"}} {}", series.count);
            let _ = writeln!(out, "yingda_request_seconds_sum{{{labels}}} {}", series.seconds);
            let _ = writeln!(out, "yingda_request_seconds_count{{{labels}}} {}", series.count);
        }
        out.push_str("# HELP yingda_ready 1 while a generation is served.\n# TYPE yingda_ready gauge\n");
        match generation {
            Some(id) => {
                let _ = writeln!(out, "yingda_ready{{generation=\"{id}\"}} 1");
            }
            None => out.push_str("yingda_ready 0\n"),
        }
        out
    }
}
