//! `linux/socket.h`, `asm-generic/socket.h`, `linux/in.h`, `linux/un.h`.
#![allow(dead_code, reason = "the header's list is kept whole")]

pub(crate) const AF_UNSPEC: u16 = 0;
pub(crate) const AF_UNIX: u16 = 1;
pub(crate) const AF_INET: u16 = 2;
pub(crate) const AF_INET6: u16 = 10;
pub(crate) const AF_NETLINK: u16 = 16;

pub(crate) const SOCK_STREAM: u64 = 1;
pub(crate) const SOCK_DGRAM: u64 = 2;
pub(crate) const SOCK_RAW: u64 = 3;
pub(crate) const SOCK_SEQPACKET: u64 = 5;
pub(crate) const SOCK_TYPE_MASK: u64 = 0xf;
pub(crate) const SOCK_NONBLOCK: u64 = 0o4000;
pub(crate) const SOCK_CLOEXEC: u64 = 0o2_000_000;

pub(crate) const SOL_SOCKET: u64 = 1;
pub(crate) const SO_TYPE: u64 = 3;
pub(crate) const SO_ERROR: u64 = 4;
pub(crate) const SO_SNDBUF: u64 = 7;
pub(crate) const SO_RCVBUF: u64 = 8;
pub(crate) const SO_PASSCRED: u64 = 16;
pub(crate) const SO_PEERCRED: u64 = 17;
pub(crate) const SO_ACCEPTCONN: u64 = 30;
pub(crate) const SO_RCVTIMEO: u64 = 20;
pub(crate) const SO_SNDTIMEO: u64 = 21;
pub(crate) const SO_PROTOCOL: u64 = 38;
pub(crate) const SO_DOMAIN: u64 = 39;

pub(crate) const SCM_RIGHTS: u32 = 1;
pub(crate) const SCM_CREDENTIALS: u32 = 2;

pub(crate) const MSG_OOB: u64 = 1;
pub(crate) const MSG_PEEK: u64 = 2;
pub(crate) const MSG_CTRUNC: u64 = 8;
pub(crate) const MSG_TRUNC: u64 = 0x20;
pub(crate) const MSG_DONTWAIT: u64 = 0x40;
pub(crate) const MSG_WAITALL: u64 = 0x100;
pub(crate) const MSG_NOSIGNAL: u64 = 0x4000;
pub(crate) const MSG_CMSG_CLOEXEC: u64 = 0x4000_0000;

/// Size of `struct sockaddr_storage`.
pub(crate) const SOCKADDR_MAX: usize = 128;
/// Most parts of a vectored call.
pub(crate) const UIO_MAXIOV: u64 = 1024;
