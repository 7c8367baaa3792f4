//! Counters under Vault's names, as Prometheus text and as the JSON of go-metrics.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use hyper::StatusCode;
use serde_json::{Value, json};
use vault::Core;

use crate::clock;
use crate::http::Answer;

/// What is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    reads: Timer,
    writes: Timer,
    /// Answers by hundreds of their status code, from 1xx to 5xx.
    answers: [AtomicU64; 5],
}

/// A number of events and the time they took.
#[derive(Debug, Default)]
struct Timer {
    count: AtomicU64,
    nanos: AtomicU64,
    longest: AtomicU64,
}

/// A request that is being served.
#[derive(Debug)]
pub(crate) struct Started {
    at: Instant,
    is_read: bool,
}

impl Timer {
    fn add(&self, nanos: u64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.longest.fetch_max(nanos, Ordering::Relaxed);
    }

    /// Count, sum and longest, the times in milliseconds.
    fn read(&self) -> (u64, f64, f64) {
        let milliseconds = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64 / 1e6;
        (self.count.load(Ordering::Relaxed), milliseconds(&self.nanos), milliseconds(&self.longest))
    }
}

impl Metrics {
    pub(crate) fn started(&self, is_read: bool) -> Started {
        Started { at: clock::stopwatch(), is_read }
    }

    pub(crate) fn finished(&self, started: Started) {
        let nanos = u64::try_from(started.at.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if started.is_read { self.reads.add(nanos) } else { self.writes.add(nanos) }
    }

    pub(crate) fn answered(&self, status: u16) {
        if let Some(counter) = self.answers.get(usize::from(status / 100).wrapping_sub(1)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The answer of `sys/metrics`.
    pub(crate) fn answer(&self, query: Option<&str>, core: &Core) -> Answer {
        let wants_prometheus =
            query.unwrap_or_default().split('&').any(|p| p == "format=prometheus");
        let unsealed = u8::from(!core.is_sealed());
        if wants_prometheus {
            let content_type = "text/plain; version=0.0.4; charset=utf-8".to_owned();
            let body = self.prometheus(unsealed).into_bytes();
            Answer { status: StatusCode::OK, content_type, body, headers: Vec::new() }
        } else {
            Answer::json(StatusCode::OK, &self.json(unsealed))
        }
    }

    fn timers(&self) -> [(&'static str, u64, f64, f64); 3] {
        let (reads, writes) = (self.reads.read(), self.writes.read());
        let all = (reads.0 + writes.0, reads.1 + writes.1, reads.2.max(writes.2));
        [
            ("core.handle_request", all.0, all.1, all.2),
            ("route.read", reads.0, reads.1, reads.2),
            ("route.update", writes.0, writes.1, writes.2),
        ]
    }

    fn prometheus(&self, unsealed: u8) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "# HELP vault_core_unsealed vault_core_unsealed");
        let _ = writeln!(text, "# TYPE vault_core_unsealed gauge\nvault_core_unsealed {unsealed}");
        for (name, count, sum, _) in self.timers() {
            let name = format!("vault_{}", name.replace('.', "_"));
            let _ = writeln!(text, "# HELP {name} {name}\n# TYPE {name} summary");
            let _ = writeln!(text, "{name}_sum {sum}\n{name}_count {count}");
        }
        let name = "vault_core_response_status_code";
        let _ = writeln!(text, "# HELP {name} {name}\n# TYPE {name} counter");
        for (hundreds, counter) in (1..).zip(&self.answers) {
            let _ = writeln!(
                text,
                "{name}{{type=\"{hundreds}xx\"}} {}",
                counter.load(Ordering::Relaxed)
            );
        }
        text
    }

    fn json(&self, unsealed: u8) -> Value {
        let counters: Vec<Value> = (1..)
            .zip(&self.answers)
            .map(|(hundreds, counter)| {
                json!({
                    "Name": "vault.core.response_status_code",
                    "Labels": { "type": format!("{hundreds}xx") },
                    "Count": counter.load(Ordering::Relaxed),
                })
            })
            .collect();
        let samples = self.timers().map(|(name, count, sum, longest)| {
            let mean = if count == 0 { 0.0 } else { sum / count as f64 };
            json!({ "Name": format!("vault.{name}"), "Labels": {}, "Count": count, "Sum": sum,
                    "Max": longest, "Mean": mean })
        });
        json!({
            "Timestamp": clock::now().to_rfc3339_seconds(),
            "Gauges": [{ "Name": "vault.core.unsealed", "Labels": {}, "Value": unsealed }],
            "Points": [],
            "Counters": counters,
            "Samples": samples,
        })
    }
}
