//! Helpers for Intel's signed JSON.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{Bytes, TcbStatus, Time};

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| {
            D::Error::custom(alloc::format!("expected {} hexadecimal digits", N.saturating_mul(2)))
        })
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse_iso(&text)
            .ok_or_else(|| D::Error::custom("expected a date YYYY-MM-DDThh:mm:ssZ"))
    }
}

/// Parses a status of a TCB level of TCB info.
pub(super) fn platform_status<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<TcbStatus, D::Error> {
    let text = <alloc::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    TcbStatus::parse_platform(&text).ok_or_else(|| D::Error::custom(UnknownStatus(&text)))
}

/// Parses a status of a level of an enclave or TDX module identity.
pub(super) fn identity_status<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<TcbStatus, D::Error> {
    let text = <alloc::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    TcbStatus::parse_identity(&text).ok_or_else(|| D::Error::custom(UnknownStatus(&text)))
}

/// Message of an unknown status; recognised by [`is_unknown_status`].
struct UnknownStatus<'a>(&'a str);

const UNKNOWN_STATUS: &str = "unknown TCB status";

impl core::fmt::Display for UnknownStatus<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{UNKNOWN_STATUS} {:?}", self.0)
    }
}

/// True when parsing failed because of a status.
pub(super) fn is_unknown_status(error: &str) -> bool {
    error.starts_with(UNKNOWN_STATUS)
}

/// Adds those of `more` that are not there yet.
pub(crate) fn merge_advisories(advisories: &mut Vec<String>, more: &[String]) {
    for advisory in more {
        if !advisories.contains(advisory) {
            advisories.push(advisory.clone());
        }
    }
}
