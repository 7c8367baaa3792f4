//! `casemate quote serve`: the certification service of the emulated platforms in a directory.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use quoting::UnixTime;
use quoting::pcs::Pcs;
use quoting::pcs::listener::Server;

use super::Location;

/// Serves until the process is ended.
pub(super) fn run(location: &Location, listen: SocketAddr) -> Result<()> {
    let mut pcs = Pcs::new();
    for one in location.all()? {
        pcs = add(pcs, one)?;
    }
    let listener = TcpListener::bind(listen).with_context(|| format!("listen on {listen}"))?;
    let server = Server::spawn(listener, Arc::new(pcs), now).context("serve")?;
    println!("http://{}", server.address());
    server.wait();
    Ok(())
}

/// Adds a platform. It is read anew for each request, so that its conditions can be changed while the
/// service runs; when that fails it stays as it was.
fn add(pcs: Pcs, location: Location) -> Result<Pcs> {
    let last = Mutex::new(location.service()?);
    Ok(pcs.with_platform(move |now| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match location.service() {
            Ok(service) => *last = service,
            Err(error) => eprintln!("casemate: {error:#}"),
        }
        last.scenario(now)
    }))
}

#[allow(clippy::disallowed_methods, reason = "the service answers for the present")]
fn now() -> UnixTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixTime(since_1970.map_or(0, |time| time.as_secs()))
}
