//! What has been sent to a UNIX socket and not received yet.

use alloc::{collections::VecDeque, sync::Arc, vec::Vec};

use crate::{
    fs::file::OpenFile,
    net::{Incoming, Sender},
};

/// Bytes that wait at most, as with Linux's default buffers.
pub(super) const CAPACITY: usize = 208 << 10;
/// Messages that wait at most.
const PACKETS_MAX: usize = 512;

/// One message, or a run of bytes of a stream.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) data: Vec<u8>,
    /// Bytes of `data` that have been received.
    start: usize,
    pub(super) rights: Vec<Arc<OpenFile>>,
    pub(super) sender: Sender,
    /// Address of the sender.
    pub(super) from: Vec<u8>,
}

impl Packet {
    pub(super) const fn new(
        data: Vec<u8>,
        rights: Vec<Arc<OpenFile>>,
        sender: Sender,
        from: Vec<u8>,
    ) -> Self {
        Self { data, start: 0, rights, sender, from }
    }

    fn left(&self) -> &[u8] {
        self.data.get(self.start..).unwrap_or_default()
    }

    /// Takes its rights, or copies them for a look ahead.
    fn rights(&mut self, peek: bool) -> Vec<Arc<OpenFile>> {
        if peek { self.rights.clone() } else { core::mem::take(&mut self.rights) }
    }
}

/// The messages that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    packets: VecDeque<Packet>,
    held: usize,
}

impl Inbox {
    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Bytes that wait.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Bytes of the first message.
    pub(super) fn first(&self) -> usize {
        self.packets.front().map_or(0, |packet| packet.left().len())
    }

    /// Bytes there is room for.
    pub(super) fn room(&self) -> usize {
        if self.packets.len() >= PACKETS_MAX { 0 } else { CAPACITY.saturating_sub(self.held) }
    }

    /// Adds a message.
    pub(super) fn push(&mut self, packet: Packet) {
        self.held += packet.data.len();
        self.packets.push_back(packet);
    }

    /// Adds bytes to a stream: to its last run where nothing else came with either.
    pub(super) fn extend(&mut self, packet: Packet) {
        match self.packets.back_mut() {
            Some(last)
                if last.rights.is_empty()
                    && packet.rights.is_empty()
                    && last.sender == packet.sender =>
            {
                self.held += packet.data.len();
                last.data.extend_from_slice(&packet.data);
            }
            _ => self.push(packet),
        }
    }

    /// Takes the next bytes of a stream. What rights came with ends the read.
    pub(super) fn take_bytes(&mut self, buffer: &mut [u8], peek: bool) -> Incoming {
        let mut taken = Incoming::default();
        let mut at = 0;
        while let Some(packet) = self.packets.get_mut(at) {
            let with_rights = !packet.rights.is_empty();
            if taken.length == buffer.len() && !buffer.is_empty() || with_rights && taken.length > 0
            {
                break;
            }
            let n = packet.left().len().min(buffer.len() - taken.length);
            buffer[taken.length..taken.length + n].copy_from_slice(&packet.left()[..n]);
            taken.length += n;
            taken.sender = Some(packet.sender);
            taken.rights = packet.rights(peek);
            let is_done = n == packet.left().len();
            if peek {
                at += 1;
            } else {
                packet.start += n;
                self.held -= n;
                if is_done {
                    self.packets.pop_front();
                }
            }
            if with_rights || !is_done {
                break;
            }
        }
        taken.total = taken.length;
        taken
    }

    /// Takes the next message; what does not fit is lost.
    pub(super) fn take_message(&mut self, buffer: &mut [u8], peek: bool) -> Incoming {
        let Some(packet) = self.packets.front_mut() else { return Incoming::default() };
        let total = packet.left().len();
        let length = total.min(buffer.len());
        buffer[..length].copy_from_slice(&packet.left()[..length]);
        let (from, sender) = (packet.from.clone(), Some(packet.sender));
        let rights = packet.rights(peek);
        if !peek {
            self.held -= total;
            self.packets.pop_front();
        }
        Incoming { length, total, from, rights, sender }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{io::eventfd::EventFd, testing};

    fn packet(data: &[u8], rights: Vec<Arc<OpenFile>>) -> Packet {
        Packet::new(data.to_vec(), rights, Sender::default(), Vec::new())
    }

    #[test]
    fn a_stream_has_no_borders_but_where_rights_came() {
        let _machine = testing::quiet();
        let mut inbox = Inbox::default();
        inbox.extend(packet(b"ab", Vec::new()));
        inbox.extend(packet(b"cd", Vec::new()));
        let right = OpenFile::new(EventFd::new(0, false), None, 2);
        inbox.extend(packet(b"ef", alloc::vec![right]));
        inbox.extend(packet(b"gh", Vec::new()));
        let mut buffer = [0; 10];
        assert_eq!(inbox.take_bytes(&mut buffer[..3], false).length, 3);
        let rest = inbox.take_bytes(&mut buffer, false);
        assert_eq!((&buffer[..rest.length], rest.rights.len()), (&b"d"[..], 0));
        assert_eq!(inbox.take_bytes(&mut buffer, true).rights.len(), 1);
        let with = inbox.take_bytes(&mut buffer, false);
        assert_eq!((&buffer[..with.length], with.rights.len()), (&b"ef"[..], 1));
        assert_eq!(inbox.take_bytes(&mut buffer, false).length, 2);
        assert!(inbox.is_empty());
        assert_eq!(inbox.held(), 0);
    }

    #[test]
    fn a_message_is_received_whole_or_cut() {
        let _machine = testing::quiet();
        let mut inbox = Inbox::default();
        inbox.push(packet(b"long one", Vec::new()));
        inbox.push(packet(b"", Vec::new()));
        let mut buffer = [0; 4];
        let cut = inbox.take_message(&mut buffer, false);
        assert_eq!((cut.length, cut.total, &buffer), (4, 8, b"long"));
        assert_eq!(inbox.take_message(&mut buffer, false).total, 0);
        assert!(inbox.is_empty());
    }
}
