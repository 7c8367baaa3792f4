//! What kv version 2 keeps about a secret beside its values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vault_sdk::table::Call;
use vault_sdk::time::{Instant, Seconds};
use vault_sdk::{Data, Error};

/// Versions that are kept if nobody says otherwise.
const DEFAULT_MAX_VERSIONS: u64 = 10;

/// When a version deletes itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum DeleteAfter {
    /// Whatever the mount says; on the mount, never.
    #[default]
    Unset,
    /// Never, whatever a secret says; only on the mount.
    Disabled,
    /// So long after it was written.
    After(Seconds),
}

/// Settings of the mount.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Config {
    pub(super) max_versions: u64,
    pub(super) cas_required: bool,
    pub(super) delete_version_after: DeleteAfter,
}

/// One version of a secret.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) created: Instant,
    /// Not set, past (deleted) or to come.
    pub(super) deletion: Instant,
    pub(super) destroyed: bool,
}

/// A secret.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Metadata {
    pub(super) created: Instant,
    pub(super) updated: Instant,
    /// Zero if no version was written yet.
    pub(super) current_version: u64,
    pub(super) oldest_version: u64,
    pub(super) versions: BTreeMap<u64, Version>,
    /// Zero for the mount's.
    pub(super) max_versions: u64,
    pub(super) cas_required: bool,
    pub(super) delete_version_after: DeleteAfter,
    pub(super) custom_metadata: Option<BTreeMap<String, String>>,
}

impl DeleteAfter {
    /// Reads a duration that may be negative.
    pub(super) fn read(call: &Call<'_>, name: &str) -> Result<Option<Self>, Error> {
        let Some(value) = call.value(name) else { return Ok(None) };
        let negative = match value {
            Value::String(text) => text.trim().starts_with('-'),
            Value::Number(number) => number.as_f64().is_some_and(|number| number < 0.0),
            _ => false,
        };
        if negative {
            return Ok(Some(Self::Disabled));
        }
        let seconds = Seconds::from_json(value);
        let seconds = seconds.map_err(|error| Error::Invalid(format!("{name}: {error}")))?;
        Ok(Some(if seconds.is_zero() { Self::Unset } else { Self::After(seconds) }))
    }

    pub(super) fn show(self) -> String {
        match self {
            Self::Unset => Seconds::ZERO.to_go(),
            Self::Disabled => "-1s".to_owned(),
            Self::After(seconds) => seconds.to_go(),
        }
    }
}

impl Version {
    /// Whether the value can be read.
    pub(super) fn is_readable(&self, now: Instant) -> bool {
        !self.destroyed && (self.deletion.is_zero() || now < self.deletion)
    }

    /// As `metadata` of an answer.
    pub(super) fn show(&self, number: u64, custom: Option<&BTreeMap<String, String>>) -> Data {
        let mut data = self.show_short();
        data.insert("version".to_owned(), json!(number));
        data.insert("custom_metadata".to_owned(), json!(custom));
        data
    }

    /// As an entry of `versions`.
    pub(super) fn show_short(&self) -> Data {
        let fields = [
            ("created_time", json!(self.created.to_rfc3339())),
            ("deletion_time", json!(self.deletion.to_rfc3339_or_empty())),
            ("destroyed", json!(self.destroyed)),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Metadata {
    /// Whether check-and-set must be used.
    pub(super) fn needs_cas(&self, config: &Config) -> bool {
        self.cas_required || config.cas_required
    }

    /// When a version written now deletes itself; zero for never. The shorter of both settings counts.
    pub(super) fn deletion_time(&self, config: &Config, now: Instant) -> Instant {
        let after = match (config.delete_version_after, self.delete_version_after) {
            (DeleteAfter::Disabled, _) => return Instant::ZERO,
            (DeleteAfter::After(mount), DeleteAfter::After(own)) => mount.min(own),
            (DeleteAfter::After(after), _) | (_, DeleteAfter::After(after)) => after,
            (DeleteAfter::Unset, _) => return Instant::ZERO,
        };
        now.plus(after)
    }

    fn max_versions(&self, config: &Config) -> u64 {
        [self.max_versions, config.max_versions, DEFAULT_MAX_VERSIONS]
            .into_iter()
            .find(|bound| *bound > 0)
            .unwrap_or(DEFAULT_MAX_VERSIONS)
    }

    /// Adds a version and forgets the oldest ones over the bound; returns the number of the new one and those
    /// of the forgotten.
    pub(super) fn add_version(&mut self, config: &Config, now: Instant) -> (u64, Vec<u64>) {
        let number = self.current_version.saturating_add(1);
        let deletion = self.deletion_time(config, now);
        self.versions.insert(number, Version { created: now, deletion, destroyed: false });
        self.current_version = number;
        self.updated = now;
        if self.created.is_zero() {
            self.created = now;
        }
        let oldest = (number + 1).saturating_sub(self.max_versions(config));
        let kept = self.versions.split_off(&oldest);
        let forgotten = std::mem::replace(&mut self.versions, kept);
        if oldest > 1 {
            self.oldest_version = oldest;
        }
        (number, forgotten.into_keys().collect())
    }

    /// As `metadata/` answers.
    pub(super) fn show(&self) -> Data {
        let versions: Data = self
            .versions
            .iter()
            .map(|(number, version)| (number.to_string(), Value::Object(version.show_short())))
            .collect();
        let fields = [
            ("cas_required", json!(self.cas_required)),
            ("created_time", json!(self.created.to_rfc3339())),
            ("current_version", json!(self.current_version)),
            ("custom_metadata", json!(self.custom_metadata)),
            ("delete_version_after", json!(self.delete_version_after.show())),
            ("max_versions", json!(self.max_versions)),
            ("oldest_version", json!(self.oldest_version)),
            ("updated_time", json!(self.updated.to_rfc3339())),
            ("versions", Value::Object(versions)),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Vault's bounds on custom metadata.
pub(super) fn check_custom(custom: &BTreeMap<String, String>) -> Result<(), Error> {
    let refuse =
        |text: String| Err(Error::Invalid(format!("custom_metadata validation failed: {text}")));
    if custom.len() > 64 {
        return refuse(format!("payload must contain at most 64 keys, provided {}", custom.len()));
    }
    for (key, value) in custom {
        if key.is_empty() || key.len() > 128 {
            return refuse(format!("length of a key is {}, must be 1 to 128", key.len()));
        }
        if value.is_empty() || value.len() > 512 {
            return refuse(format!(
                "length of value for key {key:?} is {}, must be 1 to 512",
                value.len()
            ));
        }
        if key.chars().chain(value.chars()).any(char::is_control) {
            return refuse(format!("{key:?} or its value has unprintable characters"));
        }
    }
    Ok(())
}
