//! CPUID narrower than XCR0: the emulator can answer CPUID, but XGETBV and the XSAVE family always
//! see the host's XCR0, because user space cannot change it.
//!
//! Programs run under ptrace with CPUID faulting on (`arch_prctl(ARCH_SET_CPUID, 0)`, Intel only);
//! each CPUID is answered by [`Mask`]. Stepping through a program counts the vector instructions it
//! executes, so that "it took the SSE path" is seen rather than inferred.

mod answer;
mod cost;
mod run;

use std::process::Command;

pub use answer::{Features, Mask, Sizes};
use run::{Observed, Step, observe};

/// Prints what programs do under every mask, and what a trapped CPUID costs.
pub fn report(program: &[&str]) -> anyhow::Result<()> {
    println!("XSAVE area, bytes from leaf 0xD:");
    for features in Features::ALL {
        let xfrm = features.xfrm();
        let [standard, compacted] = answer::area_sizes(xfrm);
        println!("  xfrm {xfrm:#6x}: standard {standard}, compacted {compacted}");
    }
    println!("\nloader (ld.so --list-diagnostics):");
    for features in Features::ALL {
        let (size, observed) = loader_state_size(Mask { features, sizes: Sizes::Narrowed })?;
        println!("  {features:?}: xsave_state_size {size}, {} CPUID", observed.cpuid);
    }
    let (step, program) = match program.split_first() {
        Some((&"--step", rest)) => (Step::Everything, rest),
        _ => (Step::Nothing, program),
    };
    if let Some((name, args)) = program.split_first() {
        println!("\n{program:?}, stepping {step:?}:");
        for features in Features::ALL {
            let mut command = Command::new(name);
            command.args(args);
            let seen = observe(&mut command, Mask { features, sizes: Sizes::Host }, step)?;
            println!(
                "  {features:?}: exit {}, {} CPUID, {} XGETBV, {} steps; VEX vector {}, EVEX {}",
                seen.exit, seen.cpuid, seen.xgetbv, seen.steps, seen.vex, seen.evex
            );
            println!("    {}", String::from_utf8_lossy(&seen.stdout).trim_end());
        }
    }
    println!("\nlazy binding with wide registers in use:");
    for (features, sizes) in [
        (Features::All, Sizes::Host),
        (Features::NoAvx512, Sizes::Narrowed),
        (Features::NoAvx512, Sizes::Host),
        (Features::NoAvx, Sizes::Narrowed),
        (Features::NoAvx, Sizes::Host),
    ] {
        let exit = lazy_binding(Mask { features, sizes })?.exit;
        println!("  {features:?}, sizes {sizes:?}: exit {exit}");
    }
    println!();
    cost::report()?;
    Ok(())
}

/// Asks the dynamic loader how many bytes it sets aside when it saves the registers.
fn loader_state_size(mask: Mask) -> anyhow::Result<(u64, Observed)> {
    let mut command = Command::new("/lib64/ld-linux-x86-64.so.2");
    let observed = observe(command.arg("--list-diagnostics"), mask, Step::Nothing)?;
    let text = String::from_utf8_lossy(&observed.stdout);
    let size = text
        .lines()
        .find_map(|line| line.strip_prefix("x86.cpu_features.xsave_state_size=0x"))
        .ok_or_else(|| anyhow::anyhow!("no xsave_state_size in the loader's diagnostics"))?;
    Ok((u64::from_str_radix(size, 16)?, observed))
}

/// A program whose string functions have SSE, AVX2 and AVX-512 variants in the C library.
#[cfg(test)]
const STRINGS: &str = r#"
#include <stdio.h>
#include <string.h>
static char from[4096], to[4096];
int main(void) {
    __asm__ volatile("int3");
    memset(from, 'x', 1000);
    memcpy(to, from, sizeof to);
    return printf("%d %zu\n", memcmp(to, from, sizeof to), strlen(to)) != 7;
}
"#;

/// A program that ignores CPUID, fills wide registers because XGETBV allows them, and then calls
/// through the loader's lazy binding, which saves registers into an area sized from CPUID. Exits
/// with 1 if that changed the caller's frame.
const LAZY_BINDING: &str = r#"
#include <unistd.h>
int main(void) {
    volatile char frame[4096] = {0};
    unsigned low, high, changed = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if (low & 4) __asm__ volatile("vcmptrueps %%ymm15, %%ymm15, %%ymm15" ::: "xmm15");
    if ((low & 0xe0) == 0xe0)
        __asm__ volatile("vpternlogd $255, %%zmm31, %%zmm31, %%zmm31" ::: "memory");
    getppid();
    for (unsigned i = 0; i < sizeof frame; i++) changed |= frame[i];
    return changed != 0;
}
"#;

fn lazy_binding(mask: Mask) -> anyhow::Result<Observed> {
    let dir = tempfile::tempdir()?;
    let program = dir.path().join("lazy");
    crate::compile_c(LAZY_BINDING, &program, &["-O1", "-Wl,-z,lazy"])?;
    Ok(observe(&mut Command::new(program), mask, Step::Nothing)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether this processor and kernel can make CPUID fault; only Intel's can.
    fn can_trap() -> bool {
        cost::with_faulting(|| ()).is_ok()
    }

    fn host_has(features: u64) -> bool {
        Features::All.xfrm() & features == features
    }

    #[test]
    fn the_loader_sizes_its_register_area_by_the_cpuid_it_is_given() {
        if !can_trap() || !host_has(0x4) {
            return eprintln!("this processor has no CPUID faulting or no AVX");
        }
        let size = |features| {
            let (size, seen) =
                loader_state_size(Mask { features, sizes: Sizes::Narrowed }).unwrap();
            assert!(seen.exit == 0 && seen.cpuid > 0);
            size
        };
        let (all, sse) = (size(Features::All), size(Features::NoAvx));
        assert!(sse < all, "{sse} {all}");
        assert_eq!(sse, 640, "legacy area and header, 64 bytes of registers before them");
    }

    #[test]
    fn a_program_told_of_no_avx_executes_no_avx_although_xgetbv_shows_it() {
        if !can_trap() || !host_has(0x4) {
            return eprintln!("this processor has no CPUID faulting or no AVX");
        }
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("strings");
        crate::compile_c(STRINGS, &program, &["-O1", "-fno-builtin"]).unwrap();
        let run = |features| {
            let mask = Mask { features, sizes: Sizes::Host };
            observe(&mut Command::new(&program), mask, Step::AfterBreakpoint).unwrap()
        };
        let (all, sse) = (run(Features::All), run(Features::NoAvx));
        assert_eq!((all.stdout.as_slice(), all.exit), (&b"0 1000\n"[..], 0));
        assert_eq!((sse.stdout.as_slice(), sse.exit), (&b"0 1000\n"[..], 0));
        assert!(all.vex + all.evex > 0, "the C library uses AVX where it may");
        assert_eq!((sse.vex, sse.evex), (0, 0), "in {} instructions", sse.steps);
    }

    #[test]
    fn narrowed_save_area_sizes_break_lazy_binding_and_the_hosts_do_not() {
        if !can_trap() || !host_has(0x4) {
            return eprintln!("this processor has no CPUID faulting or no AVX");
        }
        let exit = |sizes| lazy_binding(Mask { features: Features::NoAvx, sizes }).unwrap().exit;
        assert_eq!(exit(Sizes::Host), 0);
        assert_ne!(exit(Sizes::Narrowed), 0, "XSAVEC wrote what CPUID left no room for");
    }
}
