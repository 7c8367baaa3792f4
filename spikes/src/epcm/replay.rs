//! Does to ELRANGE what a trace says a program did to its address space.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::RESERVED;
use super::range::{Range, mappings_in};
use crate::{ELRANGE, PAGE};

/// A parsed trace; see [`super::record`] for the format.
#[derive(Debug)]
pub(super) struct Trace {
    steps: Vec<Step>,
    touched: Vec<(usize, usize)>,
    pub(super) native_mappings: usize,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Map { addr: usize, len: usize, prot: i32 },
    Protect { addr: usize, len: usize, prot: i32 },
    Unmap { addr: usize, len: usize },
    Discard { addr: usize, len: usize },
}

/// What a replay needed.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Kernel mappings inside ELRANGE at the end, and at most.
    pub(super) mappings: usize,
    pub(super) peak_mappings: usize,
    pub(super) faults: usize,
    pub(super) committed: usize,
    /// Touches, a page that changed permissions counted again.
    pub(super) touches: usize,
}

impl Trace {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut trace = Self { steps: Vec::new(), touched: Vec::new(), native_mappings: 0 };
        for line in text.lines() {
            trace.parse_line(line).with_context(|| format!("trace line {line:?}"))?;
        }
        Ok(trace)
    }

    fn parse_line(&mut self, line: &str) -> Result<()> {
        let mut fields = line.split(' ');
        let verb = fields.next().unwrap_or_default();
        let numbers = fields.map(|field| usize::from_str_radix(field, 16));
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        let pages = |len: usize| len.next_multiple_of(PAGE);
        match (verb, numbers.as_slice()) {
            ("map", &[addr, len, prot]) => {
                self.steps.push(Step::Map { addr, len: pages(len), prot: prot as i32 });
            }
            ("protect", &[addr, len, prot]) => {
                self.steps.push(Step::Protect { addr, len: pages(len), prot: prot as i32 });
            }
            ("unmap", &[addr, len]) => self.steps.push(Step::Unmap { addr, len: pages(len) }),
            ("discard", &[addr, len]) => self.steps.push(Step::Discard { addr, len: pages(len) }),
            ("touched", &[addr, pages]) => self.touched.push((addr, pages)),
            ("mappings", &[count]) => self.native_mappings = count,
            _ => bail!("expected map, protect, unmap, discard, touched or mappings"),
        }
        Ok(())
    }

    pub(super) fn calls(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn touched_pages(&self) -> usize {
        self.touched.iter().map(|(_, pages)| pages).sum()
    }

    /// Most address space mapped at once, in bytes.
    pub(super) fn peak_reserved(&self) -> usize {
        let (mut reserved, mut peak) = (0_usize, 0);
        let mut space = Space::default();
        for step in &self.steps {
            match *step {
                Step::Map { addr, len, .. } => {
                    let before = space.used;
                    space.cover(addr, len);
                    reserved += space.used - before;
                }
                Step::Unmap { addr, len } => {
                    reserved -= space.pieces(addr, len).iter().map(|(_, len)| len).sum::<usize>();
                    space.forget(addr, len);
                }
                _ => {}
            }
            peak = peak.max(reserved);
        }
        peak
    }
}

/// Where each region of the traced program lies in ELRANGE.
#[derive(Debug, Default)]
struct Space {
    /// Traced start: length and start in ELRANGE.
    regions: BTreeMap<usize, (usize, usize)>,
    used: usize,
}

impl Space {
    /// Gives the parts of a range that have no place yet the next free one. Places are never used
    /// twice.
    fn cover(&mut self, addr: usize, len: usize) {
        let mut at = addr;
        while at < addr + len {
            let next = self.regions.range(at..addr + len).next().map_or(addr + len, |(s, _)| *s);
            if let Some((_, rest)) = self.find(at) {
                at += rest;
            } else {
                self.regions.insert(at, (next - at, ELRANGE + self.used));
                self.used += next - at;
                at = next;
            }
        }
    }

