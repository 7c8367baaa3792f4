//! UNIX sockets, inside the enclave: streams, datagrams and sequenced packets, with descriptors and
//! credentials (`unix(7)`).
//!
//! Each socket has an inbox; sending puts into that of the peer. No two sockets' states are locked at once: what is
//! needed of the other is taken out as a reference first. A sender that found an inbox full leaves itself in it and is woken
//! when there is room.
//!
//! Names in the tree are those of the enclave alone: a socket of the host that lies in a passthrough directory refuses
//! connections.

mod inbox;
mod names;

use alloc::{
    collections::{BTreeMap, VecDeque},
    format,
    string::String,
    sync::{Arc, Weak},
    vec::Vec,
};

use self::{
    inbox::{CAPACITY, Inbox, Packet},
    names::Name,
};
use super::{Common, Incoming, Outgoing, Sender, Socket};
use crate::{
    errno::{Errno, Result},
    fs::{file::File, inode::Change, tmpfs},
    linux::{
        poll::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM},
        socket::{
            AF_UNIX, AF_UNSPEC, MSG_PEEK, SO_ACCEPTCONN, SO_ERROR, SO_PASSCRED, SO_PEERCRED,
            SO_RCVBUF, SO_SNDBUF, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET,
        },
        stat::{S_IFSOCK, Stat},
        u16_at,
    },
    process::{self, thread::Thread},
    sync::Mutex,
    user::UserMem,
    wait::WaitQueue,
};

const FIONREAD: u64 = 0x541b;
/// Most connections that wait to be accepted, `net.core.somaxconn`.
const BACKLOG_MAX: u64 = 4096;

/// What a socket is connected to.
#[derive(Default)]
enum Link {
    #[default]
    None,
    Listening {
        pending: VecDeque<Arc<UnixSocket>>,
        backlog: usize,
    },
    Connected(Weak<UnixSocket>),
}

#[derive(Default)]
struct State {
    /// `struct sockaddr_un`, empty while it has no name.
    address: Vec<u8>,
    name: Option<Name>,
    link: Link,
    peer_address: Vec<u8>,
    peer: Option<Sender>,
    inbox: Inbox,
    /// Who found the inbox, or the backlog, full.
    waiting: Vec<Weak<UnixSocket>>,
    /// Whose inbox, or backlog, this one found full.
    full: Option<Weak<UnixSocket>>,
    receive_shut: bool,
    send_shut: bool,
    /// The peer went away without reading everything.
    reset: bool,
    pass_credentials: bool,
    /// Options that are kept and have no effect.
    options: BTreeMap<u64, Vec<u8>>,
}

/// A UNIX socket.
pub(crate) struct UnixSocket {
    common: Common,
    state: Mutex<State>,
    queue: WaitQueue,
    ino: u64,
    this: Weak<Self>,
}

