//! `cargo xtask demo`: the main job, end to end, on the emulator.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{process, stage};

/// Builds what a user installs, runs busybox in an emulated enclave, and makes and verifies a quote about it.
pub(crate) fn run() -> Result<()> {
    let stage = stage::stage()?;
    let work = stage.join("demo");
    std::fs::create_dir_all(&work)?;
    let quote = "casemate run --dev -- /bin/busybox cat /dev/attestation/quote > quote";
    let collateral = "casemate quote collateral > collateral && casemate quote root > root.pem";
    let check = "casemate attest check quote --collateral collateral --emulator-root root.pem --policy-free";
    for (what, command) in [
        (
            "busybox, unmodified, in an emulated enclave",
            "casemate run --dev -- /bin/busybox uname -a",
        ),
        ("the same output as natively", SAME),
        ("a quote about the enclave, made by the emulated platform", quote),
        ("what verifies it: collateral and root of the emulated platform", collateral),
        ("the quote verifies, and says that it is emulated", check),
    ] {
        println!("\n# {what}\n$ {command}");
        process::run(&mut shell(&stage, &work, command))?;
    }
    println!(
        "\nEmulated: the evidence proves nothing about hardware, and no production policy accepts it."
    );
    Ok(())
}

const SAME: &str = "busybox sha256sum /bin/busybox > native && \
casemate run --dev -- /bin/busybox sha256sum /bin/busybox | tee enclave && cmp native enclave";

/// A shell in `work` with the staged programs first in PATH.
fn shell(stage: &Path, work: &Path, command: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [stage.to_path_buf()].into_iter().chain(std::env::split_paths(&path));
    let mut shell = Command::new("sh");
    shell.args(["-ec", command]).current_dir(work);
    if let Ok(path) = std::env::join_paths(folders) {
        shell.env("PATH", path);
    }
    shell
}