    /// The place of an address and how far it reaches.
    fn find(&self, addr: usize) -> Option<(usize, usize)> {
        let (start, &(len, place)) = self.regions.range(..=addr).next_back()?;
        let inside = addr - start;
        (inside < len).then(|| (place + inside, len - inside))
    }

    /// The places of a range, without the parts that have none.
    fn pieces(&self, addr: usize, len: usize) -> Vec<(usize, usize)> {
        let (mut at, end, mut pieces) = (addr, addr + len, Vec::new());
        while at < end {
            if let Some((place, rest)) = self.find(at) {
                let len = rest.min(end - at);
                pieces.push((place, len));
                at += len;
            } else {
                at = self.regions.range(at..end).next().map_or(end, |(start, _)| *start);
            }
        }
        pieces
    }

    /// Takes the places of a range away.
    fn forget(&mut self, addr: usize, len: usize) {
        let overlapping = |(start, (size, _)): &(&usize, &(usize, usize))| {
            **start < addr + len && **start + size > addr
        };
        let old: Vec<_> =
            self.regions.iter().filter(overlapping).map(|(s, &(l, p))| (*s, l, p)).collect();
        for (start, size, place) in old {
            self.regions.remove(&start);
            if start < addr {
                self.regions.insert(start, (addr - start, place));
            }
            let end = addr + len;
            if start + size > end {
                self.regions.insert(end, (start + size - end, place + (end - start)));
            }
        }
    }
}

/// Replays a trace with runs of `run` pages. A page that the program had touched at its end is
/// touched after every call that gives it permissions: earlier than it really was, so that later
/// calls change committed pages.
pub(super) fn replay(trace: &Trace, run: usize) -> Result<Outcome> {
    let range = Range::reserve(RESERVED, run)?;
    let mut space = Space::default();
    let (mut peak, mut touches) = (0, 0);
    for (number, step) in trace.steps.iter().enumerate() {
        apply(&range, &mut space, *step).with_context(|| format!("call {number}: {step:x?}"))?;
        if let Step::Map { addr, len, .. } | Step::Protect { addr, len, .. } = *step {
            touches += touch(&range, &space, trace, addr, len);
        }
        if number % 16 == 0 {
            peak = peak.max(mappings_in(ELRANGE, RESERVED)?);
        }
    }
    // What was given back in between has been touched again by the end.
    for &(start, pages) in &trace.touched {
        touches += touch(&range, &space, trace, start, pages * PAGE);
    }
    let mappings = mappings_in(ELRANGE, RESERVED)?;
    Ok(Outcome {
        mappings,
        peak_mappings: peak.max(mappings),
        faults: range.faults(),
        committed: range.committed(),
        touches,
    })
}

/// Touches the pages inside a range that the trace says were touched; returns how many.
fn touch(range: &Range, space: &Space, trace: &Trace, addr: usize, len: usize) -> usize {
    let mut count = 0;
    for &(start, pages) in &trace.touched {
        let (from, to) = (start.max(addr), (start + pages * PAGE).min(addr + len));
        for (place, len) in space.pieces(from, to.saturating_sub(from)) {
            (place..place + len).step_by(PAGE).for_each(|page| range.touch(page));
            count += len / PAGE;
        }
    }
    count
}

fn apply(range: &Range, space: &mut Space, step: Step) -> Result<()> {
    if let Step::Map { addr, len, .. } = step {
        space.cover(addr, len);
        if space.used > RESERVED {
            bail!("more than {RESERVED:#x} bytes reserved");
        }
    }
    let (Step::Map { addr, len, .. }
    | Step::Protect { addr, len, .. }
    | Step::Unmap { addr, len }
    | Step::Discard { addr, len }) = step;
    for (place, len) in space.pieces(addr, len) {
        match step {
            Step::Map { prot, .. } => range.remove(place, len, Some(prot))?,
            Step::Protect { prot, .. } => range.allow(place, len, prot)?,
            Step::Unmap { .. } => range.remove(place, len, Some(0))?,
            Step::Discard { .. } => range.remove(place, len, None)?,
        }
    }
    if let Step::Unmap { addr, len } = step {
        space.forget(addr, len);
    }
    Ok(())
}
