//! The SGX extension of PCK certificates, OID 1.2.840.113741.1.13.1.

use crate::{
    Bytes, Refusal,
    der::{self, Element, Reader, tag},
    error::refusal,
    x509::oid,
};

/// How the platform's memory is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub enum SgxType {
    /// Memory integrity tree, small enclave page cache.
    Standard,
    /// Total memory encryption without integrity.
    Scalable,
    /// Total memory encryption with integrity.
    ScalableWithIntegrity,
}

/// What a PCK certificate says of its platform.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PckExtension {
    /// Provisioning platform id.
    pub ppid: Bytes<16>,
    /// Component SVNs of the TCB the certificate is for: what TCB levels are compared with.
    pub tcb_components: Bytes<16>,
    /// PCE's SVN.
    pub pcesvn: u16,
    /// CPUSVN as the processor reports it; not compared with anything.
    pub cpusvn: Bytes<16>,
    /// PCE's id.
    pub pceid: Bytes<2>,
    /// Platform family, the key of TCB info.
    pub fmspc: Bytes<6>,
    /// Kind of SGX.
    pub sgx_type: SgxType,
    /// Platform instance; only under the Platform CA.
    pub platform_instance_id: Option<Bytes<16>>,
    /// More packages can be added; only under the Platform CA.
    pub dynamic_platform: Option<bool>,
    /// Intel's registration service keeps the platform's keys; only under the Platform CA.
    pub cached_keys: Option<bool>,
    /// Hyper-threading is on; only under the Platform CA.
    pub smt_enabled: Option<bool>,
}

/// Last arc of each field under 1.2.840.113741.1.13.1.
mod arc {
    pub(super) const PPID: u8 = 1;
    pub(super) const TCB: u8 = 2;
    pub(super) const PCEID: u8 = 3;
    pub(super) const FMSPC: u8 = 4;
    pub(super) const SGX_TYPE: u8 = 5;
    pub(super) const PLATFORM_INSTANCE_ID: u8 = 6;
    pub(super) const CONFIGURATION: u8 = 7;
    /// Under TCB: 1 to 16 are components.
    pub(super) const PCESVN: u8 = 17;
    pub(super) const CPUSVN: u8 = 18;
    /// Under the configuration.
    pub(super) const DYNAMIC_PLATFORM: u8 = 1;
    pub(super) const CACHED_KEYS: u8 = 2;
    pub(super) const SMT_ENABLED: u8 = 3;
}

impl PckExtension {
    /// Parses the contents of the extension.
    ///
    /// # Errors
    ///
    /// `pck.extension` when a required field is missing, repeated or of the wrong size.
    pub fn parse(contents: &[u8]) -> Result<Self, Refusal> {
        read(contents).ok_or_else(|| {
            refusal!(PckExtension, "SGX extension lacks a field or has one of a wrong type or size")
        })
    }
}

fn read(contents: &[u8]) -> Option<PckExtension> {
    let (mut ppid, mut tcb, mut pceid, mut fmspc) = (None, None, None, None);
    let (mut sgx_type, mut instance, mut configuration) = (None, None, None);
    fields(der::whole(contents, tag::SEQUENCE)?, &[], |last, value| {
        once(match last {
            arc::PPID => ppid.replace(octets(value)?).is_some(),
            arc::TCB => tcb.replace(Tcb::read(value)?).is_some(),
            arc::PCEID => pceid.replace(octets(value)?).is_some(),
            arc::FMSPC => fmspc.replace(octets(value)?).is_some(),
            arc::SGX_TYPE => sgx_type.replace(read_sgx_type(value)?).is_some(),
            arc::PLATFORM_INSTANCE_ID => instance.replace(octets(value)?).is_some(),
            arc::CONFIGURATION => configuration.replace(Configuration::read(value)?).is_some(),
            _ => false,
        })
    })?;
    let (tcb, configuration) = (tcb?, configuration.unwrap_or_default());
    Some(PckExtension {
        ppid: ppid?,
        tcb_components: tcb.components,
        pcesvn: tcb.pcesvn,
        cpusvn: tcb.cpusvn,
        pceid: pceid?,
        fmspc: fmspc?,
        sgx_type: sgx_type?,
        platform_instance_id: instance,
        dynamic_platform: configuration.dynamic_platform,
        cached_keys: configuration.cached_keys,
        smt_enabled: configuration.smt_enabled,
    })
}

