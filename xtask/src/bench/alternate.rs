//! Alternation: one warm-up of every variant, then rounds that turn their order.

use anyhow::{Context, Result};
use serde::Serialize;

use super::TRANSITION_CYCLES;
use super::rows::{Probe, Row, Sample};
use super::stats::{Summary, summarise};

/// What a row measured.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) native: Option<Summary>,
    /// At each of [`TRANSITION_CYCLES`].
    pub(super) ours: Vec<Summary>,
    /// Median enclave exits per operation, where the probe counts them.
    pub(super) exits: Option<f64>,
}

/// A variant of a row: native, or ours at a transition cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    Native,
    Ours(usize),
}

/// Measures all variants of a row in `rounds` rounds.
pub(super) fn measure(row: &mut Row, rounds: u32) -> Result<Figures> {
    let mut variants: Vec<Variant> = row.native.iter().map(|_| Variant::Native).collect();
    variants.extend((0..TRANSITION_CYCLES.len()).map(Variant::Ours));
    for variant in &variants {
        sample(row, *variant).context("warm-up")?;
    }
    let mut native = Vec::new();
    let mut ours = vec![Vec::new(); TRANSITION_CYCLES.len()];
    let mut exits = Vec::new();
    for round in 0..rounds {
        for variant in turned(&variants, round) {
            let sample = sample(row, variant).with_context(|| format!("round {round}"))?;
            match variant {
                Variant::Native => native.push(sample.value),
                Variant::Ours(index) => {
                    ours[index].push(sample.value);
                    exits.extend(sample.exits);
                }
            }
        }
    }
    let ours = ours.iter().map(|values| summarise(values).context("not a number"));
    Ok(Figures {
        native: summarise(&native),
        ours: ours.collect::<Result<_>>()?,
        exits: summarise(&exits).map(|summary| summary.median),
    })
}

fn sample(row: &mut Row, variant: Variant) -> Result<Sample> {
    match variant {
        Variant::Native => {
            let native: &mut Probe = row.native.as_mut().context("no native variant")?;
            native(0).context("native")
        }
        Variant::Ours(index) => {
            let cycles = TRANSITION_CYCLES[index];
            (row.ours)(cycles).with_context(|| format!("ours at {cycles} cycles"))
        }
    }
}

/// The order of a round: turned by one from round to round, and every second time backwards, so
/// that each variant follows each other one.
fn turned(variants: &[Variant], round: u32) -> Vec<Variant> {
    let count = variants.len();
    let round = round as usize;
    let mut order: Vec<Variant> = (0..count).map(|i| variants[(i + round / 2) % count]).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::super::rows::{Better, Target};
    use super::*;

    #[test]
    fn turns_and_reverses_the_order() {
        let [a, b, c] = [Variant::Native, Variant::Ours(0), Variant::Ours(1)];
        let orders: Vec<_> = (0..4).map(|round| turned(&[a, b, c], round)).collect();
        assert_eq!(orders, [[a, b, c], [c, b, a], [b, c, a], [a, c, b]]);
    }

    #[test]
    fn measures_every_variant_once_a_round_after_a_warm_up() {
        let calls = Rc::new(RefCell::new(Vec::new()));
        let log = |name: &'static str| {
            let calls = Rc::clone(&calls);
            Box::new(move |cycles: u32| {
                calls.borrow_mut().push((name, cycles));
                let count = calls.borrow().len();
                // The warm-up would show as a huge value.
                let value = if count <= 3 { 1e9 } else { f64::from(cycles) + 2.0 };
                Ok(Sample { value, exits: Some(4.0) })
            }) as Probe
        };
        let mut row = Row {
            name: "row",
            unit: "ns",
            better: Better::Less,
            target: Target::Reported,
            native: Some(log("native")),
            ours: log("ours"),
        };
        let figures = measure(&mut row, 5).unwrap();
        assert_eq!(calls.borrow().len(), 3 * 6);
        assert_eq!(figures.native.unwrap().max, 2.0);
        assert_eq!(figures.ours.len(), 2);
        assert_eq!(figures.ours[1].median, 10_002.0);
        assert_eq!(figures.exits, Some(4.0));
    }

    #[test]
    fn says_which_variant_failed() {
        let mut row = Row {
            name: "row",
            unit: "ns",
            better: Better::Less,
            target: Target::Reported,
            native: None,
            ours: Box::new(|_| anyhow::bail!("no enclave")),
        };
        let error = format!("{:#}", measure(&mut row, 3).unwrap_err());
        assert_eq!(error, "warm-up: ours at 0 cycles: no enclave");
    }
}
