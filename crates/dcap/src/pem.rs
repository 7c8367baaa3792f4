//! PEM certificates (RFC 7468), as Intel's services and quoting enclaves write them.
//!
//! Certificates may be followed by NUL bytes and surrounded by white space; anything else between
//! them is refused rather than skipped.

use alloc::vec::Vec;

use crate::{Refusal, error::refusal};

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// More certificates than any chain of the known PKIs has.
pub(crate) const MAX_CERTIFICATES: usize = 6;

/// Decodes every certificate of a PEM chain to DER.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut certificates = Vec::new();
    let mut rest = trim(text);
    while !rest.is_empty() {
        if certificates.len() == MAX_CERTIFICATES {
            return Err(refusal!(
                ChainIncomplete,
                "chain has more than {MAX_CERTIFICATES} certificates"
            ));
        }
        let (der, after) = one(rest).ok_or_else(|| {
            refusal!(CertificateMalformed, "PEM certificate {} is damaged", certificates.len())
        })?;
        certificates.push(der);
        rest = trim(after);
    }
    Ok(certificates)
}

/// Decodes the certificate at the very start of `text`, if there is one.
pub(crate) fn first(text: &[u8]) -> Option<Vec<u8>> {
    one(text).map(|(der, _)| der)
}

fn trim(text: &[u8]) -> &[u8] {
    let filler = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let start = text.iter().position(|byte| !filler(byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

fn one(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let body = text.strip_prefix(BEGIN)?;
    let end = body.windows(END.len()).position(|window| window == END)?;
    let (base64, after) = body.split_at_checked(end)?;
    Some((decode_base64(base64)?, after.strip_prefix(END)?))
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte.checked_sub(b'A')?,
        b'a'..=b'z' => byte.checked_sub(b'a')?.checked_add(26)?,
        b'0'..=b'9' => byte.checked_sub(b'0')?.checked_add(52)?,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// Decodes base64 with padding, ignoring white space; unused bits must be zero.
pub(crate) fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len().checked_div(4)?.saturating_mul(3));
    let (mut group, mut filled, mut padding) = (0_u32, 0_u8, 0_u8);
    for &byte in text {
        if byte.is_ascii_whitespace() {
            continue;
        }
        let bits = if byte == b'=' {
            padding = padding.checked_add(1)?;
            0
        } else if padding > 0 {
            return None;
        } else {
            sextet(byte)?
        };
        group = (group << 6) | bits;
        filled = filled.wrapping_add(1) & 3;
        if filled == 0 {
            let [_, first, second, third] = group.to_be_bytes();
            match padding {
                0 => out.extend_from_slice(&[first, second, third]),
                1 if third == 0 => out.extend_from_slice(&[first, second]),
                2 if second == 0 && third == 0 => out.push(first),
                _ => return None,
            }
            group = 0;
        }
    }
    (filled == 0 && padding <= 2).then_some(out)
}