impl UnixSocket {
    /// An unconnected socket.
    pub(crate) fn new(kind: u64) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            common: Common::new(AF_UNIX, kind, 0),
            state: Mutex::default(),
            queue: WaitQueue::new(),
            ino: tmpfs::next_ino(),
            this: Weak::clone(this),
        })
    }

    /// Two that are connected to each other: `socketpair(2)`.
    pub(crate) fn pair(kind: u64, maker: Sender) -> (Arc<Self>, Arc<Self>) {
        let (one, other) = (Self::new(kind), Self::new(kind));
        for (this, peer) in [(&one, &other), (&other, &one)] {
            let mut state = this.state.lock();
            state.link = Link::Connected(Arc::downgrade(peer));
            state.peer = Some(maker);
        }
        (one, other)
    }

    fn is_stream(&self) -> bool {
        self.common.kind == SOCK_STREAM
    }

    fn is_datagram(&self) -> bool {
        self.common.kind == SOCK_DGRAM
    }

    /// The peer, if the socket is connected: `Some(None)` when the peer is gone.
    fn peer(&self) -> Option<Option<Arc<Self>>> {
        match &self.state.lock().link {
            Link::Connected(peer) => Some(peer.upgrade()),
            Link::None | Link::Listening { .. } => None,
        }
    }

    /// Notes that `target` has no room: this socket is not writable until it has.
    fn wait_for(&self, target: &Self) {
        self.state.lock().full = Some(Weak::clone(&target.this));
        let mut state = target.state.lock();
        if !state.waiting.iter().any(|waiting| Weak::ptr_eq(waiting, &self.this)) {
            state.waiting.push(Weak::clone(&self.this));
        }
    }

    fn wake_waiting(&self) {
        let waiting = core::mem::take(&mut self.state.lock().waiting);
        for socket in waiting.iter().filter_map(Weak::upgrade) {
            socket.queue.wake_all();
        }
    }

    /// Whether something more can be put into its inbox, or its backlog.
    fn has_room(&self) -> bool {
        let state = self.state.lock();
        match &state.link {
            Link::Listening { pending, backlog } => pending.len() <= *backlog,
            Link::None | Link::Connected(_) => state.inbox.room() > 0 || state.receive_shut,
        }
    }

    /// Whether what is sent would find room with `target`; if not, its next room wakes this socket.
    fn is_writable(&self, target: Option<Arc<Self>>) -> bool {
        if let Some(target) = target
            && !target.has_room()
        {
            self.wait_for(&target);
            // There may have been room before it knew who waits.
            if !target.has_room() {
                return false;
            }
        }
        let mut state = self.state.lock();
        state.full = None;
        !matches!(state.link, Link::Listening { .. })
    }

    /// Whether nothing will be received any more.
    fn is_at_end(&self) -> bool {
        if self.state.lock().receive_shut {
            return true;
        }
        match self.peer() {
            Some(Some(peer)) => !self.is_datagram() && peer.state.lock().send_shut,
            Some(None) => !self.is_datagram(),
            None => false,
        }
    }

    fn own_address(&self) -> Vec<u8> {
        let address = self.state.lock().address.clone();
        if address.is_empty() { AF_UNIX.to_le_bytes().to_vec() } else { address }
    }

    /// Where a message goes.
    fn target(&self, to: &[u8]) -> Result<Arc<Self>> {
        let peer = self.peer();
        if !self.is_datagram() {
            return match peer {
                None => Err(Errno::ENOTCONN),
                Some(_) if !to.is_empty() && self.is_stream() => Err(Errno::EISCONN),
                Some(peer) => peer.ok_or(Errno::EPIPE),
            };
        }
        let target = if to.is_empty() {
            peer.ok_or(Errno::ENOTCONN)?.ok_or(Errno::ECONNREFUSED)?
        } else {
            let thread = process::current().ok_or(Errno::EIO)?;
            names::find(&thread, to)?
        };
        if !target.is_datagram() {
            return Err(Errno::EPROTOTYPE);
        }
        // A connected socket takes messages from its peer only.
        match target.peer() {
            Some(Some(other)) if !core::ptr::eq(&*other, self) => Err(Errno::EPERM),
            _ => Ok(target),
        }
    }

    /// Puts a message into its inbox; how many bytes of it.
    fn deliver(&self, packet: Packet) -> Result<usize> {
        let mut state = self.state.lock();
        if state.receive_shut {
            return Err(Errno::EPIPE);
        }
        let (room, length) = (state.inbox.room(), packet.data.len());
        if room == 0 || (!self.is_stream() && room < length) {
            return Err(Errno::EAGAIN);
        }
        if !self.is_stream() {
            state.inbox.push(packet);
            return Ok(length);
        }
        let n = room.min(length);
        let mut packet = packet;
        packet.data.truncate(n);
        state.inbox.extend(packet);
        Ok(n)
    }

    /// Makes the other end of a connection and leaves it with the listener `at`.
    fn meet(&self, at: &Arc<Self>, caller: Sender) -> Result<()> {
        let address = at.own_address();
        let (listener, pass_credentials) = {
            let state = at.state.lock();
            (state.peer, state.pass_credentials)
        };
        let server = Self::new(self.common.kind);
        {
            let mut state = server.state.lock();
            state.link = Link::Connected(Weak::clone(&self.this));
            state.peer_address = self.own_address();
            state.peer = Some(caller);
            state.address = address.clone();
            state.pass_credentials = pass_credentials;
        }
        {
            let mut state = at.state.lock();
            let Link::Listening { pending, backlog } = &mut state.link else {
                return Err(Errno::ECONNREFUSED);
            };
            if pending.len() > *backlog {
                return Err(Errno::EAGAIN);
            }
            pending.push_back(Arc::clone(&server));
        }
        let mut state = self.state.lock();
        state.link = Link::Connected(Arc::downgrade(&server));
        state.peer_address = address;
        state.peer = listener;
        Ok(())
    }
}

