//! `linux/sched.h`, `linux/futex.h`, `linux/prctl.h`.
#![allow(dead_code, reason = "the header's list is kept whole")]

pub(crate) const CSIGNAL: u64 = 0xff;
pub(crate) const CLONE_VM: u64 = 0x100;
pub(crate) const CLONE_FS: u64 = 0x200;
pub(crate) const CLONE_FILES: u64 = 0x400;
pub(crate) const CLONE_SIGHAND: u64 = 0x800;
pub(crate) const CLONE_VFORK: u64 = 0x4000;
pub(crate) const CLONE_THREAD: u64 = 0x10000;
pub(crate) const CLONE_SYSVSEM: u64 = 0x40000;
pub(crate) const CLONE_SETTLS: u64 = 0x80000;
pub(crate) const CLONE_PARENT_SETTID: u64 = 0x100_000;
pub(crate) const CLONE_CHILD_CLEARTID: u64 = 0x200_000;
pub(crate) const CLONE_DETACHED: u64 = 0x400_000;
pub(crate) const CLONE_CHILD_SETTID: u64 = 0x0100_0000;

pub(crate) const CLONE_PIDFD: u64 = 0x1000;
pub(crate) const CLONE_PARENT: u64 = 0x8000;
pub(crate) const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

pub(crate) const WNOHANG: u32 = 1;
pub(crate) const WSTOPPED: u32 = 2;
pub(crate) const WEXITED: u32 = 4;
pub(crate) const WCONTINUED: u32 = 8;
pub(crate) const WNOWAIT: u32 = 0x0100_0000;
/// `__WNOTHREAD`, `__WALL`, `__WCLONE`: about threads' own children, who are the process's here.
pub(crate) const W_ANY_KIND: u32 = 0xe000_0000;
pub(crate) const P_ALL: u32 = 0;
pub(crate) const P_PID: u32 = 1;
pub(crate) const P_PGID: u32 = 2;
pub(crate) const P_PIDFD: u32 = 3;

pub(crate) const FUTEX_WAIT: u64 = 0;
pub(crate) const FUTEX_WAKE: u64 = 1;
pub(crate) const FUTEX_REQUEUE: u64 = 3;
pub(crate) const FUTEX_CMP_REQUEUE: u64 = 4;
pub(crate) const FUTEX_WAKE_OP: u64 = 5;
pub(crate) const FUTEX_LOCK_PI: u64 = 6;
pub(crate) const FUTEX_UNLOCK_PI: u64 = 7;
pub(crate) const FUTEX_TRYLOCK_PI: u64 = 8;
pub(crate) const FUTEX_WAIT_BITSET: u64 = 9;
pub(crate) const FUTEX_WAKE_BITSET: u64 = 10;
pub(crate) const FUTEX_PRIVATE_FLAG: u64 = 128;
pub(crate) const FUTEX_CLOCK_REALTIME: u64 = 256;
pub(crate) const FUTEX_WAITERS: u32 = 0x8000_0000;
pub(crate) const FUTEX_OWNER_DIED: u32 = 0x4000_0000;
pub(crate) const FUTEX_TID_MASK: u32 = 0x3fff_ffff;
/// Most entries of a robust list that are looked at.
pub(crate) const ROBUST_LIST_LIMIT: u32 = 2048;

pub(crate) const ARCH_SET_GS: u64 = 0x1001;
pub(crate) const ARCH_SET_FS: u64 = 0x1002;
pub(crate) const ARCH_GET_FS: u64 = 0x1003;
pub(crate) const ARCH_GET_GS: u64 = 0x1004;

pub(crate) const PR_SET_PDEATHSIG: u64 = 1;
pub(crate) const PR_GET_PDEATHSIG: u64 = 2;
pub(crate) const PR_GET_DUMPABLE: u64 = 3;
pub(crate) const PR_SET_DUMPABLE: u64 = 4;
pub(crate) const PR_SET_NAME: u64 = 15;
pub(crate) const PR_GET_NAME: u64 = 16;
pub(crate) const PR_GET_SECCOMP: u64 = 21;
pub(crate) const PR_CAPBSET_READ: u64 = 23;
pub(crate) const PR_SET_NO_NEW_PRIVS: u64 = 38;
pub(crate) const PR_GET_NO_NEW_PRIVS: u64 = 39;
pub(crate) const PR_SET_CHILD_SUBREAPER: u64 = 36;
pub(crate) const PR_GET_CHILD_SUBREAPER: u64 = 37;
pub(crate) const PR_SET_VMA: u64 = 0x5356_4d41;
