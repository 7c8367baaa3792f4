//! Which instructions of a file make room for a jump, and the trampolines they move to (ADR 0006).

use alloc::{vec, vec::Vec};
use core::ops::Range;

use super::{
    decode::{Flow, Instruction, decode},
    functions::{self, Functions},
};
use crate::{errno::Result, fs::file::OpenFile};

/// Bytes of `jmp rel32`.
pub(crate) const JUMP: usize = 5;
/// Files with more code than this are left alone: all of it is read to find who jumps where. What makes system
/// calls is libc.
const CODE_MAX: u64 = 2 << 20;
/// Unwinders know a signal frame by these bytes before the `syscall`.
const SIGNAL_RETURNS: [&[u8]; 2] = [&[0x48, 0xc7, 0xc0, 15, 0, 0, 0], &[0xb8, 15, 0, 0, 0]];
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// A system call that is rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    /// Offset in the file of the first moved instruction, where the jump goes.
    pub(crate) start: u64,
    /// The bytes from there to the end of the `syscall`.
    pub(crate) bytes: Vec<u8>,
    /// The moved instructions.
    pub(crate) moved: Vec<Instruction>,
}

impl Site {
    /// Offset after the `syscall`.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Offsets that nothing may jump to: between the moved instructions, under the jump.
    fn inner(&self) -> impl Iterator<Item = u64> {
        let ends = self.moved.iter().scan(self.start, |at, moved| {
            *at += moved.len as u64;
            Some(*at)
        });
        let jump_end = self.start + JUMP as u64;
        ends.take_while(move |end| *end < jump_end)
    }
}

/// The sites of one file, by offset.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) sites: Vec<Site>,
}

impl Plan {
    /// Reads a file's code and plans.
    ///
    /// # Errors
    /// What reading the file reports.
    pub(crate) fn of(file: &OpenFile) -> Result<Self> {
        let functions = Functions::of(file)?;
        let total: u64 = functions.code.iter().map(|range| range.end - range.start).sum();
        // Without functions there are no sites, and reading all of the code is most of a small program's start.
        if functions.is_empty() || total > CODE_MAX {
            return Ok(Self::default());
        }
        let mut sites = Vec::new();
        for range in &functions.code {
            let len = usize::try_from(range.end - range.start).unwrap_or(0);
            let code = functions::read(file, range.start, len)?;
            sites.extend(sites_of(&code, range.start, &functions));
        }
        Ok(Self { sites })
    }

    /// The sites that lie wholly in a range of offsets.
    pub(crate) fn within(&self, range: Range<u64>) -> &[Site] {
        let from = self.sites.partition_point(|site| site.start < range.start);
        let to = self.sites.partition_point(|site| site.end() <= range.end);
        self.sites.get(from..to).unwrap_or_default()
    }
}

/// The sites in `code`, which lies at `base` in the file.
pub(super) fn sites_of(code: &[u8], base: u64, functions: &Functions) -> Vec<Site> {
    let mut sites: Vec<Site> = Vec::new();
    let places = code.windows(2).enumerate().filter(|(_, pair)| *pair == SYSCALL);
    for (place, _) in places {
        let at = base + place as u64;
        let Some(function) = functions.around(at..at + 2) else { continue };
        let offset = |at: u64| usize::try_from(at.checked_sub(base)?).ok();
        let bytes = offset(function.start)
            .zip(offset(function.end))
            .and_then(|(from, to)| Some((code.get(from..to)?, place.checked_sub(from)?)));
        let Some((bytes, within)) = bytes else { continue };
        let site = site_of(bytes, within, function.start);
        sites.extend(site.filter(|site| sites.last().is_none_or(|last| last.end() <= site.start)));
    }
    drop_targets(code, base, &mut sites);
    sites
}

/// The site of the `syscall` at `at` in a function that lies at `base`.
fn site_of(function: &[u8], at: usize, base: u64) -> Option<Site> {
    let before = function.get(..at)?;
    if SIGNAL_RETURNS.iter().any(|signal_return| before.ends_with(signal_return)) {
        return None;
    }
    let mut instructions: Vec<(usize, Instruction)> = Vec::new();
    let mut here = 0;
    while here < at {
        let instruction = decode(before.get(here..)?)?;
        instructions.push((here, instruction));
        here += instruction.len;
    }
    if here != at {
        return None;
    }
    let mut start = at;
    let mut moved = Vec::new();
    for &(place, instruction) in instructions.iter().rev() {
        if at - start >= JUMP {
            break;
        }
        if !instruction.movable {
            return None;
        }
        start = place;
        moved.insert(0, instruction);
    }
    let bytes = function.get(start..at + SYSCALL.len())?.to_vec();
    let site = Site { start: base + start as u64, bytes, moved };
    let room = at - start >= JUMP;
    let covers_one = site.inner().next().is_none();
    (room && (covers_one || nothing_lands_inside(function, base, &site))).then_some(site)
}

/// Whether the whole function decodes, has no jump to an unknown place, and none into the moved instructions.
fn nothing_lands_inside(function: &[u8], base: u64, site: &Site) -> bool {
    let mut here = 0;
    while let Some(rest) = function.get(here..).filter(|rest| !rest.is_empty()) {
        let Some(instruction) = decode(rest) else { return false };
        here += instruction.len;
        match instruction.flow {
            Flow::Indirect => return false,
            Flow::Relative(distance) => {
                let target = (base + here as u64).wrapping_add_signed(i64::from(distance));
                if site.inner().any(|inner| inner == target) {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

/// Drops sites that code elsewhere may jump into: any four bytes are taken for the distance of a jump, and near
/// the site those of its neighbours' single bytes that follow the opcode of a short jump.
fn drop_targets(code: &[u8], base: u64, sites: &mut Vec<Site>) {
    let mut inner: Vec<u64> = sites.iter().flat_map(Site::inner).collect();
    if inner.is_empty() {
        return;
    }
    inner.sort_unstable();
    // One bit for each low half of an address: nearly all distances end here.
    let mut filter = vec![0_u64; 1024];
    for at in &inner {
        let low = usize::from(low_half(*at));
        filter[low / 64] |= 1 << (low % 64);
    }
    let mut hit: Vec<u64> = Vec::new();
    for (place, window) in (0_u64..).zip(code.windows(4)) {
        let &[a, b, c, d] = window else { continue };
        let distance = i32::from_le_bytes([a, b, c, d]);
        let target = (base + place + 4).wrapping_add_signed(i64::from(distance));
        let low = usize::from(low_half(target));
        if filter[low / 64] >> (low % 64) & 1 == 1 && inner.binary_search(&target).is_ok() {
            hit.push(target);
        }
    }
    sites.retain(|site| {
        !site.inner().any(|inner| hit.contains(&inner) || is_short_target(code, base, inner))
    });
}

/// Whether bytes near `target` read as a short jump to it. Most that do are none: the site then traps.
fn is_short_target(code: &[u8], base: u64, target: u64) -> bool {
    let from = usize::try_from(target.saturating_sub(base + 130)).unwrap_or(0);
    let near = code.get(from..).unwrap_or_default();
    (base + from as u64..).zip(near.windows(2)).take(260).any(|(at, pair)| {
        let &[opcode, distance] = pair else { return false };
        let is_jump = matches!(opcode, 0x70..=0x7f | 0xe0..=0xe3 | 0xeb);
        is_jump && (at + 2).wrapping_add_signed(i64::from(distance.cast_signed())) == target
    })
}

#[allow(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn low_half(at: u64) -> u16 {
    at as u16
}
