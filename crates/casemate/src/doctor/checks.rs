//! What the answers mean.

use sgx_types::{AttributeFlags, Miscselect};

use super::machine::Facts;

/// Least mappings: Linux's default, enough for most programs.
const MAPPINGS_LEAST: u64 = 65_530;
const MEMORY_LEAST: u64 = 512 << 20;
/// Linux that has SGX2's calls.
const EDMM_KERNEL: (u32, u32) = (6, 0);

/// One question, its answer and what to do.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) group: Group,
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    pub(super) found: String,
    pub(super) advice: Option<String>,
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Hardware,
    /// Quotes on hardware: enclaves run without.
    Quotes,
    Emulator,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Good,
    /// It works, with less than there could be.
    Poor,
    Missing,
}

impl Check {
    fn good(group: Group, name: &'static str, found: impl Into<String>) -> Self {
        Self { group, name, outcome: Outcome::Good, found: found.into(), advice: None }
    }

    /// A check that holds, or is missing with advice.
    fn need(
        group: Group,
        name: &'static str,
        holds: bool,
        found: (impl Into<String>, impl Into<String>),
        advice: &str,
    ) -> Self {
        if holds {
            return Self::good(group, name, found.0);
        }
        let advice = Some(advice.to_owned());
        Self { group, name, outcome: Outcome::Missing, found: found.1.into(), advice }
    }

    fn or_poor(mut self) -> Self {
        if self.outcome == Outcome::Missing {
            self.outcome = Outcome::Poor;
        }
        self
    }
}

/// All checks.
pub(super) fn all(facts: &Facts) -> Vec<Check> {
    let mut checks = hardware(facts);
    checks.extend(quotes(facts));
    checks.extend(emulator(facts));
    checks.extend(both(facts));
    checks
}

fn hardware(facts: &Facts) -> Vec<Check> {
    let group = Group::Hardware;
    let mut checks = vec![Check::need(
        group,
        "SGX",
        facts.cpu.is_some(),
        ("the processor has SGX", "the processor has no SGX, or the firmware has turned it off"),
        "turn SGX on in the firmware, or use a machine that has it (3rd generation Xeon and newer; in clouds the \
         instance types for SGX)",
    )];
    if let Some(cpu) = &facts.cpu {
        checks.push(Check::need(
            group,
            "FLC",
            cpu.flc,
            ("any signer may launch", "only Intel's signers may launch"),
            "turn flexible launch control on in the firmware",
        ));
        checks.push(Check::need(
            group,
            "EXINFO",
            cpu.miscselect.contains(Miscselect::EXINFO),
            (
                "fault addresses are reported to enclaves",
                "no EXINFO: fault addresses cannot be trusted",
            ),
            "a processor with SGX2 (3rd generation Xeon and newer) is needed",
        ));
        checks.push(Check::need(
            group,
            "KSS",
            cpu.attributes.flags.contains(AttributeFlags::KSS),
            ("key separation and sharing", "no KSS"),
            "a processor with SGX2 (3rd generation Xeon and newer) is needed",
        ));
        checks.push(
            Check::need(
                group,
                "EDMM",
                cpu.sgx2 && facts.kernel.is_none_or(|kernel| kernel >= EDMM_KERNEL),
                ("memory can be added at run time", "no SGX2, or Linux before 6.0"),
                "Linux 6.0 or newer on a processor with SGX2; without it only manifests with enclave.edmm = false run",
            )
            .or_poor(),
        );
        checks.push(Check::good(group, "EPC", format!("{} MiB", cpu.epc_size >> 20)));
    }
    checks.push(Check::need(
        group,
        "device",
        facts.device.is_ok(),
        ("/dev/sgx_enclave opens", format!("/dev/sgx_enclave: {}", told(&facts.device))),
        "a kernel with CONFIG_X86_SGX (Linux 5.11 or newer); in a container give it the device; else give this user \
         the right to read and write it",
    ));
    checks.push(Check::need(
        group,
        "vDSO",
        facts.vdso,
        ("__vdso_sgx_enter_enclave is there", "no __vdso_sgx_enter_enclave"),
        "Linux 5.11 or newer on a processor with SGX",
    ));
    checks
}

fn quotes(facts: &Facts) -> Vec<Check> {
    let group = Group::Quotes;
    vec![
        Check::need(
            group,
            "AESM",
            facts.aesm.is_ok(),
            ("the socket of aesmd answers", format!("the socket of aesmd: {}", told(&facts.aesm))),
            "install and start Intel's aesmd (packages sgx-aesm-service, libsgx-aesm-quote-ex-plugin), and in a \
             container give it /var/run/aesmd; without it enclaves run and cannot be quoted",
        ),
        Check::need(
            group,
            "provisioning",
            facts.provision_device.is_ok(),
            (
                "/dev/sgx_provision opens",
                format!("/dev/sgx_provision: {}", told(&facts.provision_device)),
            ),
            "aesmd needs the device, not this user: nothing to do where aesmd runs elsewhere",
        )
        .or_poor(),
    ]
}

fn emulator(facts: &Facts) -> Vec<Check> {
    let group = Group::Emulator;
    let mappings = facts.max_map_count.unwrap_or(MAPPINGS_LEAST);
    vec![
        Check::need(
            group,
            "user dispatch",
            facts.user_dispatch,
            ("system calls of the enclave can be diverted", "no system-call user dispatch"),
            "Linux 5.11 or newer with CONFIG_GENERIC_ENTRY; a seccomp filter must allow prctl(59)",
        ),
        Check::need(
            group,
            "/proc/self/mem",
            facts.own_memory,
            ("writes through any protection", "does not write through a protection"),
            "mount /proc; start Linux without proc_mem.force_override=never or =ptrace",
        ),
        Check::need(
            group,
            "CPUID faulting",
            facts.cpuid_faulting,
            ("CPUID is answered by the library OS", "this processor cannot trap CPUID"),
            "nothing to do: programs see the host's CPUID, and the emulator enables all state it names",
        )
        .or_poor(),
        Check::need(
            group,
            "mappings",
            mappings >= MAPPINGS_LEAST,
            (format!("vm.max_map_count is {mappings}"), format!("vm.max_map_count is {mappings}")),
            "as root: sysctl vm.max_map_count=262144",
        )
        .or_poor(),
    ]
}

fn both(facts: &Facts) -> Vec<Check> {
    let group = Group::Both;
    let memory = facts.memory_available;
    let shown =
        memory.map_or("unknown".to_owned(), |bytes| format!("{} MiB available", bytes >> 20));
    vec![
        Check::need(
            group,
            "FSGSBASE",
            facts.fsgsbase,
            ("programs may use it", "the processor lacks it, or the kernel forbids it"),
            "Linux 5.9 or newer, without nofsgsbase, on a processor that has it",
        ),
        Check::need(
            group,
            "low addresses",
            facts.low_addresses,
            ("64 GiB can be reserved from 0x10000 on", "64 GiB cannot be reserved from 0x10000 on"),
            "as root: sysctl vm.mmap_min_addr=65536 or less; lift limits on address space (ulimit -v)",
        ),
        Check::need(
            group,
            "memory",
            memory.is_none_or(|bytes| bytes >= MEMORY_LEAST),
            (shown.clone(), shown),
            "at least 512 MiB besides what the program itself needs",
        )
        .or_poor(),
    ]
}

fn told(result: &Result<(), String>) -> &str {
    result.as_ref().err().map_or("opens", String::as_str)
}
