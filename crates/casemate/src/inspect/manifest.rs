//! A compiled manifest in words.

use std::path::Path;

use enclave_host::{identity, machine};
use manifest::{Compiled, Cwd, EnvValue, Kind, Pattern};
use serde_json::json;
use sgx_types::Xfrm;

use super::description::{Description, chain, hex64};
use crate::text::to_hex;
use crate::{compile, image};

/// First bytes of a compiled manifest.
pub(super) const MAGIC: &[u8] = b"CSMMANI";

/// Describes a compiled manifest; its measurement too if there is an image to measure it with.
pub(super) fn describe(bytes: &[u8], image: Option<&Path>) -> Description {
    let compiled = match Compiled::from_bytes(bytes) {
        Ok(compiled) => compiled,
        Err(malformed) => return Description::malformed("manifest", &malformed),
    };
    let mut description = Description::new("manifest");
    measurement(&mut description, &compiled, bytes, image);
    enclave(&mut description, &compiled);
    emulator(&mut description, &compiled);
    program(&mut description, &compiled);
    files(&mut description, &compiled);
    description
}

fn measurement(
    description: &mut Description,
    compiled: &Compiled,
    bytes: &[u8],
    image: Option<&Path>,
) {
    let measured = image::load(image).map(|image| compile::measure(&image, compiled, bytes));
    match measured {
        Ok(Ok(mrenclave)) => {
            description.row("MRENCLAVE", mrenclave.to_string(), "with the image at hand");
        }
        Ok(Err(error)) => {
            let error: &(dyn std::error::Error + 'static) = error.as_ref();
            description.refuse("layout", chain(error));
        }
        Err(_) => {
            description.row("MRENCLAVE", "unknown", "no enclave image at hand; --image names one")
        }
    }
}

fn enclave(description: &mut Description, compiled: &Compiled) {
    let enclave = &compiled.enclave;
    description.row(
        "ELRANGE",
        hex64(enclave.elrange_size),
        "enclave.size: address space, reserved and not used",
    );
    description.row("THREADS", enclave.threads, "enclave.threads");
    description.row("HEAP", hex64(enclave.heap_initial), "enclave.heap: bytes at the start");
    description.row("ISVPRODID", enclave.isvprodid, "product");
    description.row("ISVSVN", enclave.isvsvn, "security version");
    let flags = identity::flags(enclave);
    description.row("ATTRIBUTES", hex64(flags.bits()), flags.to_string());
    description.row("EDMM", enclave.edmm, "memory is added and protected at run time (SGX2)");
    if !enclave.edmm {
        description.warn(
            "no-edmm",
            "without enclave.edmm every page of the program is readable, writable and executable",
        );
    }
    if enclave.debug {
        description.warn("debug-enclave", "a debug enclave: a debugger can read all its memory");
    }
    if enclave.dev {
        description.warn("development", "a development manifest: files are recorded at first use");
    }
}

/// What XFRM and CPUID will be: on hardware, and on the emulator of this machine.
fn emulator(description: &mut Description, compiled: &Compiled) {
    let most = Xfrm::from_bits(compiled.enclave.xfrm_max).union(Xfrm::LEGACY);
    let named = most.intersection(Xfrm::NAMED);
    description.row("XFRM MAX", hex64(most.bits()), named.to_string());
    let here = most.intersection(machine::xcr0());
    description.row(
        "XFRM HERE",
        hex64(here.bits()),
        format!("on the emulator of this machine: {here}"),
    );
    let (value, meaning) = if machine::can_trap_cpuid() {
        (
            "trapped",
            "on the emulator of this machine CPUID faults and the library OS answers, features cut to XFRM",
        )
    } else {
        (
            "not trapped",
            "this processor cannot trap CPUID for the emulator: programs see the host's answers",
        )
    };
    description.row("CPUID", value, meaning);
    if value != "trapped" && here != machine::xcr0() {
        description.warn(
            "cpuid",
            format!(
                "on the emulator of this machine programs see features of {} that XFRM leaves out",
                machine::xcr0()
            ),
        );
    }
}

fn program(description: &mut Description, compiled: &Compiled) {
    let program = &compiled.program;
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let texts = |list: &[Vec<u8>]| list.iter().map(|text| lossy(text)).collect::<Vec<_>>();
    let each = |text: String| (format!("{text:?}"), json!(text));
    description.row("ENTRYPOINT", lossy(&program.entrypoint), "");
    description.list("ARGS", texts(&program.args).into_iter().map(each));
    let patterns = program.host_args.iter().map(|pattern| lossy(pattern.as_bytes()));
    description.list("HOST ARGS", patterns.map(each));
    let cwd = match &program.cwd {
        Cwd::Fixed(path) => lossy(path),
        Cwd::Host => "the host's".into(),
    };
    description.row("CWD", cwd, "");
    let env = program.env.iter().map(|rule| {
        let name = lossy(rule.name.as_bytes());
        match &rule.value {
            EnvValue::Fixed(value) => {
                (format!("{name}={}", lossy(value)), json!({ "name": name, "value": lossy(value) }))
            }
            EnvValue::Host(pattern) => {
                let pattern = lossy(pattern.as_bytes());
                (
                    format!("{name} from the host, if it matches {pattern}"),
                    json!({ "name": name, "host": pattern }),
                )
            }
        }
    });
    description.list("ENV", env);
    if program.host_args.contains(&Pattern::any()) {
        description.warn("any-argument", "the host may add any arguments");
    }
    let any = |rule: &manifest::EnvRule| rule.name == Pattern::any();
    if program.env.iter().any(any) {
        description
            .warn("any-variable", "the host may set any environment variable, such as LD_PRELOAD");
    }
}

fn files(description: &mut Description, compiled: &Compiled) {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for entry in compiled.files.entries() {
        if let Kind::Passthrough { writable, .. } = &entry.kind {
            let can = if *writable { "read and changed" } else { "read" };
            let path = lossy(&entry.path);
            description.warn(
                "passthrough",
                format!(
                    "{path} is not protected: what is there can be {can} and made up by the host"
                ),
            );
        }
    }
    let rows = compiled.files.entries().iter().map(|entry| {
        let path = lossy(&entry.path);
        let (kind, rest, fields) = match &entry.kind {
            Kind::Directory { mode } => ("directory", format!("{mode:04o}"), json!({})),
            Kind::Symlink { target } => {
                ("symlink", format!("to {}", lossy(target)), json!({ "target": lossy(target) }))
            }
            Kind::Trusted { host, size, mode, root } => (
                "trusted",
                format!("{mode:04o} {size} bytes, root {}", to_hex(root)),
                json!({ "host": lossy(host), "size": size, "root": to_hex(root) }),
            ),
            Kind::Tmpfs { mode, size_max } => (
                "tmpfs",
                format!("{mode:04o} at most {size_max} bytes"),
                json!({ "size_max": size_max }),
            ),
            Kind::Passthrough { host, writable, .. } => (
                "passthrough",
                format!("host {}{}", lossy(host), if *writable { ", writable" } else { "" }),
                json!({ "host": lossy(host), "writable": writable }),
            ),
            Kind::HostInput { input, host } => (
                "input",
                format!("{} from host {}", input.name(), lossy(host)),
                json!({ "input": input.name(), "host": lossy(host) }),
            ),
        };
        (format!("{path}: {kind} {rest}"), json!({ "path": path, "kind": kind, "detail": fields }))
    });
    description.list("FILES", rows);
}
