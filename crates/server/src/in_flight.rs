//! Requests under way, for `sys/in-flight-req`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hyper::Request;
use hyper::body::Incoming;
use serde_json::json;
use vault_sdk::Data;
use vault_sdk::time::Instant;

use crate::clock;
use crate::http::Peer;

/// The requests that have not been answered.
#[derive(Debug, Default)]
pub struct InFlight {
    next: AtomicU64,
    requests: Mutex<BTreeMap<u64, Underway>>,
}

#[derive(Debug)]
struct Underway {
    started: Instant,
    remote: String,
    path: String,
    method: String,
}

/// Takes its request off the list when it is dropped.
#[derive(Debug)]
pub(crate) struct Guard<'a>(&'a InFlight, u64);

impl InFlight {
    /// Puts a request on the list.
    pub(crate) fn enter(&self, request: &Request<Incoming>, peer: &Peer) -> Guard<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let underway = Underway {
            started: clock::now(),
            remote: peer.address.map_or_else(|| "unix".to_owned(), |address| address.to_string()),
            path: request.uri().path().to_owned(),
            method: request.method().to_string(),
        };
        self.locked().insert(number, underway);
        Guard(self, number)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.locked().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As `sys/in-flight-req` answers.
    pub fn show(&self) -> Data {
        let show = |(number, underway): (&u64, &Underway)| {
            let value = json!({
                "start_time": underway.started.to_rfc3339(),
                "client_remote_address": underway.remote,
                "request_path": underway.path,
                "request_method": underway.method,
                "client_id": "",
            });
            (number.to_string(), value)
        };
        self.locked().iter().map(show).collect()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Underway>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.locked().remove(&self.1);
    }
}
