//! Points in time, in seconds since 1970-01-01T00:00:00Z.

use core::fmt;

/// A point in time: seconds since the Unix epoch, UTC. Never read from a clock by this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time(u64);

/// Seconds of a day.
const DAY: u64 = 86_400;

impl Time {
    /// The latest time that can be written with four digits of a year.
    pub const MAX: Self = Self(253_402_300_799);

    /// Makes a time from seconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub const fn as_unix(self) -> u64 {
        self.0
    }

    /// Seconds from `earlier` to `self`, zero when `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Parses `YYYY-MM-DDThh:mm:ssZ`, the one form Intel's collateral uses.
    #[must_use]
    pub fn parse_iso(text: &str) -> Option<Self> {
        let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
        let [
            y1,
            y2,
            y3,
            y4,
            b'-',
            m1,
            m2,
            b'-',
            d1,
            d2,
            b'T',
            h1,
            h2,
            b':',
            n1,
            n2,
            b':',
            s1,
            s2,
            b'Z',
        ] = *bytes
        else {
            return None;
        };
        let year = number(&[y1, y2, y3, y4])?;
        Self::civil(
            year,
            [number(&[m1, m2])?, number(&[d1, d2])?],
            [number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?],
        )
    }

    /// Parses DER `UTCTime` as RFC 5280 section 4.1.2.5.1 restricts it: `YYMMDDhhmmssZ`.
    pub(crate) fn parse_utc_time(bytes: &[u8]) -> Option<Self> {
        let (year, rest) = bytes.split_first_chunk::<2>()?;
        let year = number(year)?;
        let century = if year >= 50 { 1900 } else { 2000 };
        Self::after_year(year.checked_add(century)?, rest)
    }

    /// Parses DER `GeneralizedTime` as RFC 5280 section 4.1.2.5.2 restricts it: `YYYYMMDDhhmmssZ`.
    pub(crate) fn parse_generalized_time(bytes: &[u8]) -> Option<Self> {
        let (year, rest) = bytes.split_first_chunk::<4>()?;
        Self::after_year(number(year)?, rest)
    }

    fn after_year(year: u64, rest: &[u8]) -> Option<Self> {
        let rest: &[u8; 11] = rest.try_into().ok()?;
        let [m1, m2, d1, d2, h1, h2, n1, n2, s1, s2, b'Z'] = *rest else { return None };
        Self::civil(
            year,
            [number(&[m1, m2])?, number(&[d1, d2])?],
            [number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?],
        )
    }

    /// Days from a civil date, years 1970 to 9999 only.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "every operand is bounded by the checks at the top"
    )]
    fn civil(year: u64, [month, day]: [u64; 2], [hour, minute, second]: [u64; 3]) -> Option<Self> {
        let in_range = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && day >= 1
            && day <= days_in_month(year, month)
            && hour < 24
            && minute < 60
            && second < 60;
        if !in_range {
            return None;
        }
        let leap_days = |y: u64| y / 4 - y / 100 + y / 400;
        let to_year = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
        let to_month: u64 = (1..month).map(|m| days_in_month(year, m)).sum();
        let days = to_year + to_month + day - 1;
        Some(Self(days * DAY + hour * 3600 + minute * 60 + second))
    }
}

fn days_in_month(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

impl fmt::Display for Time {
    #[expect(clippy::arithmetic_side_effects, reason = "bounded by Time::MAX, checked first")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self > Self::MAX {
            return write!(f, "@{}", self.0);
        }
        let (mut days, seconds) = (self.0 / DAY, self.0 % DAY);
        let mut year = 1970;
        loop {
            let length = (1..=12).map(|month| days_in_month(year, month)).sum();
            if days < length {
                break;
            }
            days -= length;
            year += 1;
        }
        let mut month = 1;
        while days >= days_in_month(year, month) {
            days -= days_in_month(year, month);
            month += 1;
        }
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn iso_times_round_trip() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2024-07-04T07:39:24Z", 1_720_078_764),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("9999-12-31T23:59:59Z", Time::MAX.as_unix()),
        ] {
            let time = Time::parse_iso(text).unwrap();
            assert_eq!(time.as_unix(), seconds, "{text}");
            assert_eq!(time.to_string(), text);
        }
    }

    #[test]
    fn impossible_dates_are_refused() {
        for text in [
            "2023-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-01-00T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:00:60Z",
            "2023-01-01 00:00:00Z",
            "2023-01-01T00:00:00+01:00",
            "1969-12-31T23:59:59Z",
            "+023-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(Time::parse_iso(text), None, "{text}");
        }
    }

    #[test]
    fn utc_time_has_the_pivot_of_rfc_5280() {
        let year = |text: &[u8]| Time::parse_utc_time(text).map(|time| time.to_string());
        assert_eq!(year(b"491231235959Z").unwrap(), "2049-12-31T23:59:59Z");
        assert_eq!(year(b"700101000000Z").unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(year(b"500101000000Z"), None, "1950 is before the epoch");
    }
}
