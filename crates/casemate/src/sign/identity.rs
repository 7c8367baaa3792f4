//! What the signer states about the enclave: product, versions, attributes, masks, date.

use anyhow::{Context as _, Result, bail, ensure};
use enclave_host::identity::unsigned_sigstruct;
use sgx_types::{
    AttributeFlags, Attributes, Miscselect, Mrenclave, Sigstruct, SigstructDate, Xfrm,
};

use super::source::Measured;
use crate::text;

const SECONDS_PER_DAY: u64 = 86_400;
/// All XSAVE features but AVX, AVX-512 and AMX, which are left to the machine.
const DEFAULT_XFRM_MASK: &str = "0xfffffffffff9ff1b";

/// Fields of the SIGSTRUCT. A set of bits is a number or names with commas between. A manifest says
/// most of them itself.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fields of the SIGSTRUCT")]
#[group(id = "identity")]
pub(crate) struct Args {
    /// Product number.
    #[arg(long, conflicts_with = "manifest", value_name = "N", default_value_t = 0)]
    isvprodid: u16,
    /// Security version: raise it when an older version must lose its secrets.
    #[arg(long, conflicts_with = "manifest", value_name = "N", default_value_t = 0)]
    isvsvn: u16,
    /// Extended product number (KSS), 32 hexadecimal digits.
    #[arg(long, value_name = "HEX", value_parser = text::from_hex::<16>)]
    isvextprodid: Option<[u8; 16]>,
    /// Family of products (KSS), 32 hexadecimal digits.
    #[arg(long, value_name = "HEX", value_parser = text::from_hex::<16>)]
    isvfamilyid: Option<[u8; 16]>,
    /// Attribute flags the enclave must have.
    #[arg(long, conflicts_with = "manifest", value_name = "BITS", default_value = "MODE64BIT,KSS", value_parser = flags)]
    attributes: u64,
    /// Which attribute flags are fixed; the others are left to who starts the enclave.
    #[arg(long, conflicts_with = "manifest", value_name = "BITS", default_value = "0xffffffffffffffff", value_parser = flags)]
    attributes_mask: u64,
    /// Leave DEBUG to who starts the enclave: a debugger can then read all its memory.
    #[arg(long, conflicts_with = "manifest")]
    allow_debug: bool,
    /// XSAVE features the enclave must have.
    #[arg(long, conflicts_with = "manifest", value_name = "BITS", default_value = "X87,SSE", value_parser = xfrm)]
    xfrm: u64,
    /// Which XSAVE features are fixed; by default all but AVX, AVX-512 and AMX.
    #[arg(long, conflicts_with = "manifest", value_name = "BITS", default_value = DEFAULT_XFRM_MASK, value_parser = xfrm)]
    xfrm_mask: u64,
    /// What the enclave must be told about faults.
    #[arg(long, conflicts_with = "manifest", value_name = "BITS", default_value = "EXINFO", value_parser = miscselect)]
    miscselect: u32,
    /// Which bits of MISCSELECT are fixed.
    #[arg(long, conflicts_with = "manifest", value_name = "BITS", default_value = "0xffffffff", value_parser = miscselect)]
    miscselect_mask: u32,
    /// Free for the signer's use.
    #[arg(long, value_name = "N", default_value = "0", value_parser = text::number32)]
    swdefined: u32,
    /// Date of the signature, YYYY-MM-DD; by default the day of $SOURCE_DATE_EPOCH (UTC). The clock
    /// is never read, so that signing again gives the same bytes.
    #[arg(long, value_name = "DATE", value_parser = date)]
    date: Option<SigstructDate>,
}

impl Args {
    /// Makes the SIGSTRUCT, still without key and signature.
    pub(crate) fn sigstruct(&self, measured: Measured) -> Result<Sigstruct> {
        let date = self.date.map_or_else(date_of_source, Ok)?;
        let base = match &measured.enclave {
            Some(enclave) => unsigned_sigstruct(enclave, measured.mrenclave, date),
            None => self.as_asked(measured.mrenclave, date),
        };
        let sigstruct = Sigstruct {
            swdefined: self.swdefined,
            isvfamilyid: self.isvfamilyid.unwrap_or_default(),
            isvextprodid: self.isvextprodid.unwrap_or_default(),
            ..base
        };
        check(&sigstruct)?;
        Ok(sigstruct)
    }

    /// What the options say, for an enclave without a manifest.
    fn as_asked(&self, mrenclave: Mrenclave, date: SigstructDate) -> Sigstruct {
        Sigstruct {
            date,
            miscselect: Miscselect::from_bits(self.miscselect),
            miscmask: Miscselect::from_bits(self.miscselect_mask),
            attributes: Attributes::from_bits(self.attributes, self.xfrm),
            attributemask: Attributes::from_bits(self.attributes_mask_bits(), self.xfrm_mask),
            enclavehash: mrenclave,
            isvprodid: self.isvprodid,
            isvsvn: self.isvsvn,
            ..Sigstruct::ZERO
        }
    }

