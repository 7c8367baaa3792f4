//! `casemate collateral show`: prints what collateral says, verifying nothing.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use dcap::{EnclaveIdentity, TcbInfo};
use serde_json::json;

use super::sources;
use crate::exit::Exit;

/// Print what collateral says, without verifying it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, bundles or directories.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let bundle = sources::load(&self.paths)?;
        let mut values = Vec::new();
        for collateral in bundle.entries() {
            let info = TcbInfo::parse(collateral.tcb_info.as_bytes()).context("TCB info")?;
            let identity =
                EnclaveIdentity::parse(collateral.qe_identity.as_bytes()).context("QE identity")?;
            if self.json {
                values.push(json!({ "tcb_info": info, "qe_identity": identity }));
                continue;
            }
            println!(
                "{:?} FMSPC {} PCEID {}: TCB info {} evaluation {}, {} to {}, {} levels",
                info.tee,
                info.fmspc,
                info.pceid,
                info.version,
                info.tcb_evaluation_data_number,
                info.issue_date,
                info.next_update,
                info.levels.len()
            );
            for level in &info.levels {
                println!(
                    "  SGX {} PCE {:>3} {:<34} {} {}",
                    level.sgx_components,
                    level.pcesvn,
                    level.status.as_str(),
                    level.date,
                    level.advisories.join(" ")
                );
            }
            println!(
                "  {} evaluation {}, {} to {}, signer {}",
                identity.id,
                identity.tcb_evaluation_data_number,
                identity.issue_date,
                identity.next_update,
                identity.mrsigner
            );
        }
        if self.json {
            println!("{:#}", json!(values));
        }
        Ok(Exit::Success)
    }
}
