//! Batch tokens: self-contained, encrypted, without a record. `docs/specs/lease-record.md`, section 5.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::active::Active;
use crate::Error;
use crate::hex;
use crate::lease::{Held, Profile, Record};

/// What a batch token begins with.
pub(crate) const PREFIX: &str = "hvb.";

#[derive(Serialize, Deserialize)]
struct Content {
    /// The record as it would be stored, in hexadecimal.
    record: String,
    profile: Profile,
}

impl Active {
    /// The text of a batch token.
    pub(crate) fn seal_batch(
        &self,
        record: &Record,
        profile: &Profile,
    ) -> Result<Zeroizing<String>, Error> {
        let content = Content { record: hex::encode(&record.encode()), profile: profile.clone() };
        let content = Zeroizing::new(serde_json::to_vec(&content).unwrap_or_default());
        let sealed = self.barrier.seal_token(&content);
        Ok(Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed))))
    }

    /// A batch token, if it was made here; whether it is valid is asked of the leases as ever.
    pub(crate) fn open_batch(&self, text: &str) -> Option<Held> {
        let sealed = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let content = Zeroizing::new(self.barrier.open_token(&sealed)?);
        let content: Content = serde_json::from_slice(&content).ok()?;
        let record = Record::decode(&hex::decode(&content.record)?)?;
        // A batch token always ends.
        let key = self.leases.keys.key(text);
        let held = Held { key, version: 0, record, profile: Arc::new(content.profile) };
        (held.record.expires_ms != 0 && !held.profile.is_root()).then_some(held)
    }
}
