//! Quote bodies: the SGX report body and the TD reports.

use super::{Header, field};
use crate::{Refusal, Tee, bytes::Cursor, error::ensure, error::refusal};

/// What the quote attests.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// An SGX enclave.
    Sgx(ReportBody<'a>),
    /// A TDX trust domain.
    Td(TdReport<'a>),
}

/// The first 384 bytes of an SGX REPORT (SDM volume 3D, table 36-21).
#[derive(Debug, Clone, Copy)]
pub struct ReportBody<'a> {
    /// CPUSVN of the processor.
    pub cpusvn: &'a [u8; 16],
    /// MISCSELECT.
    pub miscselect: u32,
    /// ISVEXTPRODID (KSS).
    pub isvextprodid: &'a [u8; 16],
    /// ATTRIBUTES: flags and XFRM, as they stand.
    pub attributes: &'a [u8; 16],
    /// MRENCLAVE.
    pub mrenclave: &'a [u8; 32],
    /// MRSIGNER.
    pub mrsigner: &'a [u8; 32],
    /// CONFIGID (KSS).
    pub configid: &'a [u8; 64],
    /// ISVPRODID.
    pub isvprodid: u16,
    /// ISVSVN.
    pub isvsvn: u16,
    /// CONFIGSVN (KSS).
    pub configsvn: u16,
    /// ISVFAMILYID (KSS).
    pub isvfamilyid: &'a [u8; 16],
    /// REPORTDATA.
    pub report_data: &'a [u8; 64],
}

impl<'a> ReportBody<'a> {
    /// Bytes of a report body.
    pub const SIZE: usize = 384;

    /// Parses a report body; every 384 bytes are one.
    #[must_use]
    pub fn parse(bytes: &'a [u8; 384]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let cpusvn = cursor.array()?;
        let miscselect = cursor.u32_le()?;
        cursor.take(12)?;
        let isvextprodid = cursor.array()?;
        let attributes = cursor.array()?;
        let mrenclave = cursor.array()?;
        cursor.take(32)?;
        let mrsigner = cursor.array()?;
        cursor.take(32)?;
        let configid = cursor.array()?;
        let (isvprodid, isvsvn, configsvn) = (cursor.u16_le()?, cursor.u16_le()?, cursor.u16_le()?);
        cursor.take(42)?;
        let isvfamilyid = cursor.array()?;
        let report_data = cursor.array()?;
        Some(Self {
            cpusvn,
            miscselect,
            isvextprodid,
            attributes,
            mrenclave,
            mrsigner,
            configid,
            isvprodid,
            isvsvn,
            configsvn,
            isvfamilyid,
            report_data,
        })
    }

    /// The flags half of ATTRIBUTES.
    #[must_use]
    pub fn flags(&self) -> u64 {
        self.attributes.first_chunk().map_or(0, |flags| u64::from_le_bytes(*flags))
    }

    /// The DEBUG attribute.
    #[must_use]
    pub fn is_debug(&self) -> bool {
        self.flags() & 2 != 0
    }
}

/// A TD report: version 1.0, 1.5 or 1.5 extended.
#[derive(Debug, Clone, Copy)]
pub struct TdReport<'a> {
    /// TEE_TCB_SVN: module SVN, module version, then SEAM components.
    pub tee_tcb_svn: &'a [u8; 16],
    /// MRSEAM, the TDX module's measurement.
    pub mrseam: &'a [u8; 48],
    /// MRSIGNERSEAM, zero for Intel.
    pub mrsignerseam: &'a [u8; 48],
    /// SEAMATTRIBUTES.
    pub seam_attributes: &'a [u8; 8],
    /// TDATTRIBUTES.
    pub td_attributes: u64,
    /// XFAM.
    pub xfam: u64,
    /// MRTD, the TD's initial measurement.
    pub mrtd: &'a [u8; 48],
    /// MRCONFIGID.
    pub mrconfigid: &'a [u8; 48],
    /// MROWNER.
    pub mrowner: &'a [u8; 48],
    /// MROWNERCONFIG.
    pub mrownerconfig: &'a [u8; 48],
    /// RTMR0 to RTMR3.
    pub rtmr: [&'a [u8; 48]; 4],
    /// REPORTDATA.
    pub report_data: &'a [u8; 64],
    /// Fields of TDX 1.5.
    pub service: Option<TdService<'a>>,
    /// Fields of the extended report of TDX 1.5.
    pub extension: Option<TdExtension<'a>>,
}

/// What TDX 1.5 adds.
#[derive(Debug, Clone, Copy)]
pub struct TdService<'a> {
    /// TEE_TCB_SVN2: the TCB now, where TEE_TCB_SVN is that of the launch.
    pub tee_tcb_svn2: &'a [u8; 16],
    /// MRSERVICETD.
    pub mrservicetd: &'a [u8; 48],
}

