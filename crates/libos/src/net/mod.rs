//! Sockets.
//!
//! TCP and UDP are the host's ([`host`]): what it says of peers, addresses and data is untrusted. UNIX sockets
//! live in the enclave ([`unix`]) and never leave it.

pub(crate) mod host;
pub(crate) mod unix;

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::AtomicU64;

use crate::{
    errno::Result,
    fs::file::{File, OpenFile},
    process::thread::Thread,
};

/// What every socket has.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) domain: u16,
    /// `SOCK_STREAM` and its like.
    pub(crate) kind: u64,
    pub(crate) protocol: u64,
    /// `SO_RCVTIMEO` and `SO_SNDTIMEO` in nanoseconds, 0 for none.
    pub(crate) receive_timeout: AtomicU64,
    pub(crate) send_timeout: AtomicU64,
}

impl Common {
    pub(crate) const fn new(domain: u16, kind: u64, protocol: u64) -> Self {
        let (receive_timeout, send_timeout) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { domain, kind, protocol, receive_timeout, send_timeout }
    }
}

/// Who sent something: `struct ucred`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sender {
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Sender {
    /// The calling process.
    pub(crate) fn of(thread: &Thread) -> Self {
        let credentials = thread.process.credentials.lock();
        let (uid, gid) = (credentials.uid.real, credentials.gid.real);
        Self { pid: thread.process.pid, uid, gid }
    }
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) data: &'a [u8],
    /// `MSG_*` flags for the host.
    pub(crate) flags: u64,
    /// The address to send to, empty for the peer.
    pub(crate) to: &'a [u8],
    /// Descriptors that go with it (`SCM_RIGHTS`).
    pub(crate) rights: &'a [Arc<OpenFile>],
}

impl<'a> Outgoing<'a> {
    /// Data for the peer and nothing else.
    pub(crate) const fn plain(data: &'a [u8]) -> Self {
        Self { data, flags: 0, to: &[], rights: &[] }
    }
}

/// What was received, beside the data in the buffer.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    /// Bytes in the buffer.
    pub(crate) length: usize,
    /// Bytes the message had.
    pub(crate) total: usize,
    /// Address of the sender.
    pub(crate) from: Vec<u8>,
    pub(crate) rights: Vec<Arc<OpenFile>>,
    /// Where the receiver asks for it (`SO_PASSCRED`).
    pub(crate) sender: Option<Sender>,
}

/// What a socket can do beyond a file. Like files, sockets never block: they answer EAGAIN.
pub(crate) trait Socket: Send + Sync {
    fn common(&self) -> &Common;

    fn bind(&self, thread: &Thread, address: &[u8]) -> Result<()>;

    fn listen(&self, backlog: u64) -> Result<()>;

    /// EINPROGRESS while it is under way, EAGAIN where the listener has no room.
    fn connect(&self, thread: &Thread, address: &[u8]) -> Result<()>;

    /// The error of a connection that was under way, or of the connection.
    fn pending_error(&self) -> Result<()>;

    /// The new socket and its peer's address.
    fn accept(&self) -> Result<(Arc<dyn File>, Vec<u8>)>;

    fn local_address(&self) -> Result<Vec<u8>>;

    fn peer_address(&self) -> Result<Vec<u8>>;

    /// `how` is 0 to receive no more, 1 to send no more, 2 for both.
    fn shutdown(&self, how: u64) -> Result<()>;

    fn send(&self, message: &Outgoing<'_>) -> Result<usize>;

    fn receive(&self, buffer: &mut [u8], flags: u64) -> Result<Incoming>;

    fn set_option(&self, level: u64, name: u64, value: &[u8]) -> Result<()>;

    /// At most `room` bytes.
    fn option(&self, level: u64, name: u64, room: usize) -> Result<Vec<u8>>;
}
