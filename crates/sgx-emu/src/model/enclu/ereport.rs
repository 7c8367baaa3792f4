//! ENCLU[EREPORT]: makes a REPORT about the enclave for a target on the same platform.

use sgx_types::{REPORTDATA_SIZE, Report, ReportBody, TargetInfo};

use crate::model::enclave::Enclave;
use crate::model::fault::{LeafError, LeafResult};
use crate::model::keys::{report_key, report_mac};
use crate::model::memory::{Access, EpcMemory};
use crate::model::platform::Platform;

impl<M: EpcMemory> Enclave<M> {
    /// Makes a REPORT for the TARGETINFO at RBX with the REPORTDATA at RCX, and stores it at RDX.
    ///
    /// # Errors
    ///
    /// - #GP: a misaligned address (512, 128 and 512 bytes) or one outside ELRANGE; TARGETINFO with
    ///   reserved bytes set.
    /// - #PF: an operand on a page that is not a settled PT_REG, or cannot be read (RDX: written).
    pub fn ereport(&mut self, platform: &Platform, rbx: u64, rcx: u64, rdx: u64) -> LeafResult {
        self.check_address(rbx, 512, Access::R)?;
        let image = self.read_operand::<{ TargetInfo::SIZE }>(rbx)?;
        let target = TargetInfo::from_bytes(&image).map_err(|_| LeafError::GP)?;
        self.check_address(rcx, 128, Access::R)?;
        self.check_address(rdx, 512, Access::W)?;
        let reportdata = self.read_operand::<REPORTDATA_SIZE>(rcx)?;
        let report = self.report(platform, &target, reportdata);
        self.memory.write(rdx, &report.to_bytes())?;
        Ok(())
    }
}

impl<M> Enclave<M> {
    /// The REPORT that EREPORT would store.
    fn report(
        &self,
        platform: &Platform,
        target: &TargetInfo,
        reportdata: [u8; REPORTDATA_SIZE],
    ) -> Report {
        let secs = &self.secs;
        let body = ReportBody {
            cpusvn: platform.cpusvn(),
            miscselect: secs.miscselect,
            cet_attributes: secs.cet_attributes,
            isvextprodid: self.isvextprodid,
            attributes: secs.attributes,
            mrenclave: secs.mrenclave,
            mrsigner: secs.mrsigner,
            configid: secs.configid,
            isvprodid: secs.isvprodid,
            isvsvn: secs.isvsvn,
            configsvn: secs.configsvn,
            isvfamilyid: self.isvfamilyid,
            reportdata,
        };
        let keyid = platform.fuses().report_keyid;
        let report = Report { body, keyid, mac: [0; 16] };
        Report { mac: report_mac(&report_key(platform, target, &keyid), &report), ..report }
    }
}
