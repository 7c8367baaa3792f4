//! Points in time as certificates and collateral write them.
//!
//! The library never reads a clock: every function that needs the time takes a [`UnixTime`].

use std::fmt;
use std::ops::{Add, Sub};

/// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

/// A length of time in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub u64);

impl Seconds {
    /// `count` days of 86,400 seconds.
    pub const fn days(count: u64) -> Self {
        Self(count * 86_400)
    }
}

impl UnixTime {
    /// Midnight UTC of a date of the Gregorian calendar; `month` and `day` count from 1.
    ///
    /// Days beyond the month's end roll over into the next month, as in `timegm(3)`.
    pub const fn from_date(year: u64, month: u64, day: u64) -> Self {
        // Days from civil, with the year starting in March so that the leap day is the last.
        let year = if month <= 2 { year - 1 } else { year };
        let era = year / 400;
        let year_of_era = year - era * 400;
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self((era * 146_097 + day_of_era - 719_468) * 86_400)
    }

    /// The start of the day (UTC) this time lies in.
    pub const fn start_of_day(self) -> Self {
        Self(self.0 - self.0 % 86_400)
    }

    fn civil(self) -> Civil {
        let days = self.0 / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days - era * 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let second_of_day = self.0 % 86_400;
        Civil {
            year,
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: second_of_day / 3_600,
            minute: second_of_day % 3_600 / 60,
            second: second_of_day % 60,
        }
    }

    /// The text of an ASN.1 UTCTime (`YYMMDDHHMMSSZ`), or `None` for years RFC 5280 section 4.1.2.5
    /// wants as GeneralizedTime (before 1950, from 2050).
    pub(crate) fn utc_time(self) -> Option<String> {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        (1950..2050)
            .contains(&year)
            .then(|| format!("{:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z", year % 100))
    }

    /// The text of an ASN.1 GeneralizedTime (`YYYYMMDDHHMMSSZ`).
    pub(crate) fn generalized_time(self) -> String {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z")
    }
}

struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl fmt::Display for UnixTime {
    /// Writes ISO 8601 in UTC to the second, as collateral does: `2026-11-23T09:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl serde::Serialize for UnixTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Add<Seconds> for UnixTime {
    type Output = Self;

    fn add(self, length: Seconds) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl Sub<Seconds> for UnixTime {
    type Output = Self;

    fn sub(self, length: Seconds) -> Self {
        Self(self.0.saturating_sub(length.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_424_461, "2026-11-23T09:01:01Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(UnixTime(seconds).to_string(), text);
        }
    }

    #[test]
    fn from_date_inverts_display() {
        for day in (0..60_000).step_by(17) {
            let time = UnixTime(day * 86_400);
            let Civil { year, month, day, .. } = time.civil();
            assert_eq!(UnixTime::from_date(year, month, day), time);
        }
    }

    #[test]
    fn utc_time_ends_with_2049() {
        let last = UnixTime(UnixTime::from_date(2050, 1, 1).0 - 1);
        assert_eq!(last.utc_time().as_deref(), Some("491231235959Z"));
        assert_eq!(UnixTime::from_date(2050, 1, 1).utc_time(), None);
        assert_eq!(UnixTime::from_date(2050, 1, 1).generalized_time(), "20500101000000Z");
    }
}
