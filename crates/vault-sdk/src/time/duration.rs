//! Durations: whole seconds inside, numbers or Go's texts outside.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A duration in whole seconds, never negative.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Seconds(pub u64);

/// Not a duration. The text given is not repeated: it may be a secret in the wrong field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Neither a number nor Go's form.
    #[error("expected a duration as 90, \"90s\", \"1h30m\" or \"7d\"")]
    Malformed,
    /// Less than nothing.
    #[error("expected a duration that is not negative")]
    Negative,
    /// Longer than 2^63 nanoseconds, which Vault's clients cannot hold.
    #[error("expected a duration of at most 292 years")]
    TooLong,
}

/// The longest duration that Go can hold.
const MAX_SECONDS: u64 = i64::MAX.unsigned_abs() / 1_000_000_000;

impl Seconds {
    /// No time at all; in most fields, "not set".
    pub const ZERO: Self = Self(0);

    /// Parses `90`, `90s`, `1h30m`, `1.5h`, `7d`; fractions of a second are cut off. The empty text is zero.
    ///
    /// # Errors
    /// If the text has another form, is negative or too long.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::ZERO);
        }
        if text.starts_with('-') {
            return Err(DurationError::Negative);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::checked(text.parse().map_err(|_| DurationError::TooLong)?);
        }
        let mut nanos: u128 = 0;
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        while !rest.is_empty() {
            let (part, after) = component(rest)?;
            nanos = nanos.checked_add(part).ok_or(DurationError::TooLong)?;
            rest = after;
        }
        Self::checked(u64::try_from(nanos / 1_000_000_000).map_err(|_| DurationError::TooLong)?)
    }

    /// Reads a JSON number of seconds or a text.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "fractions are cut off and `as` saturates, then the bound is checked"
    )]
    pub fn from_json(value: &Value) -> Result<Self, DurationError> {
        match value {
            Value::Null => Ok(Self::ZERO),
            Value::String(text) => Self::parse(text),
            Value::Number(number) => match (number.as_u64(), number.as_f64()) {
                (Some(seconds), _) => Self::checked(seconds),
                (None, Some(seconds)) if seconds < 0.0 => Err(DurationError::Negative),
                (None, Some(seconds)) => Self::checked(seconds as u64),
                (None, None) => Err(DurationError::Malformed),
            },
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(DurationError::Malformed),
        }
    }

    /// Whether it is zero, which in most fields means "not set".
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This, or another if this is not set.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self.is_zero() { other } else { self }
    }

    /// The shorter of two bounds, where zero means that there is none.
    #[must_use]
    pub fn bounded_by(self, bound: Self) -> Self {
        if bound.is_zero() || (!self.is_zero() && self < bound) { self } else { bound }
    }

    /// Go's form, as `1h30m0s`.
    #[must_use]
    pub fn to_go(self) -> String {
        let (hours, minutes, seconds) = (self.0 / 3600, self.0 / 60 % 60, self.0 % 60);
        match (hours, minutes) {
            (0, 0) => format!("{seconds}s"),
            (0, _) => format!("{minutes}m{seconds}s"),
            _ => format!("{hours}h{minutes}m{seconds}s"),
        }
    }

    fn checked(seconds: u64) -> Result<Self, DurationError> {
        if seconds > MAX_SECONDS { Err(DurationError::TooLong) } else { Ok(Self(seconds)) }
    }
}

/// One number with its unit, in nanoseconds, and what follows.
fn component(text: &str) -> Result<(u128, &str), DurationError> {
    let end_of =
        |text: &str, accept: fn(char) -> bool| text.find(|c| !accept(c)).unwrap_or(text.len());
    let (number, rest) = text
        .split_at_checked(end_of(text, |c| c.is_ascii_digit() || c == '.'))
        .ok_or(DurationError::Malformed)?;
    let (unit, rest) = rest
        .split_at_checked(end_of(rest, |c| !c.is_ascii_digit() && c != '.'))
        .ok_or(DurationError::Malformed)?;
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return Err(DurationError::Malformed),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DurationError::Malformed);
    }
    if whole.len() > 20 {
        return Err(DurationError::TooLong);
    }
    let fraction = fraction.get(..fraction.len().min(15)).unwrap_or_default();
    let scale = 10u128.pow(u32::try_from(fraction.len()).map_err(|_| DurationError::Malformed)?);
    let digits = |text: &str| match text {
        "" => Ok(0),
        text => text.parse::<u128>().map_err(|_| DurationError::Malformed),
    };
    let nanos = digits(whole)?.checked_mul(unit).ok_or(DurationError::TooLong)?;
    Ok((nanos + digits(fraction)? * unit / scale, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_vault_reads() {
        for (text, seconds) in [
            ("", 0),
            ("90", 90),
            ("90s", 90),
            ("1h30m", 5400),
            ("1.5h", 5400),
            ("7d", 604_800),
            ("1500ms", 1),
            ("0", 0),
            ("768h0m0s", 2_764_800),
        ] {
            assert_eq!(Seconds::parse(text), Ok(Seconds(seconds)), "{text}");
        }
        assert_eq!(Seconds::from_json(&json!(2.9)), Ok(Seconds(2)));
        assert_eq!(Seconds::from_json(&json!(null)), Ok(Seconds(0)));
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["h", "1", "x", "1x", "1h-3m", "1..5s", ".s", "1 h", "5s5"] {
            assert_eq!(Seconds::parse(text).is_err(), text != "1", "{text}");
        }
        assert_eq!(Seconds::parse("-1s"), Err(DurationError::Negative));
        assert_eq!(Seconds::from_json(&json!(-1)), Err(DurationError::Negative));
        assert_eq!(Seconds::parse("9999999999999999999"), Err(DurationError::TooLong));
        assert_eq!(Seconds::parse("99999999999999999999999h"), Err(DurationError::TooLong));
        assert_eq!(Seconds::from_json(&json!(true)), Err(DurationError::Malformed));
    }

    #[test]
    fn bounds_treat_zero_as_none() {
        assert_eq!(Seconds(5).bounded_by(Seconds(0)), Seconds(5));
        assert_eq!(Seconds(0).bounded_by(Seconds(3)), Seconds(3));
        assert_eq!(Seconds(5).bounded_by(Seconds(3)), Seconds(3));
        assert_eq!(Seconds(2).bounded_by(Seconds(3)), Seconds(2));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in ".*") {
            let _ = Seconds::parse(&text);
        }

        #[test]
        fn reads_what_it_writes(seconds in 0..MAX_SECONDS) {
            assert_eq!(Seconds::parse(&Seconds(seconds).to_go()), Ok(Seconds(seconds)));
        }
    }
}
