//! The table: figures, ratio, target, verdict.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use super::TRANSITION_CYCLES;
use super::alternate::Figures;
use super::rows::{Better, Row, Target};

/// A measured row.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    name: &'static str,
    unit: &'static str,
    better: Better,
    target: Target,
    figures: Option<Figures>,
    /// Ours at transition cost 0 over native, medians.
    ratio: Option<f64>,
    pub(super) verdict: Verdict,
}

/// How a row did.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Met,
    Missed,
    Reported,
    /// Could not be measured, and why.
    Failed(String),
}

impl Outcome {
    /// Judges what a row measured.
    pub(super) fn of(row: &Row, figures: Result<Figures>) -> Self {
        let (name, unit, better, target) = (row.name, row.unit, row.better, row.target);
        let (figures, ratio, verdict) = match figures {
            Err(error) => (None, None, Verdict::Failed(format!("{error:#}"))),
            Ok(figures) => {
                let ours = figures.ours[0].median;
                let ratio = figures.native.map(|native| ours / native.median);
                (Some(figures), ratio, judge(better, target, ours, ratio))
            }
        };
        Self { name, unit, better, target, figures, ratio, verdict }
    }
}

fn judge(better: Better, target: Target, ours: f64, ratio: Option<f64>) -> Verdict {
    let (found, limit) = match (target, ratio) {
        (Target::Reported, _) => return Verdict::Reported,
        (Target::Absolute(limit), _) => (ours, limit),
        (Target::TimesNative(limit), Some(ratio)) => (ratio, limit),
        (Target::TimesNative(_), None) => {
            return Verdict::Failed("a target relative to native, but no native figure".to_owned());
        }
    };
    let met = match better {
        Better::Less => found <= limit,
        Better::More => found >= limit,
    };
    if met { Verdict::Met } else { Verdict::Missed }
}

/// The table as text.
pub(super) fn render(outcomes: &[Outcome]) -> String {
    let mut header = vec!["row".to_owned(), "unit".to_owned(), "native".to_owned()];
    header.extend(TRANSITION_CYCLES.map(|cycles| format!("ours, {cycles} cycles")));
    header.extend(["ratio", "exits/op", "target", "verdict"].map(str::to_owned));
    let mut lines = vec![header];
    lines.extend(outcomes.iter().map(cells));
    let mut text = align(&lines);
    for outcome in outcomes {
        if let Verdict::Failed(reason) = &outcome.verdict {
            let _ = writeln!(text, "{}: {reason}", outcome.name);
        }
    }
    text
}

fn cells(outcome: &Outcome) -> Vec<String> {
    let figures = outcome.figures.as_ref();
    let mut cells = vec![outcome.name.to_owned(), outcome.unit.to_owned()];
    let native = figures.and_then(|figures| figures.native);
    cells.push(native.map_or("-".to_owned(), |summary| number(summary.median)));
    for index in 0..TRANSITION_CYCLES.len() {
        let ours = figures.and_then(|figures| figures.ours.get(index));
        cells.push(ours.map_or("-".to_owned(), |summary| number(summary.median)));
    }
    cells.push(outcome.ratio.map_or("-".to_owned(), |ratio| format!("{}x", number(ratio))));
    cells.push(figures.and_then(|figures| figures.exits).map_or("-".to_owned(), number));
    let sign = match outcome.better {
        Better::Less => "<=",
        Better::More => ">=",
    };
    cells.push(match outcome.target {
        Target::TimesNative(limit) => format!("{sign} {limit}x"),
        Target::Absolute(limit) => format!("{sign} {limit} {}", outcome.unit),
        Target::Reported => "-".to_owned(),
    });
    cells.push(match &outcome.verdict {
        Verdict::Met => "pass".to_owned(),
        Verdict::Missed => "MISS".to_owned(),
        Verdict::Reported => "-".to_owned(),
        Verdict::Failed(_) => "FAILED".to_owned(),
    });
    cells
}

/// Three significant digits.
fn number(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 100.0 => format!("{value:.0}"),
        magnitude if magnitude >= 10.0 => format!("{value:.1}"),
        magnitude if magnitude >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| lines.iter().map(|line| line[column].len()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(row, "{cell:<width$}  ");
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::rows::Sample;
    use super::super::stats::Summary;
    use super::*;

    fn row(better: Better, target: Target) -> Row {
        let ours = Box::new(|_| Ok(Sample { value: 0.0, exits: None }));
        Row { name: "getpid", unit: "ns", better, target, native: None, ours }
    }

    fn summary(median: f64) -> Summary {
        Summary { median, min: median, max: median }
    }

    fn outcome(better: Better, target: Target, native: Option<f64>, ours: f64) -> Outcome {
        let figures = Figures {
            native: native.map(summary),
            ours: vec![summary(ours), summary(ours * 10.0)],
            exits: Some(0.5),
        };
        Outcome::of(&row(better, target), Ok(figures))
    }

    #[test]
    fn judges_by_direction_and_kind_of_target() {
        for (better, target, native, ours, expected) in [
            (Better::Less, Target::TimesNative(0.5), Some(142.0), 71.0, Verdict::Met),
            (Better::Less, Target::TimesNative(0.5), Some(142.0), 72.0, Verdict::Missed),
            (Better::More, Target::TimesNative(0.95), Some(100.0), 95.0, Verdict::Met),
            (Better::More, Target::TimesNative(0.95), Some(100.0), 94.0, Verdict::Missed),
            (Better::Less, Target::Absolute(5.0), None, 5.0, Verdict::Met),
            (Better::Less, Target::Absolute(5.0), Some(1.0), 5.1, Verdict::Missed),
            (Better::More, Target::Absolute(1.0), None, 0.9, Verdict::Missed),
            (Better::Less, Target::Reported, None, 1e9, Verdict::Reported),
        ] {
            let found = outcome(better, target, native, ours).verdict;
            assert_eq!(found, expected, "{better:?} {target:?} {native:?} {ours}");
        }
        let failed = outcome(Better::Less, Target::TimesNative(1.0), None, 1.0).verdict;
        assert!(matches!(failed, Verdict::Failed(_)));
    }

    #[test]
    fn prints_a_table() {
        let failed = Outcome::of(
            &row(Better::Less, Target::Absolute(5.0)),
            Err(anyhow::anyhow!("no enclave")),
        );
        let met = outcome(Better::Less, Target::TimesNative(0.5), Some(142.0), 35.5);
        let expected = "\
row     unit  native  ours, 0 cycles  ours, 10000 cycles  ratio   exits/op  target   verdict
getpid  ns    142     35.5            355                 0.250x  0.500     <= 0.5x  pass
getpid  ns    -       -               -                   -       -         <= 5 ns  FAILED
getpid: no enclave
";
        assert_eq!(render(&[met, failed]), expected);
    }

    #[test]
    fn writes_json() {
        let met = outcome(Better::Less, Target::Absolute(5.0), Some(2.0), 4.0);
        let json = serde_json::to_value([met]).unwrap();
        assert_eq!(json[0]["verdict"], "met");
        assert_eq!(json[0]["ratio"], 2.0);
        assert_eq!(json[0]["figures"]["ours"][1]["median"], 40.0);
        assert_eq!(json[0]["target"]["absolute"], 5.0);
    }
}
