//! `asm-generic/mman.h`, `linux/mman.h`.
#![allow(dead_code, reason = "the header's list is kept whole")]

pub(crate) const MAP_SHARED: u64 = 0x01;
pub(crate) const MAP_PRIVATE: u64 = 0x02;
pub(crate) const MAP_SHARED_VALIDATE: u64 = 0x03;
pub(crate) const MAP_TYPE: u64 = 0x0f;
pub(crate) const MAP_FIXED: u64 = 0x10;
pub(crate) const MAP_ANONYMOUS: u64 = 0x20;
pub(crate) const MAP_32BIT: u64 = 0x40;
pub(crate) const MAP_GROWSDOWN: u64 = 0x100;
pub(crate) const MAP_LOCKED: u64 = 0x2000;
pub(crate) const MAP_NORESERVE: u64 = 0x4000;
pub(crate) const MAP_POPULATE: u64 = 0x8000;
pub(crate) const MAP_NONBLOCK: u64 = 0x10000;
pub(crate) const MAP_STACK: u64 = 0x20000;
pub(crate) const MAP_HUGETLB: u64 = 0x40000;
pub(crate) const MAP_FIXED_NOREPLACE: u64 = 0x100_000;

pub(crate) const PROT_GROWSDOWN: u64 = 0x0100_0000;
pub(crate) const PROT_GROWSUP: u64 = 0x0200_0000;

pub(crate) const MREMAP_MAYMOVE: u64 = 1;
pub(crate) const MREMAP_FIXED: u64 = 2;
pub(crate) const MREMAP_DONTUNMAP: u64 = 4;

pub(crate) const MADV_NORMAL: u64 = 0;
pub(crate) const MADV_RANDOM: u64 = 1;
pub(crate) const MADV_SEQUENTIAL: u64 = 2;
pub(crate) const MADV_WILLNEED: u64 = 3;
pub(crate) const MADV_DONTNEED: u64 = 4;
pub(crate) const MADV_FREE: u64 = 8;
pub(crate) const MADV_DONTFORK: u64 = 10;
pub(crate) const MADV_DOFORK: u64 = 11;
pub(crate) const MADV_MERGEABLE: u64 = 12;
pub(crate) const MADV_UNMERGEABLE: u64 = 13;
pub(crate) const MADV_HUGEPAGE: u64 = 14;
pub(crate) const MADV_NOHUGEPAGE: u64 = 15;
pub(crate) const MADV_DONTDUMP: u64 = 16;
pub(crate) const MADV_DODUMP: u64 = 17;
pub(crate) const MADV_COLLAPSE: u64 = 25;