    fn attributes_mask_bits(&self) -> u64 {
        let mask = AttributeFlags::from_bits(self.attributes_mask);
        if self.allow_debug { mask.difference(AttributeFlags::DEBUG).bits() } else { mask.bits() }
    }
}

/// Refuses what no processor would start.
fn check(sigstruct: &Sigstruct) -> Result<()> {
    let Attributes { flags, xfrm } = sigstruct.attributes;
    ensure!(
        !flags.contains(AttributeFlags::INIT),
        "--attributes has INIT, which the processor sets itself"
    );
    ensure!(flags.unnamed().is_empty(), "--attributes has unknown bits: {}", flags.unnamed());
    ensure!(xfrm.contains(Xfrm::LEGACY), "--xfrm is {xfrm}, expected at least X87 and SSE");
    let kss_ids = sigstruct.isvfamilyid != [0; 16] || sigstruct.isvextprodid != [0; 16];
    ensure!(
        !kss_ids || flags.contains(AttributeFlags::KSS),
        "--isvfamilyid and --isvextprodid count only with the attribute KSS, which --attributes lacks"
    );
    for (set, mask, name) in [
        (flags.bits(), sigstruct.attributemask.flags.bits(), "attributes"),
        (xfrm.bits(), sigstruct.attributemask.xfrm.bits(), "xfrm"),
        (sigstruct.miscselect.bits().into(), sigstruct.miscmask.bits().into(), "miscselect"),
    ] {
        ensure!(
            set & !mask == 0,
            "--{name} demands bits {:#x} that --{name}-mask leaves free",
            set & !mask
        );
    }
    Ok(())
}

/// Returns the day of $SOURCE_DATE_EPOCH (reproducible-builds.org/specs/source-date-epoch).
fn date_of_source() -> Result<SigstructDate> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH") else {
        bail!("no date for the signature: give --date YYYY-MM-DD or set SOURCE_DATE_EPOCH");
    };
    let seconds: u64 = value
        .to_str()
        .and_then(|text| text.parse().ok())
        .with_context(|| format!("SOURCE_DATE_EPOCH: expected seconds, found {value:?}"))?;
    day(seconds).with_context(|| format!("SOURCE_DATE_EPOCH: {seconds} is after the year 9999"))
}

/// Returns the day (UTC) of a Unix time in seconds, up to the year 9999.
fn day(seconds: u64) -> Option<SigstructDate> {
    let mut days = u32::try_from(seconds / SECONDS_PER_DAY).ok()?;
    for year in 1970..=9999 {
        for month in 1..=12 {
            let length =
                (28..=31).rev().find(|day| SigstructDate::from_ymd(year, month, *day).is_some())?;
            if days < length {
                return SigstructDate::from_ymd(year, month, days + 1);
            }
            days -= length;
        }
    }
    None
}

fn date(text: &str) -> Result<SigstructDate, String> {
    let parts: Option<Vec<u32>> = text.split('-').map(|part| part.parse().ok()).collect();
    let date = match parts.as_deref() {
        Some([year, month, day]) => SigstructDate::from_ymd(*year, *month, *day),
        _ => None,
    };
    date.ok_or_else(|| format!("expected a day as YYYY-MM-DD, found {text:?}"))
}

fn flags(text: &str) -> Result<u64, String> {
    text::bits(text, &names(AttributeFlags::NAMES, AttributeFlags::bits))
}

fn xfrm(text: &str) -> Result<u64, String> {
    text::bits(text, &names(Xfrm::NAMES, Xfrm::bits))
}

fn miscselect(text: &str) -> Result<u32, String> {
    let bits = text::bits(text, &names(Miscselect::NAMES, |bits| bits.bits().into()))?;
    u32::try_from(bits).map_err(|_| format!("expected at most 0xffffffff, found {text}"))
}

fn names<T: Copy>(
    names: &[(&'static str, T)],
    bits: impl Fn(T) -> u64,
) -> Vec<(&'static str, u64)> {
    names.iter().map(|(name, bit)| (*name, bits(*bit))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_times_become_days() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_709_164_800, "2024-02-29"),
            (1_767_225_600, "2026-01-01"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(day(seconds).unwrap().to_string(), expected);
        }
        assert_eq!(day(u64::MAX), None);
        assert_eq!(day(253_402_300_800), None);
    }

    #[test]
    fn the_default_mask_leaves_avx_and_amx_to_the_machine() {
        let free = Xfrm::NAMED.difference(Xfrm::from_bits(xfrm(DEFAULT_XFRM_MASK).unwrap()));
        assert_eq!(free.to_string(), "AVX | OPMASK | ZMM_HI256 | HI16_ZMM | TILECFG | TILEDATA");
    }

    #[test]
    fn dates_are_days_that_exist() {
        assert_eq!(date("2026-01-31").unwrap().0, 0x2026_0131);
        for wrong in ["2026-02-29", "2026-13-01", "2026-01", "today", "2026-01-01-01", ""] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
    }
}