/// What the extended report of TDX 1.5 adds.
#[derive(Debug, Clone, Copy)]
pub struct TdExtension<'a> {
    /// VM index; 0 is the unpartitioned TD or the L1 VMM.
    pub vmid: u8,
    /// Unique id of the TD instance.
    pub td_id: &'a [u8; 32],
    /// Hash of the device information.
    pub device_info: &'a [u8; 48],
    /// Hash of the service TDs bound at creation.
    pub initial_service_td_hash: &'a [u8; 48],
    /// Attributes of the service TD bound at creation.
    pub initial_service_td_attributes: &'a [u8; 8],
    /// CPUSVN at creation.
    pub initial_cpusvn: &'a [u8; 16],
    /// TEE_TCB_SVN at creation.
    pub initial_tee_tcb_svn: &'a [u8; 16],
    /// Platform family at creation.
    pub initial_fmspc: &'a [u8; 12],
    /// Hash of the service TDs bound now.
    pub current_service_td_hash: &'a [u8; 48],
    /// Attributes of the service TD bound now.
    pub current_service_td_attributes: &'a [u8; 8],
}

/// Body types of version 5.
const SGX: u16 = 1;
const TD_1_0: u16 = 2;
const TD_1_5: u16 = 3;
const TD_1_5_EXTENDED: u16 = 4;

impl<'a> Body<'a> {
    pub(super) fn read(header: &Header<'_>, cursor: &mut Cursor<'a>) -> Result<Self, Refusal> {
        let body_type = if header.version == 5 {
            Self::read_descriptor(header, cursor)?
        } else if header.tee == Tee::Sgx {
            SGX
        } else {
            TD_1_0
        };
        let body = if body_type == SGX {
            cursor.array().and_then(ReportBody::parse).map(Self::Sgx)
        } else {
            TdReport::read(body_type, cursor).map(Self::Td)
        };
        field(body, "body")
    }

    fn read_descriptor(header: &Header<'_>, cursor: &mut Cursor<'a>) -> Result<u16, Refusal> {
        let body_type = field(cursor.u16_le(), "body descriptor")?;
        let size = field(cursor.u32_le(), "body descriptor")?;
        let (tee, expected) = match body_type {
            SGX => (Tee::Sgx, 384),
            TD_1_0 => (Tee::Tdx, 584),
            TD_1_5 => (Tee::Tdx, 648),
            TD_1_5_EXTENDED => (Tee::Tdx, 885),
            _ => return Err(refusal!(QuoteBody, "quote body type {body_type} is unknown")),
        };
        ensure!(
            tee == header.tee,
            QuoteTeeType,
            "quote body type {body_type} contradicts the TEE type in the header"
        );
        ensure!(
            size == expected,
            QuoteBody,
            "quote body type {body_type} has {expected} bytes, found {size}"
        );
        Ok(body_type)
    }

    /// REPORTDATA.
    #[must_use]
    pub fn report_data(&self) -> &'a [u8; 64] {
        match self {
            Self::Sgx(report) => report.report_data,
            Self::Td(report) => report.report_data,
        }
    }
}

impl<'a> TdReport<'a> {
    fn read(body_type: u16, cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut report = Self::read_1_0(cursor)?;
        if body_type == TD_1_5 || body_type == TD_1_5_EXTENDED {
            report.service =
                Some(TdService { tee_tcb_svn2: cursor.array()?, mrservicetd: cursor.array()? });
        }
        if body_type == TD_1_5_EXTENDED {
            report.extension = Some(TdExtension::read(cursor)?);
        }
        Some(report)
    }

    fn read_1_0(cursor: &mut Cursor<'a>) -> Option<Self> {
        Some(Self {
            tee_tcb_svn: cursor.array()?,
            mrseam: cursor.array()?,
            mrsignerseam: cursor.array()?,
            seam_attributes: cursor.array()?,
            td_attributes: cursor.u64_le()?,
            xfam: cursor.u64_le()?,
            mrtd: cursor.array()?,
            mrconfigid: cursor.array()?,
            mrowner: cursor.array()?,
            mrownerconfig: cursor.array()?,
            rtmr: [cursor.array()?, cursor.array()?, cursor.array()?, cursor.array()?],
            report_data: cursor.array()?,
            service: None,
            extension: None,
        })
    }
}

impl<'a> TdExtension<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let [vmid] = *cursor.array::<1>()?;
        Some(Self {
            vmid,
            td_id: cursor.array()?,
            device_info: cursor.array()?,
            initial_service_td_hash: cursor.array()?,
            initial_service_td_attributes: cursor.array()?,
            initial_cpusvn: cursor.array()?,
            initial_tee_tcb_svn: cursor.array()?,
            initial_fmspc: cursor.array()?,
            current_service_td_hash: cursor.array()?,
            current_service_td_attributes: cursor.array()?,
        })
    }
}
