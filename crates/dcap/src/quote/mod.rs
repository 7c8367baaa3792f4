//! SGX and TDX quotes, versions 3, 4 and 5.
//!
//! ```text
//! header 48 | body 384, 584, 648 or 885 (version 5: type 2, size 4 before it) |
//! length 4 | signature data of that length | padding
//! ```
//!
//! Parsing borrows from the quote and checks structure only. Formats: Intel's `sgx_quote_3.h`,
//! `sgx_quote_4.h` and `sgx_quote_5.h`.

mod auth;
mod body;
pub(crate) mod header;

pub use auth::{AuthData, CertificationData, PlatformIdentity};
pub use body::{Body, ReportBody, TdExtension, TdReport, TdService};
pub use header::Header;

use crate::{
    Refusal, Tee,
    bytes::Cursor,
    error::{ensure, refusal},
};

/// A parsed quote, borrowing from its bytes. Nothing in it is verified.
#[derive(Debug, Clone, Copy)]
pub struct Quote<'a> {
    /// Version, TEE, vendor.
    pub header: Header<'a>,
    /// The enclave's or TD's report.
    pub body: Body<'a>,
    /// The bytes the attestation key signs: header and body.
    pub signed: &'a [u8],
    /// Signatures, keys and certification data.
    pub auth: AuthData<'a>,
    /// Bytes behind the length that the quote declares. Not signed by anybody.
    pub padding: &'a [u8],
}

impl<'a> Quote<'a> {
    /// Parses a quote.
    ///
    /// # Errors
    ///
    /// `quote.*` of blame `Malformed`, with the field.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut cursor = Cursor::new(bytes);
        let header = Header::read(&mut cursor)?;
        let body = Body::read(&header, &mut cursor)?;
        let signed_len = bytes.len().saturating_sub(cursor.rest().len());
        let signed = bytes.get(..signed_len).unwrap_or_default();
        let auth = cursor.prefixed_u32().ok_or_else(|| {
            refusal!(
                QuoteTruncated,
                "quote of {} bytes ends inside its signature data",
                bytes.len()
            )
        })?;
        let auth = AuthData::read(header.version, auth)?;
        Ok(Self { header, body, signed, auth, padding: cursor.rest() })
    }

    /// The TEE that the quote is from.
    #[must_use]
    pub fn tee(&self) -> Tee {
        match self.body {
            Body::Sgx(_) => Tee::Sgx,
            Body::Td(_) => Tee::Tdx,
        }
    }

    /// The quote without padding.
    #[must_use]
    pub fn without_padding<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let len = bytes.len().saturating_sub(self.padding.len());
        bytes.get(..len).unwrap_or_default()
    }
}

/// Unwraps a field or says that the quote ends inside `what`.
pub(crate) fn field<T>(value: Option<T>, what: &str) -> Result<T, Refusal> {
    value.ok_or_else(|| refusal!(QuoteTruncated, "quote ends inside its {what}"))
}

pub(crate) fn ensure_size(actual: usize, expected: usize, what: &str) -> Result<(), Refusal> {
    ensure!(
        actual == expected,
        QuoteCertificationData,
        "{what}: expected {expected} bytes, found {actual}"
    );
    Ok(())
}
