//! Which collateral service is asked.

use dcap::pcs::CollateralService;

/// The service, on the command line.
#[derive(Debug, clap::Args)]
pub(super) struct Service {
    /// Address of the service; Intel's if not given.
    #[arg(long, value_name = "URL", default_value = "https://api.trustedservices.intel.com")]
    from: String,
    /// The service is a PCCS, which also serves the root's CRL.
    #[arg(long, conflicts_with = "root_crl")]
    pccs: bool,
    /// Address of the root's CRL, when it is not Intel's.
    #[arg(long, value_name = "URL")]
    root_crl: Option<String>,
}

impl Service {
    /// The service, ready to make requests for.
    pub(super) fn open(&self) -> CollateralService {
        match &self.root_crl {
            _ if self.pccs => CollateralService::pccs(&self.from),
            Some(url) => CollateralService::pcs_with_root_crl(&self.from, url),
            None => CollateralService::pcs(&self.from),
        }
    }
}
