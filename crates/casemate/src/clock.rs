//! The clock, and times on the command line.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use dcap::Time;

/// The present.
#[allow(clippy::disallowed_methods, reason = "the command line is where the clock is read")]
pub(crate) fn present() -> Result<Time> {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("read the clock: it is before 1970")?;
    Ok(Time::from_unix(since_1970.as_secs()))
}

/// Reads `YYYY-MM-DDThh:mm:ssZ` or seconds since 1970.
pub(crate) fn parse(text: &str) -> Result<Time, String> {
    let seconds = || text.parse().ok().map(Time::from_unix);
    Time::parse_iso(text).or_else(seconds).ok_or_else(|| {
        format!(
            "expected a time such as 2026-01-31T12:00:00Z or seconds since 1970, found {text:?}"
        )
    })
}
