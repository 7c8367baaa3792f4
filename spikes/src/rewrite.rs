//! Rewriting of system-call sites: `mov $n, %eax; syscall` becomes `jmp trampoline; syscall`.
//!
//! ```text
//!   before            after                       trampoline
//!   b8 27 00 00 00    e9 rel32 ────────────────►  mov $39, %eax          (the moved instruction)
//!   0f 05             0f 05   (stays: a jump      record all registers; syscall; record again
//!   next:             next:    to it traps)  ◄──  jmp next
//! ```
//!
//! [`scan`] finds sites with a decoder, function by function; [`plan`] decides which instructions
//! before a site can move; [`run`] rewrites every module of a real program when it is mapped,
//! before it can execute, and compares the registers around each call.

mod plan;
mod run;
mod scan;
mod trampoline;

use std::collections::BTreeMap;
use std::process::Command;

use plan::Plan;

/// Prints how many sites each file has and what can be done with them.
pub fn report(files: &[&str]) -> anyhow::Result<()> {
    for file in files {
        let bytes = std::fs::read(file)?;
        let code = scan::scan(&bytes).ok_or_else(|| anyhow::anyhow!("{file}: not ELF-64"))?;
        println!("{file}");
        println!(
            "  0f 05 in executable bytes: {}; decoded sites: {} in known functions, {} outside",
            code.byte_matches,
            code.sites().filter(|site| site.confirmed).count(),
            code.sites().filter(|site| !site.confirmed).count(),
        );
        let mut kinds = BTreeMap::new();
        for site in code.sites() {
            let plan = Plan::of(&code, site);
            let sites: &mut Vec<String> = kinds.entry(plan.to_string()).or_default();
            sites.push(if plan.rewrites() { String::new() } else { format!(" {:#x}", site.addr) });
        }
        for (kind, sites) in kinds {
            println!("  {:>5}  {kind}{}", sites.len(), sites.concat());
        }
    }
    Ok(())
}

/// Runs a program natively and rewritten and prints what differs.
pub fn report_run(program: &[&str]) -> anyhow::Result<()> {
    let Some((name, args)) = program.split_first() else {
        anyhow::bail!("expected a program to run");
    };
    let mut command = Command::new(name);
    let native = command.args(args).output()?;
    let rewritten = run::rewritten(&mut command)?;
    for module in &rewritten.modules {
        println!("{module}");
    }
    println!(
        "exit {} (native {}), output {}, {} calls through trampolines, {} finished, {} changed a register",
        rewritten.exit,
        native.status,
        if rewritten.stdout == native.stdout { "equal" } else { "DIFFERS" },
        rewritten.calls,
        rewritten.finished,
        rewritten.mismatches.len()
    );
    for mismatch in rewritten.mismatches.iter().take(10) {
        println!("  {mismatch}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Every shape of site, called with known values in all registers, flags and the red zone;
    /// prints what it finds afterwards.
    const SHAPES: &str = include_str!("rewrite/shapes.c");

    fn same_as_native(program: &Path, args: &[&str]) -> run::Outcome {
        let mut command = Command::new(program);
        let native = command.args(args).output().unwrap();
        let rewritten = run::rewritten(&mut command).unwrap();
        assert_eq!(rewritten.mismatches, Vec::<String>::new());
        assert_eq!(
            String::from_utf8_lossy(&rewritten.stdout),
            String::from_utf8_lossy(&native.stdout)
        );
        assert_eq!(Some(rewritten.exit), native.status.code());
        rewritten
    }

    #[test]
    fn registers_flags_and_red_zone_survive_at_every_shape_of_site() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("shapes");
        crate::compile_c(SHAPES, &program, &["-O1", "-static"]).unwrap();
        let outcome = same_as_native(&program, &[]);
        assert!(outcome.calls >= 4, "{}", outcome.calls);
    }

    #[test]
    fn a_dynamic_program_runs_on_a_rewritten_loader_and_libc() {
        let outcome = same_as_native(Path::new("/bin/ls"), &["-l", "/etc"]);
        assert!(outcome.modules.iter().any(|module| module.contains("libc.so.6")));
        assert!(outcome.calls > 50, "{}", outcome.calls);
    }

    #[test]
    fn the_signal_return_stub_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("shapes");
        crate::compile_c(SHAPES, &program, &["-O1", "-static"]).unwrap();
        let bytes = std::fs::read(program).unwrap();
        let code = scan::scan(&bytes).unwrap();
        let returns = code.sites().filter(|site| Plan::of(&code, site) == Plan::SignalReturn);
        assert_eq!(returns.count(), 1);
    }
}