impl Socket for UnixSocket {
    fn common(&self) -> &Common {
        &self.common
    }

    fn bind(&self, thread: &Thread, address: &[u8]) -> Result<()> {
        if self.state.lock().name.is_some() {
            return Err(Errno::EINVAL);
        }
        let (name, address) = names::bind(thread, &self.this, address)?;
        let mut state = self.state.lock();
        state.name = Some(name);
        state.address = address;
        Ok(())
    }

    fn listen(&self, backlog: u64) -> Result<()> {
        if self.is_datagram() {
            return Err(Errno::EOPNOTSUPP);
        }
        let caller = process::current().map(|thread| Sender::of(&thread));
        let wanted = usize::try_from(backlog.min(BACKLOG_MAX)).unwrap_or(0);
        let mut state = self.state.lock();
        if state.name.is_none() {
            return Err(Errno::EINVAL);
        }
        state.peer = caller;
        match &mut state.link {
            Link::Listening { backlog, .. } => *backlog = wanted,
            Link::None => {
                state.link = Link::Listening { pending: VecDeque::new(), backlog: wanted };
            }
            Link::Connected(_) => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn connect(&self, thread: &Thread, address: &[u8]) -> Result<()> {
        if self.is_datagram() && u16_at(address, 0) == Some(AF_UNSPEC) {
            let mut state = self.state.lock();
            state.link = Link::None;
            state.peer_address.clear();
            return Ok(());
        }
        let target = names::find(thread, address)?;
        if target.common.kind != self.common.kind {
            return Err(Errno::EPROTOTYPE);
        }
        if self.is_datagram() {
            let address = target.own_address();
            let mut state = self.state.lock();
            state.link = Link::Connected(Weak::clone(&target.this));
            state.peer_address = address;
            return Ok(());
        }
        match self.state.lock().link {
            Link::None => {}
            Link::Connected(_) => return Err(Errno::EISCONN),
            Link::Listening { .. } => return Err(Errno::EINVAL),
        }
        let met = self.meet(&target, Sender::of(thread));
        match met {
            Ok(()) => target.queue.wake_all(),
            Err(Errno::EAGAIN) => self.wait_for(&target),
            Err(_) => {}
        }
        met
    }

    fn pending_error(&self) -> Result<()> {
        if core::mem::take(&mut self.state.lock().reset) { Err(Errno::ECONNRESET) } else { Ok(()) }
    }

    fn accept(&self) -> Result<(Arc<dyn File>, Vec<u8>)> {
        let accepted = {
            let mut state = self.state.lock();
            if self.is_datagram() {
                return Err(Errno::EOPNOTSUPP);
            }
            let Link::Listening { pending, .. } = &mut state.link else {
                return Err(Errno::EINVAL);
            };
            pending.pop_front().ok_or(Errno::EAGAIN)?
        };
        self.wake_waiting();
        let peer = accepted.peer_address().unwrap_or_else(|_| AF_UNIX.to_le_bytes().to_vec());
        Ok((accepted, peer))
    }

    fn local_address(&self) -> Result<Vec<u8>> {
        Ok(self.own_address())
    }

    fn peer_address(&self) -> Result<Vec<u8>> {
        let state = self.state.lock();
        match &state.link {
            Link::Connected(_) if state.peer_address.is_empty() => {
                Ok(AF_UNIX.to_le_bytes().to_vec())
            }
            Link::Connected(_) => Ok(state.peer_address.clone()),
            Link::None | Link::Listening { .. } => Err(Errno::ENOTCONN),
        }
    }

    fn shutdown(&self, how: u64) -> Result<()> {
        let peer = self.peer();
        if peer.is_none()
            && !self.is_datagram()
            && !matches!(self.state.lock().link, Link::Listening { .. })
        {
            return Err(Errno::ENOTCONN);
        }
        {
            let mut state = self.state.lock();
            state.receive_shut |= how != 1;
            state.send_shut |= how != 0;
        }
        self.queue.wake_all();
        self.wake_waiting();
        if let Some(Some(peer)) = peer {
            peer.queue.wake_all();
        }
        Ok(())
    }

    fn send(&self, message: &Outgoing<'_>) -> Result<usize> {
        {
            let mut state = self.state.lock();
            if state.send_shut {
                return Err(Errno::EPIPE);
            }
            if core::mem::take(&mut state.reset) && self.is_stream() {
                return Err(Errno::ECONNRESET);
            }
        }
        if !self.is_stream() && message.data.len() > CAPACITY {
            return Err(Errno::EMSGSIZE);
        }
        let target = self.target(message.to)?;
        let sender = process::current().map(|t| Sender::of(&t)).unwrap_or_default();
        let from = self.state.lock().address.clone();
        let packet = Packet::new(message.data.to_vec(), message.rights.to_vec(), sender, from);
        if self.is_stream() && packet.data.is_empty() {
            return Ok(0);
        }
        let sent = target.deliver(packet);
        match sent {
            Ok(_) => target.queue.wake_all(),
            Err(Errno::EAGAIN) => self.wait_for(&target),
            Err(_) => {}
        }
        sent
    }

    fn receive(&self, buffer: &mut [u8], flags: u64) -> Result<Incoming> {
        let peek = flags & MSG_PEEK != 0;
        let is_at_end = self.is_at_end();
        let mut taken = {
            let mut state = self.state.lock();
            if state.inbox.is_empty() {
                if core::mem::take(&mut state.reset) {
                    return Err(Errno::ECONNRESET);
                }
                if !self.is_datagram() && !matches!(state.link, Link::Connected(_)) {
                    return Err(Errno::EINVAL);
                }
                return if is_at_end { Ok(Incoming::default()) } else { Err(Errno::EAGAIN) };
            }
            let mut taken = if self.is_stream() {
                state.inbox.take_bytes(buffer, peek)
            } else {
                state.inbox.take_message(buffer, peek)
            };
            if !state.pass_credentials {
                taken.sender = None;
            }
            taken
        };
        if !peek {
            self.wake_waiting();
        }
        if !self.is_datagram() {
            taken.from.clear();
        }
        Ok(taken)
    }

    fn set_option(&self, level: u64, name: u64, value: &[u8]) -> Result<()> {
        if level != SOL_SOCKET {
            return Err(Errno::EOPNOTSUPP);
        }
        if value.len() < 4 {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state.lock();
        match name {
            SO_PASSCRED => state.pass_credentials = value.iter().any(|&b| b != 0),
            SO_PEERCRED | SO_ACCEPTCONN | SO_ERROR => return Err(Errno::ENOPROTOOPT),
            // The kernel doubles what it is asked for, and that is what it tells.
            SO_RCVBUF | SO_SNDBUF => {
                let wanted = crate::linux::u32_at(value, 0).unwrap_or(0).clamp(1152, 1 << 20);
                state.options.insert(name, (2 * wanted).to_le_bytes().to_vec());
            }
            _ => {
                state.options.insert(name, value.to_vec());
            }
        }
        Ok(())
    }

    fn option(&self, level: u64, name: u64, room: usize) -> Result<Vec<u8>> {
        if level != SOL_SOCKET {
            return Err(Errno::EOPNOTSUPP);
        }
        let word = |value: u32| value.to_le_bytes().to_vec();
        if name == SO_ERROR {
            let error = self.pending_error().err();
            return Ok(word(error.map_or(0, |errno| u32::from(errno.number()))));
        }
        let state = self.state.lock();
        let mut value = match name {
            SO_PASSCRED => word(u32::from(state.pass_credentials)),
            SO_ACCEPTCONN => word(u32::from(matches!(state.link, Link::Listening { .. }))),
            SO_PEERCRED => {
                let unknown = Sender { pid: 0, uid: u32::MAX, gid: u32::MAX };
                let peer = state.peer.unwrap_or(unknown);
                [peer.pid, peer.uid, peer.gid].iter().flat_map(|id| id.to_le_bytes()).collect()
            }
            SO_RCVBUF | SO_SNDBUF => {
                let default = u32::try_from(CAPACITY).unwrap_or(u32::MAX);
                state.options.get(&name).cloned().unwrap_or_else(|| word(default))
            }
            _ => state.options.get(&name).cloned().unwrap_or_else(|| word(0)),
        };
        value.truncate(room);
        Ok(value)
    }
}

impl File for UnixSocket {
    fn stat(&self) -> Result<Stat> {
        let mode = S_IFSOCK | 0o777;
        Ok(Stat { dev: 8, ino: self.ino, nlink: 1, mode, blksize: 4096, ..Stat::default() })
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.receive(buffer, 0).map(|incoming| incoming.length)
    }

    fn write(&self, buffer: &[u8]) -> Result<usize> {
        self.send(&Outgoing::plain(buffer))
    }

    fn change(&self, _change: &Change) -> Result<()> {
        Ok(())
    }

    fn ioctl(&self, user: UserMem<'_>, request: u64, argp: u64) -> Result<u64> {
        if request != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let held = {
            let state = self.state.lock();
            if self.is_stream() { state.inbox.held() } else { state.inbox.first() }
        };
        user.write_u32(argp, u32::try_from(held).unwrap_or(u32::MAX))?;
        Ok(0)
    }

    fn readiness(&self) -> u32 {
        let (has_data, is_fresh, reset, full) = {
            let state = self.state.lock();
            let has_data = match &state.link {
                Link::Listening { pending, .. } => !pending.is_empty(),
                Link::None | Link::Connected(_) => !state.inbox.is_empty(),
            };
            let is_fresh = !self.is_datagram() && matches!(state.link, Link::None);
            let full = state.full.as_ref().and_then(Weak::upgrade);
            (has_data, is_fresh, state.reset, full)
        };
        let peer = self.peer();
        let mut ready = 0;
        if has_data {
            ready |= POLLIN | POLLRDNORM;
        }
        if self.is_at_end() {
            ready |= POLLIN | POLLRDNORM | POLLRDHUP;
        }
        if reset {
            ready |= POLLERR;
        }
        if is_fresh || (!self.is_datagram() && matches!(peer, Some(None))) {
            ready |= POLLHUP;
        }
        if self.is_writable(full.or(peer.flatten())) {
            ready |= POLLOUT | POLLWRNORM;
        }
        ready
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn socket(&self) -> Option<&dyn Socket> {
        Some(self)
    }

    fn label(&self) -> String {
        format!("socket:[{}]", self.ino)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let state = core::mem::take(self.state.get_mut());
        if let Some(name) = &state.name {
            names::free(name);
        }
        match &state.link {
            Link::Connected(peer) if !self.is_datagram() => {
                if let Some(peer) = peer.upgrade() {
                    if !state.inbox.is_empty() {
                        peer.state.lock().reset = true;
                    }
                    peer.queue.wake_all();
                }
            }
            // Connections that nobody accepted end with their sockets.
            Link::Connected(_) | Link::None | Link::Listening { .. } => {}
        }
        for socket in state.waiting.iter().filter_map(Weak::upgrade) {
            socket.queue.wake_all();
        }
    }
}
