//! The service on a TCP socket: HTTP/1.1, one request a connection, one connection at a time.
//!
//! It is for tests and development machines and no more capable than they need. What clients send
//! is bounded in size and time and answered with 400 if it is no request.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Pcs, Refusal, Response};
use crate::time::UnixTime;

/// The longest request head that is read, in bytes.
const LONGEST_HEAD: u64 = 16 * 1024;
/// How long a client may take to send or take something.
const PATIENCE: Duration = Duration::from_secs(10);

/// A service that answers on a socket until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts answering on `listener` in a thread of its own. `clock` is asked for the time of each
    /// request.
    ///
    /// # Errors
    ///
    /// As the system gives them when asked for the listener's address.
    pub fn spawn(
        listener: TcpListener,
        pcs: Arc<Pcs>,
        clock: impl Fn() -> UnixTime + Send + 'static,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                // A client that goes away or stalls is its own loss.
                let _ = stream.and_then(|stream| serve(&stream, &pcs, clock()));
            }
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the service ends, which it does only by an error of the listener.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.store(true, Ordering::Relaxed);
            // Wakes the thread from accept.
            let _ = TcpStream::connect(self.address);
            let _ = thread.join();
        }
    }
}

fn serve(stream: &TcpStream, pcs: &Pcs, now: UnixTime) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = read_head(stream)?;
    let response = match request_line(&head) {
        Some((method, target)) => pcs.answer(method, target, now),
        None => Refusal::BAD_REQUEST.into_response(),
    };
    write_response(stream, &response)
}

/// Reads up to the empty line; nothing if it does not come.
fn read_head(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(stream.take(LONGEST_HEAD));
    let mut head = Vec::new();
    while reader.read_until(b'\n', &mut head)? > 0 {
        if head.ends_with(b"\r\n\r\n") {
            return Ok(head);
        }
    }
    Ok(Vec::new())
}

/// Method and target of `METHOD TARGET HTTP/1.x`.
fn request_line(head: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let (method, rest) = line.split_once(' ')?;
    let (target, version) = rest.split_once(' ')?;
    version.starts_with("HTTP/1.").then_some((method, target))
}

fn write_response(mut stream: &TcpStream, response: &Response) -> io::Result<()> {
    let mut out = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (name, value) in &response.headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", response.body.len()));
    let mut bytes = out.into_bytes();
    bytes.extend_from_slice(&response.body);
    stream.write_all(&bytes)
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        410 => "Gone",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Other",
    }
}
