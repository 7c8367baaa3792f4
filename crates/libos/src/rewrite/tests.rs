//! Rewriting of hand-made sites and of this machine's libc.

use super::*;

