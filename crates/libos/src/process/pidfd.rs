//! A descriptor of a process: `pidfd_open(2)`.

use alloc::{format, string::String, sync::Arc};

use super::Process;
use crate::{
    errno::Result,
    fs::file::File,
    linux::{poll::POLLIN, stat::Stat},
    wait::WaitQueue,
};

/// Refers to a process, also after its end; readable once it has ended.
pub(crate) struct PidFd(Arc<Process>);

impl PidFd {
    pub(crate) fn new(process: Arc<Process>) -> Arc<Self> {
        Arc::new(Self(process))
    }
}

impl File for PidFd {
    fn stat(&self) -> Result<Stat> {
        Ok(Stat { dev: 0xe, ino: 3, nlink: 1, mode: 0o600, blksize: 4096, ..Stat::default() })
    }

    fn readiness(&self) -> u32 {
        if self.0.family.has_ended() { POLLIN } else { 0 }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.family.ended_queue)
    }

    fn process(&self) -> Option<&Arc<Process>> {
        Some(&self.0)
    }

    fn label(&self) -> String {
        format!("anon_inode:[pidfd:{}]", self.0.pid)
    }
}
