//! HTTP: from bytes to the core and back.
//!
//! A request is bounded before it is read, read before it is parsed, and parsed before the core sees it. Its
//! path is handed on as it came; nothing here normalises it.

mod answer;
mod body;
mod envelope;
mod health;
mod inbound;
mod json_limits;
mod status;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use vault::Core;

use crate::config::Listener;
use crate::in_flight::InFlight;
use crate::metrics::Metrics;

pub(crate) use answer::Answer;

/// What every connection shares.
#[derive(Debug)]
pub struct App {
    /// The secrets server itself.
    pub core: Core,
    /// Counters.
    pub metrics: Metrics,
    /// Requests under way.
    pub in_flight: InFlight,
}

/// One accepted connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// `None` on a unix socket.
    pub address: Option<SocketAddr>,
    /// Leaf first, in DER, after the handshake proved possession.
    pub certificates: Arc<Vec<Vec<u8>>>,
    /// Whether it is encrypted.
    pub tls: bool,
    /// The listener's settings.
    pub listener: Arc<Listener>,
}

impl App {
    /// Serves one request. Every failure is an answer.
    pub async fn serve(
        self: Arc<Self>,
        peer: Peer,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let duration = peer.listener.limits.request_duration;
        let is_head = request.method() == Method::HEAD;
        let served = tokio::time::timeout(duration, self.route(&peer, request)).await;
        let answer = served.unwrap_or_else(|_| {
            Answer::error(StatusCode::SERVICE_UNAVAILABLE, "the request took longer than it may")
        });
        self.metrics.answered(answer.status.as_u16());
        Ok(answer.into_response(&peer, is_head))
    }

    async fn route(self: &Arc<Self>, peer: &Peer, request: Request<Incoming>) -> Answer {
        let target = request.uri().path();
        let Some(path) = target.strip_prefix("/v1/") else { return Answer::not_found() };
        if let Some(answer) = inbound::refused_headers(request.headers()) {
            return answer;
        }
        match path {
            "sys/health" => {
                return health::answer(&self.core, request.method(), request.uri().query());
            }
            "sys/metrics" if peer.listener.unauthenticated_metrics => {
                return self.metrics.answer(request.uri().query(), &self.core);
            }
            _ => {}
        }
        let _guard = self.in_flight.enter(&request, peer);
        let legacy = envelope::repeats_data(path);
        let inbound = match inbound::read(peer, request).await {
            Ok(inbound) => inbound,
            Err(answer) => return answer,
        };
        let asked = inbound.asked();
        let started = self.metrics.started(asked != envelope::Asked::Write);
        let reply = self.ask(inbound).await;
        self.metrics.finished(started);
        match reply {
            Ok(reply) => envelope::answer(reply, asked, legacy),
            Err(error) => status::answer(&error),
        }
    }

    /// Hands a request to the core. Reads are served where they are; what may wait for the disk, for a hash of
    /// a password or for another system leaves this thread's other connections to other threads.
    async fn ask(&self, inbound: inbound::Read) -> Result<vault::Reply, vault::Error> {
        if inbound.asked() != envelope::Asked::Write {
            self.core.handle(inbound.into_inner())
        } else {
            tokio::task::block_in_place(|| self.core.handle(inbound.into_inner()))
        }
    }
}
