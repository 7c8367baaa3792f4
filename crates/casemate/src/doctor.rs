//! `casemate doctor`: says what this machine has, what it lacks, and what to do about it.

mod checks;
mod machine;

use anyhow::Result;
use serde_json::{Value, json};

use self::checks::{Check, Group, Outcome};
use crate::exit::Exit;
use crate::run::Choice;

/// Check whether this machine can run enclaves, and say what to do where it cannot.
///
/// Exits with 0 when enclaves can run on the platform asked for (auto: on any), 3 when they cannot. A missing
/// quoting service or a warning does not count: enclaves run, and cannot prove what they are.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The platform the exit code is about.
    #[arg(long, value_enum, value_name = "PLATFORM", default_value = "auto")]
    platform: Choice,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let checks = checks::all(&machine::facts());
        if self.json {
            println!("{:#}", in_json(&checks));
        } else {
            print!("{}", in_words(&checks));
        }
        let ready = match self.platform {
            Choice::Hardware => is_ready(&checks, Group::Hardware),
            Choice::Emulated => is_ready(&checks, Group::Emulator),
            Choice::Auto => {
                is_ready(&checks, Group::Hardware) || is_ready(&checks, Group::Emulator)
            }
        };
        Ok(if ready { Exit::Success } else { Exit::Refused })
    }
}

/// Whether enclaves run on a platform: nothing is missing of what it and every platform needs.
fn is_ready(checks: &[Check], platform: Group) -> bool {
    let needed = |check: &&Check| check.group == platform || check.group == Group::Both;
    checks.iter().filter(needed).all(|check| check.outcome != Outcome::Missing)
}

/// The groups with what they are called, in the order in which they are printed.
const GROUPS: [(Group, &str, &str); 4] = [
    (Group::Hardware, "hardware", "SGX hardware"),
    (Group::Quotes, "quotes", "Quotes on SGX hardware"),
    (Group::Emulator, "emulator", "The emulator"),
    (Group::Both, "both", "Both platforms"),
];

fn in_words(checks: &[Check]) -> String {
    let mut text = String::new();
    for (group, _, title) in GROUPS {
        text.push_str(&format!("{title}\n"));
        for check in checks.iter().filter(|check| check.group == group) {
            let mark = match check.outcome {
                Outcome::Good => "ok",
                Outcome::Poor => "warning",
                Outcome::Missing => "MISSING",
            };
            text.push_str(&format!("  {mark:<8} {:<16} {}\n", check.name, check.found));
            if let Some(advice) = &check.advice {
                text.push_str(&format!("  {:<8} {:<16} -> {advice}\n", "", ""));
            }
        }
    }
    let runs = |group| if is_ready(checks, group) { "yes" } else { "no" };
    text.push_str(&format!("\nEnclaves run on SGX hardware: {}\n", runs(Group::Hardware)));
    text.push_str(&format!(
        "Enclaves run on the emulator, which protects nothing: {}\n",
        runs(Group::Emulator)
    ));
    text
}

fn in_json(checks: &[Check]) -> Value {
    let name = |group| GROUPS.iter().find(|(known, ..)| *known == group).map(|(_, name, _)| *name);
    let list: Vec<Value> = checks
        .iter()
        .map(|check| {
            json!({
                "group": name(check.group),
                "name": check.name,
                "outcome": match check.outcome {
                    Outcome::Good => "ok",
                    Outcome::Poor => "warning",
                    Outcome::Missing => "missing",
                },
                "found": check.found,
                "advice": check.advice,
            })
        })
        .collect();
    json!({
        "hardware": is_ready(checks, Group::Hardware),
        "quotes": is_ready(checks, Group::Hardware) && is_ready(checks, Group::Quotes),
        "emulator": is_ready(checks, Group::Emulator),
        "checks": list,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(facts: &machine::Facts) -> (bool, bool) {
        let checks = checks::all(facts);
        (is_ready(&checks, Group::Hardware), is_ready(&checks, Group::Emulator))
    }

    #[test]
    fn a_complete_machine_runs_both() {
        let facts = machine::Facts::complete();
        assert_eq!(outcomes(&facts), (true, true));
        let value = in_json(&checks::all(&facts));
        assert_eq!(value["quotes"], true);
        assert!(value["checks"].as_array().unwrap().iter().all(|check| check["outcome"] == "ok"));
    }

    /// Spoils one fact and expects which platforms still run and a line of advice.
    fn spoiled(spoil: impl FnOnce(&mut machine::Facts), ready: (bool, bool), advice: &str) {
        let mut facts = machine::Facts::complete();
        spoil(&mut facts);
        assert_eq!(outcomes(&facts), ready, "{advice}");
        let text = in_words(&checks::all(&facts));
        assert!(text.contains(advice), "expected {advice:?} in: {text}");
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        spoiled(|f| f.cpu = None, (false, true), "turn SGX on in the firmware");
        spoiled(
            |f| f.device = Err("No such file or directory".into()),
            (false, true),
            "CONFIG_X86_SGX",
        );
        spoiled(|f| f.vdso = false, (false, true), "Linux 5.11");
        spoiled(|f| f.fsgsbase = false, (false, false), "Linux 5.9");
        spoiled(|f| f.low_addresses = false, (false, false), "sysctl vm.mmap_min_addr=");
        spoiled(|f| f.user_dispatch = false, (true, false), "CONFIG_GENERIC_ENTRY");
        spoiled(|f| f.own_memory = false, (true, false), "proc_mem.force_override");
        spoiled(|f| f.cpuid_faulting = false, (true, true), "programs see the host's CPUID");
        spoiled(|f| f.max_map_count = Some(1000), (true, true), "sysctl vm.max_map_count=262144");
        spoiled(|f| f.memory_available = Some(100 << 20), (true, true), "512 MiB");
        spoiled(|f| f.aesm = Err("No such file or directory".into()), (true, true), "aesmd");
        spoiled(|f| f.cpu.as_mut().unwrap().sgx2 = false, (true, true), "enclave.edmm = false");
    }

    #[test]
    fn an_enclave_needs_exinfo_and_kss() {
        use sgx_types::{AttributeFlags, Miscselect};
        let no_exinfo =
            |f: &mut machine::Facts| f.cpu.as_mut().unwrap().miscselect = Miscselect::empty();
        spoiled(no_exinfo, (false, true), "EXINFO");
        let no_kss = |f: &mut machine::Facts| {
            let flags = &mut f.cpu.as_mut().unwrap().attributes.flags;
            *flags = flags.difference(AttributeFlags::KSS);
        };
        spoiled(no_kss, (false, true), "KSS");
    }
}
