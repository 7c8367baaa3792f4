//! Points in time: nanoseconds since 1970 inside, RFC 3339 outside.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Seconds;

/// A point in time, in nanoseconds since 1970-01-01T00:00:00Z. Zero means "never" or "not set", which
/// the API writes as Go's zero time or as an empty text.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Instant(pub u64);

/// Not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a time between 1970 and 2553 as 2026-01-31T12:00:00Z")]
pub struct TimeError;

impl Instant {
    /// "Never", or "not set".
    pub const ZERO: Self = Self(0);

    /// From whole seconds since 1970; saturates.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn unix(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Whether it is "never" or "not set".
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Later by a duration; saturates.
    #[must_use]
    pub fn plus(self, duration: Seconds) -> Self {
        Self(self.0.saturating_add(duration.0.saturating_mul(1_000_000_000)))
    }

    /// Time since an earlier point, in whole seconds; zero if that is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0) / 1_000_000_000)
    }

    /// RFC 3339 with as many digits of the fraction as it needs, as Go's `RFC3339Nano`. Zero is Go's
    /// zero time.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        if self.is_zero() {
            return "0001-01-01T00:00:00Z".to_owned();
        }
        let mut text = self.whole();
        let nanos = self.0 % 1_000_000_000;
        if nanos != 0 {
            let digits = format!("{nanos:09}");
            text.push('.');
            text.push_str(digits.trim_end_matches('0'));
        }
        text.push('Z');
        text
    }

    /// RFC 3339 in whole seconds.
    #[must_use]
    pub fn to_rfc3339_seconds(self) -> String {
        if self.is_zero() { self.to_rfc3339() } else { self.whole() + "Z" }
    }

    /// RFC 3339, or an empty text if not set, as kv writes `deletion_time`.
    #[must_use]
    pub fn to_rfc3339_or_empty(self) -> String {
        if self.is_zero() { String::new() } else { self.to_rfc3339() }
    }

    /// Parses RFC 3339.
    ///
    /// # Errors
    /// If the text has another form or lies before 1970.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        parse(text.as_bytes()).ok_or(TimeError)
    }

    fn whole(self) -> String {
        let seconds = self.unix();
        let (year, month, day) = civil_from_days(seconds / 86_400);
        let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}", seconds % 60)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Days since 1970 to the proleptic Gregorian calendar, by eras of 400 years that begin in March.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + carry, month, day)
}

/// The inverse of [`civil_from_days`], for years from 1970 on.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    days.checked_sub(719_468)
}

fn parse(bytes: &[u8]) -> Option<Instant> {
    let number = |from: usize, to: usize| -> Option<u64> {
        bytes.get(from..to)?.iter().try_fold(0u64, |sum, byte| {
            byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0'))
        })
    };
    let is = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|byte| wanted.contains(byte));
    let punctuated = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range = (1..=12).contains(&month) && hour < 24 && minute < 60 && second <= 60;
    if !punctuated || !in_range || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let mut at = 19;
    let mut nanos = 0;
    if is(at, b".") {
        let digits = bytes.get(20..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        nanos = number(20, 20 + digits.min(9))? * 10u64.pow(9 - u32::try_from(digits.min(9)).ok()?);
        at = 20 + digits;
    }
    let offset: i64 = match *bytes.get(at)? {
        b'Z' | b'z' if bytes.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 && is(at + 3, b":") => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            let seconds = i64::try_from(hours * 3600 + minutes * 60).ok()?;
            if hours >= 24 || minutes >= 60 {
                return None;
            }
            if sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let local = days_from_civil(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    let utc = local.checked_add_signed(-offset)?;
    Some(Instant(utc.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

fn days_in(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_go_does() {
        let day = Instant::from_unix(1_700_000_000);
        assert_eq!(day.to_rfc3339(), "2023-11-14T22:13:20Z");
        assert_eq!(Instant(day.0 + 120_000_000).to_rfc3339(), "2023-11-14T22:13:20.12Z");
        assert_eq!(Instant(day.0 + 1).to_rfc3339(), "2023-11-14T22:13:20.000000001Z");
        assert_eq!(Instant::ZERO.to_rfc3339(), "0001-01-01T00:00:00Z");
        assert_eq!(Instant::from_unix(1_709_164_800).to_rfc3339(), "2024-02-29T00:00:00Z");
    }

    #[test]
    fn reads_offsets_and_refuses_other_forms() {
        let parsed = |text| Instant::parse(text).map(Instant::unix);
        assert_eq!(parsed("2023-11-14T23:13:20+01:00"), Ok(1_700_000_000));
        assert_eq!(parsed("1970-01-01T00:00:01.5Z"), Ok(1));
        for text in [
            "",
            "2023-11-14",
            "2023-02-29T00:00:00Z",
            "2023-11-14T22:13:20",
            "1969-12-31T23:59:59Z",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20Zx",
            "2023-00-14T22:13:20Z",
            "2023-11-14T22:13:20+1:00",
            "9999-12-31T00:00:00Z",
        ] {
            assert_eq!(parsed(text), Err(TimeError), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn reads_what_it_writes(nanos in 1u64..) {
            assert_eq!(Instant::parse(&Instant(nanos).to_rfc3339()), Ok(Instant(nanos)));
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = Instant::parse(&text);
        }
    }
}
