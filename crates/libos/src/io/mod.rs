//! Pipes, eventfds, and waiting for several descriptors at once.

pub(crate) mod epoll;
pub(crate) mod eventfd;
pub(crate) mod pipe;
pub(crate) mod poll;
