//! Starting a program: its segments, its interpreter, its stack.

pub(crate) mod elf;
pub(crate) mod exec;
pub(crate) mod stack;
