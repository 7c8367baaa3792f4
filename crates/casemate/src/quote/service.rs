//! Joins an emulated platform and the quoting service.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use quoting::pck::PckConfiguration;
use quoting::platform::{PckCa, SgxType};
use quoting::{PlatformFacts, QuotingService, store};
use sgx_emu::model::platform::{Platform, PlatformInfo, PlatformStore};
use sgx_emu::model::verify_report;
use sgx_types::{Report, TargetInfo};

/// The quoting service of an emulated platform.
pub(crate) type Service = QuotingService<Box<dyn Fn(&TargetInfo, &Report) -> bool + Send + Sync>>;

/// Which emulated platform.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Location {
    /// Name of the emulated platform; it is made when first used.
    #[arg(long, value_name = "NAME", default_value = PlatformStore::DEFAULT_NAME, global = true)]
    emu_platform: String,
    /// Directory of emulated platforms; they have one root.
    #[arg(long, value_name = "DIR", global = true)]
    emu_platforms: Option<PathBuf>,
}

impl Location {
    /// The platform, made if it does not exist.
    pub(crate) fn platform(&self) -> Result<Platform> {
        let store = PlatformStore::new(self.directory()?);
        Ok(store.open_or_create(&self.emu_platform)?)
    }

    /// Every platform of the directory, this one included: it is made if it does not exist.
    pub(crate) fn all(&self) -> Result<Vec<Self>> {
        self.platform()?;
        let directory = self.directory()?;
        let names = PlatformStore::new(directory.clone()).names()?;
        let one = |name| Self { emu_platform: name, emu_platforms: Some(directory.clone()) };
        Ok(names.into_iter().map(one).collect())
    }

    /// The directory of platforms.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        if let Some(directory) = &self.emu_platforms {
            return Ok(directory.clone());
        }
        let home = std::env::home_dir().context(
            "find the directory of emulated platforms: no home directory; use --emu-platforms",
        )?;
        Ok(PlatformStore::default_root(&home))
    }

    /// The platform's quoting service, in the conditions the platform was put into.
    pub(crate) fn service(&self) -> Result<Service> {
        let platform = self.platform()?;
        let directory = self.directory()?;
        let conditions = store::conditions(&directory, platform.name())?;
        let seed = store::open_or_create(&directory)?;
        let facts = facts(platform.info());
        let verify = Box::new(move |target: &TargetInfo, report: &Report| {
            verify_report(&platform, target, report).is_ok()
        });
        Ok(QuotingService::new(seed, facts, verify as _).with_conditions(conditions))
    }
}

fn facts(info: &PlatformInfo) -> PlatformFacts {
    PlatformFacts {
        cpusvn: info.cpusvn,
        pcesvn: info.pcesvn,
        pceid: info.pceid,
        fmspc: info.fmspc,
        ppid: info.ppid,
        platform_instance_id: info.platform_instance_id,
        qe_id: info.qe_id,
        sgx_type: SgxType::Scalable,
        configuration: PckConfiguration {
            dynamic_platform: false,
            cached_keys: false,
            smt_enabled: true,
        },
        ca: PckCa::Platform,
    }
}

#[cfg(test)]
mod tests {
    use quoting::standard;
    use quoting::tcb_info::TcbStatus;
    use sgx_emu::model::platform::{DEFAULT_CPUSVN, SIM_FMSPC};
    use sgx_emu::model::report_key;
    use sgx_types::ReportBody;

    use super::*;

    fn location(directory: &tempfile::TempDir, platform: &str) -> Location {
        Location {
            emu_platform: platform.to_owned(),
            emu_platforms: Some(directory.path().join("platforms")),
        }
    }

    /// EREPORT on this platform for the quoting enclave.
    fn report(location: &Location) -> Report {
        let target = location.service().unwrap().target_info();
        let platform = location.platform().unwrap();
        let body = ReportBody { cpusvn: platform.cpusvn(), ..ReportBody::ZERO };
        let key = report_key(&platform, &target, &[7; 32]);
        let mac = crypto::cmac::aes128_cmac(&key, &body.to_bytes());
        Report { body, keyid: [7; 32], mac }
    }

    #[test]
    fn the_emulators_platform_is_up_to_date_in_the_standard_world() {
        assert_eq!(DEFAULT_CPUSVN, standard::cpusvn(TcbStatus::UpToDate));
        assert_eq!(SIM_FMSPC, standard::FMSPC);
    }

    #[test]
    fn a_platform_quotes_its_own_reports_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (location(&directory, "one"), location(&directory, "two"));
        let quote = one.service().unwrap().quote(&report(&one)).unwrap();
        assert_eq!(quote[..2], [3, 0]);
        let error = one.service().unwrap().quote(&report(&two)).unwrap_err();
        assert!(error.to_string().contains("another platform"), "{error}");
    }

    #[test]
    fn platforms_of_a_directory_have_one_root() {
        let directory = tempfile::tempdir().unwrap();
        let root = |location: Location| location.service().unwrap().root_fingerprint();
        let first = root(location(&directory, "one"));
        assert_eq!(first, root(location(&directory, "two")));
        let elsewhere = tempfile::tempdir().unwrap();
        assert_ne!(first, root(location(&elsewhere, "one")));
    }
}