struct Tcb {
    components: Bytes<16>,
    pcesvn: u16,
    cpusvn: Bytes<16>,
}

impl Tcb {
    fn read(value: Element<'_>) -> Option<Self> {
        let mut components = [None; 16];
        let (mut pcesvn, mut cpusvn) = (None, None);
        fields(sequence(value)?, &[arc::TCB], |last, value| {
            once(match last {
                arc::PCESVN => pcesvn.replace(u16::try_from(integer(value)?).ok()?).is_some(),
                arc::CPUSVN => cpusvn.replace(octets(value)?).is_some(),
                _ => {
                    let index = usize::from(last).checked_sub(1)?;
                    let svn = u8::try_from(integer(value)?).ok()?;
                    components.get_mut(index)?.replace(svn).is_some()
                }
            })
        })?;
        let mut known = [0; 16];
        for (to, from) in known.iter_mut().zip(components) {
            *to = from?;
        }
        Some(Self { components: Bytes(known), pcesvn: pcesvn?, cpusvn: cpusvn? })
    }
}

#[derive(Default)]
struct Configuration {
    dynamic_platform: Option<bool>,
    cached_keys: Option<bool>,
    smt_enabled: Option<bool>,
}

impl Configuration {
    fn read(value: Element<'_>) -> Option<Self> {
        let mut configuration = Self::default();
        fields(sequence(value)?, &[arc::CONFIGURATION], |last, value| {
            once(match last {
                arc::DYNAMIC_PLATFORM => {
                    configuration.dynamic_platform.replace(der::boolean(value)?).is_some()
                }
                arc::CACHED_KEYS => {
                    configuration.cached_keys.replace(der::boolean(value)?).is_some()
                }
                arc::SMT_ENABLED => {
                    configuration.smt_enabled.replace(der::boolean(value)?).is_some()
                }
                _ => false,
            })
        })?;
        Some(configuration)
    }
}

/// Calls `each` with the last arc and the value of every `SEQUENCE { OID, value }` whose OID is the
/// SGX extension's, then `path`, then one arc below 128. Others are skipped.
fn fields<'a>(
    mut list: Reader<'a>,
    path: &[u8],
    mut each: impl FnMut(u8, Element<'a>) -> Option<()>,
) -> Option<()> {
    while !list.is_empty() {
        let mut field = list.nested(tag::SEQUENCE)?;
        let (id, value) = (field.oid()?, field.any()?);
        field.end()?;
        let tail = id.strip_prefix(oid::SGX).and_then(|tail| tail.strip_prefix(path));
        if let Some(&[last]) = tail {
            each(last, value)?;
        }
    }
    Some(())
}

fn once(repeated: bool) -> Option<()> {
    (!repeated).then_some(())
}

fn sequence(value: Element<'_>) -> Option<Reader<'_>> {
    (value.tag == tag::SEQUENCE).then_some(Reader::new(value.value))
}

fn octets<const N: usize>(value: Element<'_>) -> Option<Bytes<N>> {
    if value.tag != tag::OCTET_STRING {
        return None;
    }
    value.value.try_into().ok().map(Bytes)
}

fn integer(value: Element<'_>) -> Option<u64> {
    if value.tag != tag::INTEGER {
        return None;
    }
    der::to_u64(der::magnitude(value.value)?)
}

fn read_sgx_type(value: Element<'_>) -> Option<SgxType> {
    match (value.tag, value.value) {
        (tag::ENUMERATED, [0]) => Some(SgxType::Standard),
        (tag::ENUMERATED, [1]) => Some(SgxType::Scalable),
        (tag::ENUMERATED, [2]) => Some(SgxType::ScalableWithIntegrity),
        _ => None,
    }
}
