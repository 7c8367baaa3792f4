//! A map from disjoint address ranges to values that joins equal neighbours.
//!
//! Both the areas of an address space and the pages that are committed are such maps. Values hold
//! no absolute offsets (see [`super::area`]), so a range can be cut anywhere without touching its value.

use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::Range;

/// Disjoint half-open ranges, each with a value.
#[derive(Debug, Clone)]
pub(crate) struct RangeMap<T> {
    runs: BTreeMap<u64, (u64, T)>,
}

impl<T: Clone + PartialEq> RangeMap<T> {
    pub(crate) const fn new() -> Self {
        Self { runs: BTreeMap::new() }
    }

    /// The run that holds `at`.
    pub(crate) fn get(&self, at: u64) -> Option<(Range<u64>, &T)> {
        let (&start, (end, value)) = self.runs.range(..=at).next_back()?;
        (at < *end).then_some((start..*end, value))
    }

    /// All runs, ascending.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (Range<u64>, &T)> {
        self.runs.iter().map(|(&start, (end, value))| (start..*end, value))
    }

    /// The runs that meet `range`, cut to it, ascending.
    pub(crate) fn within(&self, range: Range<u64>) -> Vec<(Range<u64>, T)> {
        let first = self.get(range.start).map_or(range.start, |(run, _)| run.start);
        self.runs
            .range(first..range.end.max(first))
            .map(|(&s, (e, v))| (s.max(range.start)..(*e).min(range.end), v.clone()))
            .filter(|(run, _)| run.start < run.end)
            .collect()
    }

    /// The parts of `range` that no run covers, ascending.
    pub(crate) fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = range.start;
        for (run, _) in self.within(range.clone()) {
            if at < run.start {
                gaps.push(at..run.start);
            }
            at = run.end;
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }

    /// Removes `range` and returns what was there.
    pub(crate) fn remove(&mut self, range: Range<u64>) -> Vec<(Range<u64>, T)> {
        let removed = self.within(range.clone());
        if removed.is_empty() {
            return removed;
        }
        self.split(range.start);
        self.split(range.end);
        for (run, _) in &removed {
            self.runs.remove(&run.start);
        }
        removed
    }

    /// Gives `range` the value, whatever was there.
    pub(crate) fn insert(&mut self, range: Range<u64>, value: T) {
        if range.start >= range.end {
            return;
        }
        self.remove(range.clone());
        let mut start = range.start;
        let mut end = range.end;
        if let Some((&s, (e, v))) = self.runs.range(..range.start).next_back()
            && *e == range.start
            && *v == value
        {
            start = s;
        }
        if let Some((e, v)) = self.runs.get(&range.end)
            && *v == value
        {
            end = *e;
            self.runs.remove(&range.end);
        }
        self.runs.insert(start, (end, value));
    }

    fn split(&mut self, at: u64) {
        if let Some((&start, (end, value))) = self.runs.range_mut(..at).next_back()
            && at < *end
            && start < at
        {
            let tail = (*end, value.clone());
            *end = at;
            self.runs.insert(at, tail);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn runs(map: &RangeMap<u8>) -> Vec<(Range<u64>, u8)> {
        map.iter().map(|(r, v)| (r, *v)).collect()
    }

    #[test]
    fn inserting_cuts_and_joins() {
        let mut map = RangeMap::new();
        map.insert(0..10, 1);
        map.insert(10..20, 1);
        assert_eq!(runs(&map), vec![(0..20, 1)]);
        map.insert(5..15, 2);
        assert_eq!(runs(&map), vec![(0..5, 1), (5..15, 2), (15..20, 1)]);
        map.insert(5..15, 1);
        assert_eq!(runs(&map), vec![(0..20, 1)]);
    }

    #[test]
    fn removing_returns_what_was_there() {
        let mut map = RangeMap::new();
        map.insert(0..10, 1);
        map.insert(20..30, 2);
        assert_eq!(map.remove(5..25), vec![(5..10, 1), (20..25, 2)]);
        assert_eq!(runs(&map), vec![(0..5, 1), (25..30, 2)]);
        assert_eq!(map.gaps(0..40), vec![5..25, 30..40]);
    }

    #[test]
    fn random_operations_agree_with_an_array() {
        let mut model = [0u8; 64];
        let mut map = RangeMap::new();
        let mut seed = 12345u64;
        let mut next = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % n
        };
        for _ in 0..5000 {
            let (a, b) = (next(65), next(65));
            let (a, b) = (a.min(b), a.max(b));
            let value = u8::try_from(next(4)).unwrap();
            if value == 0 {
                map.remove(a..b);
            } else {
                map.insert(a..b, value);
            }
            for i in a..b {
                model[usize::try_from(i).unwrap()] = value;
            }
            for (i, &want) in model.iter().enumerate() {
                assert_eq!(map.get(i as u64).map_or(0, |(_, v)| *v), want);
            }
        }
    }
}
