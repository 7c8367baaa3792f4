//! SIGSTRUCT: the enclave's certificate, made by its signer.

use crate::layout::{Field, Place, structure};
use crate::{Attributes, CetAttributes, Malformed, Miscselect, Mrenclave, Mrsigner};

/// The first constant of a SIGSTRUCT, as it lies in memory.
const HEADER: [u8; 16] = [6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
/// The second constant, as it lies in memory.
const HEADER2: [u8; 16] = [1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1, 0, 0, 0];
/// The only public exponent.
const EXPONENT: [u8; 4] = [3, 0, 0, 0];

structure! {
    /// SIGSTRUCT ("Enclave Signature Structure (SIGSTRUCT)"). In memory it is aligned to 4096 bytes.
    ///
    /// Decoding checks what EINIT answers with SGX_INVALID_SIG_STRUCT: constants, vendor, exponent
    /// and reserved bytes. It does not check the signature.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Sigstruct = "SIGSTRUCT", 1808 bytes;
    fields {
        /// Who signed.
        16 VENDOR: vendor: Vendor,
        /// When the signer says it was signed.
        20 DATE: date: SigstructDate,
        /// Free for software.
        40 SWDEFINED: swdefined: u32,
        /// RSA modulus, little-endian.
        128 MODULUS: modulus: [u8; 384],
        /// RSA signature, little-endian.
        516 SIGNATURE: signature: [u8; 384],
        /// Demanded SECS.MISCSELECT under `miscmask`.
        900 MISCSELECT: miscselect: Miscselect,
        /// Which bits of MISCSELECT the signer fixes.
        904 MISCMASK: miscmask: Miscselect,
        /// Demanded SECS.CET_ATTRIBUTES under `cet_attributes_mask`.
        908 CET_ATTRIBUTES: cet_attributes: CetAttributes,
        /// Which bits of CET_ATTRIBUTES the signer fixes.
        909 CET_ATTRIBUTES_MASK: cet_attributes_mask: CetAttributes,
        /// Family of products (KSS).
        912 ISVFAMILYID: isvfamilyid: [u8; 16],
        /// Demanded SECS.ATTRIBUTES under `attributemask`.
        928 ATTRIBUTES: attributes: Attributes,
        /// Which bits of ATTRIBUTES the signer fixes.
        944 ATTRIBUTEMASK: attributemask: Attributes,
        /// MRENCLAVE this SIGSTRUCT is for.
        960 ENCLAVEHASH: enclavehash: Mrenclave,
        /// Extended product number (KSS).
        1008 ISVEXTPRODID: isvextprodid: [u8; 16],
        /// Product number.
        1024 ISVPRODID: isvprodid: u16,
        /// Security version.
        1026 ISVSVN: isvsvn: u16,
        /// floor(SIGNATURE^2 / MODULUS), little-endian.
        1040 Q1: q1: [u8; 384],
        /// floor((SIGNATURE^2 mod MODULUS) * SIGNATURE / MODULUS), little-endian.
        1424 Q2: q2: [u8; 384],
    }
    constants {
        0 HEADER = HEADER,
        24 HEADER2 = HEADER2,
        512 EXPONENT = EXPONENT,
    }
    reserved { 44..128, 910..912, 992..1008, 1028..1040, }
}

/// Number of bytes of a SIGSTRUCT that its signature covers.
const SIGNED_SIZE: usize = 256;

impl Sigstruct {
    /// Returns MRSIGNER: SHA-256 of MODULUS as it is stored.
    pub fn mrsigner(&self) -> Mrsigner {
        Mrsigner(crypto::sha256(&self.modulus))
    }

    /// Returns the bytes the signature covers: offsets 0..128 and 900..1028.
    pub fn signed_bytes(&self) -> [u8; SIGNED_SIZE] {
        let image = self.to_bytes();
        let (header, body) = (image.iter().take(128), image.iter().skip(900).take(128));
        let mut signed = [0; SIGNED_SIZE];
        for (to, from) in signed.iter_mut().zip(header.chain(body)) {
            *to = *from;
        }
        signed
    }
}

/// SIGSTRUCT.VENDOR: whether Intel signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Vendor {
    /// Anyone but Intel.
    #[default]
    Other = 0,
    /// Intel.
    Intel = 0x8086,
}

impl Field for Vendor {
    const SIZE: usize = 4;
    const ZERO: Self = Vendor::Other;

    fn read(bytes: &[u8], place: Place) -> Result<Self, Malformed> {
        match u32::read(bytes, place)? {
            0 => Ok(Vendor::Other),
            0x8086 => Ok(Vendor::Intel),
            found => Err(place.refuse("0 or 0x8086", found.into())),
        }
    }

    fn write(&self, out: &mut [u8]) {
        (*self as u32).write(out);
    }
}

/// SIGSTRUCT.DATE: year, month and day as decimal digits, 0x20260131 for 31 January 2026.
///
/// The processor does not look at it, so any number is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SigstructDate(pub u32);

impl SigstructDate {
    /// Makes a date. Years run from 1 to 9999; the day is checked against the month.
    pub fn from_ymd(year: u32, month: u32, day: u32) -> Option<Self> {
        let known = (1..=9999).contains(&year) && (1..=days_in_month(year, month)?).contains(&day);
        known.then(|| SigstructDate(bcd(year) << 16 | bcd(month) << 8 | bcd(day)))
    }

    /// Returns year, month and day, if the digits are decimal and name a day.
    pub fn ymd(self) -> Option<(u32, u32, u32)> {
        let (year, month, day) =
            (decimal(self.0 >> 16)?, decimal(self.0 >> 8 & 0xff)?, decimal(self.0 & 0xff)?);
        SigstructDate::from_ymd(year, month, day).map(|_| (year, month, day))
    }
}

impl core::fmt::Display for SigstructDate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.ymd() {
            Some((year, month, day)) => write!(f, "{year:04}-{month:02}-{day:02}"),
            None => write!(f, "{:#010x}", self.0),
        }
    }
}

impl Field for SigstructDate {
    const SIZE: usize = 4;
    const ZERO: Self = SigstructDate(0);

    fn read(bytes: &[u8], place: Place) -> Result<Self, Malformed> {
        Field::read(bytes, place).map(Self)
    }

    fn write(&self, out: &mut [u8]) {
        self.0.write(out);
    }
}

fn days_in_month(year: u32, month: u32) -> Option<u32> {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    })
}

/// Encodes up to four decimal digits, one to a nibble.
fn bcd(number: u32) -> u32 {
    (number / 1000 % 10) << 12 | (number / 100 % 10) << 8 | (number / 10 % 10) << 4 | (number % 10)
}

/// Decodes up to four decimal digits, one to a nibble.
fn decimal(bcd: u32) -> Option<u32> {
    [12, 8, 4, 0].iter().try_fold(0u32, |number, shift| {
        let digit = bcd >> shift & 0xf;
        (digit < 10).then(|| number.saturating_mul(10).saturating_add(digit))
    })
}
