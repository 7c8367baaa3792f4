//! A quote with custom claims behind it.
//!
//! ```text
//! quote | version 8 (1) | number of claims 8 | claims
//! claim: size of the name with its NUL 8 | size of the value 8 | name | value
//! ```

use alloc::vec::Vec;

use crate::{
    Bytes, Quote, Refusal,
    bytes::Cursor,
    crypto::Crypto,
    error::{ensure, refusal},
};

/// The version of the claims that is understood.
const VERSION: u64 = 1;
/// More claims than any producer sends.
const MAX_CLAIMS: u64 = 64;

/// Evidence, borrowing from its bytes. Nothing in it is verified.
#[derive(Debug, Clone)]
pub struct OpenEnclaveEvidence<'a> {
    quote: &'a [u8],
    hashed: &'a [u8],
    claims: Vec<(&'a str, &'a [u8])>,
}

impl<'a> OpenEnclaveEvidence<'a> {
    /// Splits evidence into quote and claims.
    ///
    /// # Errors
    ///
    /// `quote.*`, or `open_enclave.malformed` when what follows the quote is not exactly claims.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let parsed = Quote::parse(bytes)?;
        let hashed = parsed.padding;
        let claims = read_claims(hashed).ok_or_else(|| {
            refusal!(
                OpenEnclaveMalformed,
                "{} bytes behind the quote are not custom claims of version {VERSION}",
                hashed.len()
            )
        })?;
        Ok(Self { quote: parsed.without_padding(bytes), hashed, claims })
    }

    /// The quote alone.
    #[must_use]
    pub fn quote(&self) -> &'a [u8] {
        self.quote
    }

    /// Names and values of the claims, in their order. They are the enclave's words only after
    /// [`Self::check_binding`].
    #[must_use]
    pub fn claims(&self) -> &[(&'a str, &'a [u8])] {
        &self.claims
    }

    /// Checks that a quote with this report data commits to the claims. The report data must come from
    /// verified [`crate::Claims`].
    ///
    /// # Errors
    ///
    /// `open_enclave.binding`.
    pub fn check_binding(
        &self,
        crypto: &dyn Crypto,
        report_data: &Bytes<64>,
    ) -> Result<(), Refusal> {
        let (hash, tail) = report_data.0.split_at(32);
        ensure!(
            hash == crypto.sha256(&[self.hashed]) && tail.iter().all(|byte| *byte == 0),
            OpenEnclaveBinding,
            "report data {report_data} is not the hash of the {} custom claims",
            self.claims.len()
        );
        Ok(())
    }
}

fn read_claims(bytes: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    let mut cursor = Cursor::new(bytes);
    (cursor.u64_le()? == VERSION).then_some(())?;
    let count = cursor.u64_le().filter(|count| *count <= MAX_CLAIMS)?;
    let mut claims: Vec<(&str, &[u8])> = Vec::new();
    for _ in 0..count {
        let (name, value) = (cursor.u64_le()?, cursor.u64_le()?);
        let name = cursor.take(usize::try_from(name).ok()?)?;
        let value = cursor.take(usize::try_from(value).ok()?)?;
        let (0, name) = name.split_last()? else { return None };
        let name = core::str::from_utf8(name).ok().filter(|name| !name.contains('\0'))?;
        // One value for a name, or two readers could see two.
        claims.iter().all(|(known, _)| *known != name).then_some(())?;
        claims.push((name, value));
    }
    cursor.rest().is_empty().then_some(claims)
}
