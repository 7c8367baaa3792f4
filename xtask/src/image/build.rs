//! How the enclave image is compiled and linked: the only place that knows.
//!
//! The image is a freestanding static PIE for the stable `x86_64-unknown-linux-gnu` target, built by
//! its own cargo call with its own target directory, so that its flags touch nothing else. Because
//! `--target` is explicit, they do not reach build scripts and procedural macros either.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace;

/// The target triple of the image.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";
const PROFILE: &str = "enclave";
const BINARY: &str = "casemate-enclave";

/// The instruction set of the image: legacy SSE and what every SGX2 processor has beside it, never
/// AVX. Linux preserves vector registers across `syscall`, so the image must not clobber upper
/// halves that it does not save.
const TARGET_FEATURES: &str = "+aes,+pclmulqdq,+ssse3,+sse4.1,+sha,+crt-static";

/// Switches of our crates and of others; one `--cfg` each. The second group chooses backends whose
/// features are fixed above, where the crate would ask CPUID at run time, which faults in an enclave.
/// (SHA-512 has no such switch in sha2 0.11; the check finds it if the image comes to use it.)
const CFG: &[&str] = &["casemate_image", r#"aes_backend="soft""#, r#"sha2_256_backend="x86-sha""#];

/// Code generation; one `-C` each.
const CODEGEN: &[&str] = &["panic=abort", "relocation-model=pie", "target-cpu=x86-64"];

/// Arguments of the compiler driver that links; one `-C link-arg=` each. `crt-static` above adds
/// `-static-pie`.
const LINK: &[&str] = &[
    "-nostartfiles",
    "-nostdlib",
    "-Wl,--no-dynamic-linker",
    // The entry point, and the note that lists the ENCLU sites, are reachable only from outside.
    "-Wl,-u,_start",
    "-Wl,-e,_start",
    // Refuse relocations in read-only segments: the image relocates itself after it was measured.
    "-Wl,-z,text",
    // Nothing remaps pages after relocation, and code pages hold code only.
    "-Wl,-z,norelro",
    "-Wl,-z,separate-code",
    "-Wl,-z,noexecstack",
    "-Wl,-z,max-page-size=4096",
    // No random or time-dependent bytes.
    "-Wl,--build-id=none",
    "-Wl,--hash-style=gnu",
];

/// Builds the image and returns its path, `target/image/casemate-enclave`.
pub(super) fn build() -> Result<PathBuf> {
    build_in(workspace::root())
}

/// Builds the image of the workspace in `root`.
fn build_in(root: &Path) -> Result<PathBuf> {
    let directory = root.join("target").join("image");
    let mut cargo = process::cargo();
    cargo
        .current_dir(root)
        .args(["build", "--package", "enclave", "--bin", BINARY])
        .args(["--profile", PROFILE, "--target", TARGET, "--locked"])
        .arg("--target-dir")
        .arg(&directory)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", encoded_flags(root)?);
    process::run(&mut cargo)?;

    let built = directory.join(TARGET).join(PROFILE).join(BINARY);
    let image = directory.join(BINARY);
    copy_if_changed(&built, &image)?;
    Ok(image)
}

/// Builds a copy of the workspace in another folder and fails unless its image is the same bytes.
pub(super) fn reproduce(image: &Path) -> Result<()> {
    let copy = tempfile::Builder::new().prefix("casemate-image-").tempdir();
    let copy = copy.context("make a folder for a second build")?;
    for file in workspace::files()? {
        let to = copy.path().join(&file);
        let folder = to.parent().context("a file has no folder")?;
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let from = workspace::root().join(&file);
        if from.is_file() {
            fs::copy(&from, &to).with_context(|| format!("copy {}", file.display()))?;
        }
    }
    let again = build_in(copy.path())?;
    let read = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));
    let (first, second) = (read(image)?, read(&again)?);
    if let Some(at) = first.iter().zip(&second).position(|(a, b)| a != b) {
        bail!("the image differs at byte {at:#x} when it is built in another folder");
    }
    if first.len() != second.len() {
        bail!("the image has {} bytes, built elsewhere {}", first.len(), second.len());
    }
    Ok(())
}

/// All compiler flags, joined as `CARGO_ENCODED_RUSTFLAGS` wants them.
fn encoded_flags(root: &Path) -> Result<OsString> {
    let mut flags: Vec<String> = CFG.iter().map(|cfg| format!("--cfg={cfg}")).collect();
    for option in CODEGEN {
        flags.push(format!("-C{option}"));
    }
    flags.push(format!("-Ctarget-feature={TARGET_FEATURES}"));
    for argument in LINK {
        flags.push(format!("-Clink-arg={argument}"));
    }
    for (from, to) in path_prefixes(root)? {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    }
    for flag in &flags {
        if flag.contains('\x1f') {
            bail!("compiler flag {flag:?} contains the separator character U+001F");
        }
    }
    Ok(flags.join("\x1f").into())
}

/// Directories of this machine, and what panic messages and debug information say instead, so that
/// the image is the same bytes wherever it is built.
fn path_prefixes(root: &Path) -> Result<Vec<(PathBuf, &'static str)>> {
    let mut prefixes = vec![(root.to_path_buf(), "/casemate")];
    let cargo_home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cargo"),
    };
    // A folder per registry, named after its address and a hash. It exists: this program, too, is
    // made from crates that were unpacked there.
    let sources = cargo_home.join("registry").join("src");
    if sources.is_dir() {
        let entries =
            fs::read_dir(&sources).with_context(|| format!("list {}", sources.display()))?;
        let mut registries = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        registries.sort();
        prefixes.extend(registries.into_iter().map(|registry| (registry, "/crates")));
    }
    let sysroot = process::stdout(process::rustc().args(["--print", "sysroot"]))?;
    let sysroot =
        String::from_utf8(sysroot).context("the path of the Rust sysroot is not UTF-8")?;
    prefixes.push((PathBuf::from(sysroot.trim_end()), "/rust"));
    Ok(prefixes)
}

/// Copies a file unless the copy already has its bytes, so that time stamps mean something.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(to, bytes).with_context(|| format!("write {}", to.display()))
}
