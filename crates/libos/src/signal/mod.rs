//! Signals: what is sent, what is pending, and what happens when one is delivered.
//!
//! A signal is delivered when its thread is about to return to the application: after a system call, an
//! exception or a hint from the host. Delivery runs a handler ([`frame`]) or the default action.

pub(crate) mod action;
pub(crate) mod crash;
pub(crate) mod deliver;
pub(crate) mod frame;
pub(crate) mod host;
pub(crate) mod info;
pub(crate) mod mask;
pub(crate) mod queue;
pub(crate) mod send;
pub(crate) mod stack;
pub(crate) mod watched;
pub(crate) mod xframe;
