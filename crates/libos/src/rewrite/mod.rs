//! System calls without leaving the enclave: sites are rewritten before they can execute.
//!
//! When pages of a private file mapping are filled, and before they become executable, the instructions before
//! each confirmed `syscall` are replaced by a jump to a trampoline, which runs them and enters the library OS. The
//! `syscall` stays where it is and traps if something jumps to it. ADR 0006 says which sites qualify.
//!
//! ```text
//!   mov $39,%eax          jmp trampoline ────► mov $39,%eax           moved, as they were
//!   syscall         =>    syscall              mov $return,%rcx       as SYSCALL leaves it
//!   cmp ...               cmp ...  ◄─────┐     jmp *%gs:entry  ──► library OS
//!                                        └──────────────────────── returns to RCX
//! ```
//!
//! INVARIANT: an application never sees RIP in a trampoline: [`Rewriter::shown`] gives the address that the
//! original code would have, and [`Rewriter::resumable`] the way back.

mod decode;
mod functions;
mod plan;

use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Weak},
    vec::Vec,
};
use core::ops::Range;

use decode::Flow;
use plan::{JUMP, Plan, Site};

use manifest::Hash;

use crate::{fs::file::OpenFile, sync::Mutex};

/// Farthest that a trampoline may be from its site: `jmp rel32` with room for both to grow.
pub(crate) const REACH: u64 = 1 << 30;
/// Plans kept: a process has few files that it executes.
const PLANS_MAX: usize = 64;

/// Offsets of the moved instructions, at the site and in the trampoline; last of the `syscall`.
type Boundaries = Vec<(u64, u64)>;

/// A rewritten site.
#[derive(Debug, Clone)]
struct Rewritten {
    /// Address of the jump.
    start: u64,
    trampoline: u64,
    /// Length of the trampoline.
    len: u64,
    boundaries: Boundaries,
}

/// Plans by the content they were made from, the oldest first: every process has the same libraries.
static BY_CONTENT: Mutex<VecDeque<(Hash, Arc<Plan>)>> = Mutex::new(VecDeque::new());

fn plan_of(file: &OpenFile) -> Arc<Plan> {
    let content = file.file().content();
    if let Some(content) = content {
        let known = BY_CONTENT.lock().iter().find(|(of, _)| *of == content).cloned();
        if let Some((_, plan)) = known {
            return plan;
        }
    }
    // A file that cannot be read has no sites; its pages will fault.
    let plan = Arc::new(Plan::of(file).unwrap_or_default());
    // It may have changed while it was read.
    if let Some(content) = content.filter(|_| file.file().content() == content) {
        let mut plans = BY_CONTENT.lock();
        if plans.len() == PLANS_MAX {
            plans.pop_front();
        }
        plans.push_back((content, Arc::clone(&plan)));
    }
    plan
}

/// The rewritten sites of an address space.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rewriter {
    plans: Vec<(Weak<OpenFile>, Arc<Plan>)>,
    by_site: BTreeMap<u64, Rewritten>,
    /// Address of the trampoline to that of its site.
    by_trampoline: BTreeMap<u64, u64>,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(crate) struct Patch {
    /// Bytes of all trampolines, one after the other.
    pub(crate) trampolines: Vec<u8>,
    /// Address and bytes of each jump.
    pub(crate) jumps: Vec<(u64, [u8; JUMP])>,
    rewritten: Vec<Rewritten>,
}

impl Rewriter {
    fn plan(&mut self, file: &Arc<OpenFile>) -> Arc<Plan> {
        let known = self.plans.iter().find(|(of, _)| of.as_ptr() == Arc::as_ptr(file));
        if let Some((_, plan)) = known {
            return Arc::clone(plan);
        }
        let plan = plan_of(file);
        self.plans.retain(|(of, _)| of.strong_count() > 0);
        if self.plans.len() < PLANS_MAX {
            self.plans.push((Arc::downgrade(file), Arc::clone(&plan)));
        }
        plan
    }

    /// Sites of `file` in `range`, whose first byte has `offset` in the file, that hold the planned bytes.
    pub(crate) fn sites(
        &mut self,
        file: &Arc<OpenFile>,
        range: &Range<u64>,
        offset: u64,
        holds: impl Fn(u64, &[u8]) -> bool,
    ) -> Sites {
        let plan = self.plan(file);
        let sites = plan.within(offset..offset.saturating_add(range.end - range.start));
        let at = |site: &Site| site.start - offset + range.start;
        let found = sites.iter().map(|site| (at(site), site));
        Sites(
            found
                .filter(|(at, site)| holds(*at, &site.bytes))
                .map(|(a, s)| (a, s.clone()))
                .collect(),
        )
    }

