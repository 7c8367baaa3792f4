//! Prints the figures of one spike: `cargo run --release -p spikes -- NAME [PROGRAM...]`.
#![forbid(unsafe_code)]

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.split_first() {
        Some((&"switch", _)) => spikes::switch::report(),
        Some((&"rewrite", files)) => spikes::rewrite::report(files),
        Some((&"rewrite-run", program)) => spikes::rewrite::report_run(program),
        Some((&"epcm", traces)) => spikes::epcm::report(traces),
        Some((&"epcm-record", [file, program @ ..])) => {
            Ok(std::fs::write(file, spikes::epcm::record(program)?)?)
        }
        Some((&"cpuid", program)) => spikes::cpuid::report(program),
        _ => bail!(
            "expected a spike: switch | rewrite FILE... | rewrite-run PROGRAM ARG... | epcm TRACE... | \
             epcm-record TRACE PROGRAM ARG... | cpuid PROGRAM ARG..."
        ),
    }
}
