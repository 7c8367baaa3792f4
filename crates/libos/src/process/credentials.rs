//! Users and groups: who a process says it is. Inside the enclave they only colour what programs see.

use alloc::vec::Vec;

/// Owner of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Real, effective and saved IDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ids {
    pub(crate) real: u32,
    pub(crate) effective: u32,
    pub(crate) saved: u32,
    pub(crate) fs: u32,
}

impl Ids {
    /// Whether one of them is `id`.
    pub(crate) const fn has(&self, id: u32) -> bool {
        self.real == id || self.effective == id || self.saved == id
    }
}

/// The credentials of a process; it starts as root.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    pub(crate) uid: Ids,
    pub(crate) gid: Ids,
    pub(crate) groups: Vec<u32>,
}

impl Credentials {
    pub(crate) const fn is_root(&self) -> bool {
        self.uid.effective == 0
    }

    /// Owner of what the process makes.
    pub(crate) const fn owner(&self) -> Owner {
        Owner { uid: self.uid.fs, gid: self.gid.fs }
    }

    /// Whether the process is in a group.
    pub(crate) fn in_group(&self, gid: u32) -> bool {
        self.gid.fs == gid || self.groups.contains(&gid)
    }

    /// Whether the rights `want` (`R_OK`, `W_OK`, `X_OK` bits) are granted by a file's mode.
    pub(crate) fn may(&self, stat: &crate::linux::stat::Stat, want: u32) -> bool {
        if self.uid.fs == 0 {
            let any_execute = stat.mode & 0o111 != 0;
            let directory = stat.file_type() == crate::linux::stat::S_IFDIR;
            return want & 1 == 0 || any_execute || directory;
        }
        let shift = if stat.uid == self.uid.fs {
            6
        } else if self.in_group(stat.gid) {
            3
        } else {
            0
        };
        (stat.mode >> shift) & want == want
    }
}
