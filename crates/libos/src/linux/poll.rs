//! `asm-generic/poll.h`, `linux/eventpoll.h`.
#![allow(dead_code, reason = "the header's list is kept whole")]

pub(crate) const POLLIN: u32 = 0x001;
pub(crate) const POLLPRI: u32 = 0x002;
pub(crate) const POLLOUT: u32 = 0x004;
pub(crate) const POLLERR: u32 = 0x008;
pub(crate) const POLLHUP: u32 = 0x010;
pub(crate) const POLLNVAL: u32 = 0x020;
pub(crate) const POLLRDNORM: u32 = 0x040;
pub(crate) const POLLRDBAND: u32 = 0x080;
pub(crate) const POLLWRNORM: u32 = 0x100;
pub(crate) const POLLWRBAND: u32 = 0x200;
pub(crate) const POLLRDHUP: u32 = 0x2000;

/// Reported whether asked for or not.
pub(crate) const POLL_ALWAYS: u32 = POLLERR | POLLHUP;
/// Every bit a descriptor can report.
pub(crate) const POLL_ALL: u32 = 0x3df | POLLRDHUP;
/// What a descriptor that is always ready reports.
pub(crate) const POLL_READY: u32 = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM;

pub(crate) const EPOLLEXCLUSIVE: u32 = 1 << 28;
pub(crate) const EPOLLWAKEUP: u32 = 1 << 29;
pub(crate) const EPOLLONESHOT: u32 = 1 << 30;
pub(crate) const EPOLLET: u32 = 1 << 31;

pub(crate) const EPOLL_CTL_ADD: u64 = 1;
pub(crate) const EPOLL_CTL_DEL: u64 = 2;
pub(crate) const EPOLL_CTL_MOD: u64 = 3;