    /// Remembers what has been written.
    pub(crate) fn note(&mut self, patch: Patch) {
        for rewritten in patch.rewritten {
            self.by_trampoline.insert(rewritten.trampoline, rewritten.start);
            self.by_site.insert(rewritten.start, rewritten);
        }
    }

    /// Forgets the sites in a range that is unmapped. Their trampolines stay: a thread may be in one.
    pub(crate) fn forget(&mut self, range: Range<u64>) {
        if range.start >= range.end {
            return;
        }
        let gone: Vec<u64> = self.by_site.range(range).map(|(at, _)| *at).collect();
        for at in gone {
            self.by_site.remove(&at);
        }
    }

    /// The address that an application may see for `rip`.
    pub(crate) fn shown(&self, rip: u64) -> u64 {
        let Some((_, start)) = self.by_trampoline.range(..=rip).next_back() else { return rip };
        let Some(site) = self.by_site.get(start) else { return rip };
        let offset = rip.wrapping_sub(site.trampoline);
        if offset >= site.len {
            return rip;
        }
        // After the moved instructions: at the `syscall`, which is the last boundary.
        let boundary = site.boundaries.iter().rev().find(|(_, there)| *there <= offset);
        boundary.map_or(rip, |(here, _)| site.start + here)
    }

    /// The address to go on at for one that the application has: an instruction that was moved runs in its
    /// trampoline.
    pub(crate) fn resumable(&self, rip: u64) -> u64 {
        let Some((_, site)) = self.by_site.range(..=rip).next_back() else { return rip };
        let offset = rip - site.start;
        let moved = site.boundaries.split_last().map_or(&[][..], |(_, moved)| moved);
        let place = moved.iter().find(|(here, _)| *here == offset);
        place.map_or(rip, |(_, there)| site.trampoline + there)
    }
}

/// Sites that will be rewritten, with their addresses.
#[derive(Debug)]
pub(crate) struct Sites(Vec<(u64, Site)>);

impl Sites {
    /// An upper bound of what the trampolines take.
    pub(crate) fn room(&self) -> usize {
        let tail = enclave_rt::fast::CALL_LEN;
        // A moved conditional jump grows by four bytes at most.
        self.0.iter().map(|(_, site)| site.bytes.len() + 4 * site.moved.len() + tail).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Trampolines from `trampoline` on, and jumps to them. A site that one does not reach is left out.
    pub(crate) fn patch(&self, trampoline: u64) -> Patch {
        let mut patch = Patch::default();
        for (at, site) in &self.0 {
            let to = trampoline + patch.trampolines.len() as u64;
            let end = at + site.bytes.len() as u64;
            let Some(jump) = jump(*at, to) else { continue };
            let Some((mut code, boundaries)) = moved(site, *at, to) else { continue };
            code.extend_from_slice(&enclave_rt::fast::call(end));
            patch.rewritten.push(Rewritten {
                start: *at,
                trampoline: to,
                len: code.len() as u64,
                boundaries,
            });
            patch.trampolines.extend_from_slice(&code);
            patch.jumps.push((*at, jump));
        }
        patch
    }
}

fn jump(from: u64, to: u64) -> Option<[u8; JUMP]> {
    let [a, b, c, d] = distance(from + JUMP as u64, to)?.to_le_bytes();
    Some([0xe9, a, b, c, d])
}

fn distance(from: u64, to: u64) -> Option<i32> {
    i32::try_from(to.wrapping_sub(from).cast_signed()).ok()
}

/// The moved instructions as they must read at `to`, and the offsets of each at both places.
fn moved(site: &Site, from: u64, to: u64) -> Option<(Vec<u8>, Boundaries)> {
    let (mut code, mut boundaries, mut at) = (Vec::new(), Boundaries::new(), 0);
    for instruction in &site.moved {
        let bytes = site.bytes.get(at..at + instruction.len)?;
        boundaries.push((at as u64, code.len() as u64));
        at += instruction.len;
        let (old_end, start) = (from + at as u64, code.len());
        if let (Some(condition), Flow::Relative(old)) = (instruction.condition, instruction.flow) {
            let target = old_end.wrapping_add_signed(i64::from(old));
            let new = distance(to + start as u64 + 6, target)?;
            code.extend_from_slice(&[0x0f, 0x80 | condition]);
            code.extend_from_slice(&new.to_le_bytes());
            continue;
        }
        code.extend_from_slice(bytes);
        let new_end = to + code.len() as u64;
        let Some(field) = instruction.rip_displacement else { continue };
        let field = code.get_mut(start + field..start + field + 4)?;
        let old = i32::from_le_bytes((&*field).try_into().ok()?);
        let new = distance(new_end, old_end.wrapping_add_signed(i64::from(old)))?;
        field.copy_from_slice(&new.to_le_bytes());
    }
    boundaries.push((at as u64, code.len() as u64));
    Some((code, boundaries))
}

#[cfg(test)]
mod tests;
