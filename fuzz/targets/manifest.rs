//! Fuzzes what the enclave is built and started with: compiled manifest, boot blob, layout page. No
//! input may panic, and every one that is accepted encodes to itself.

use enclave_abi::boot::Boot;
use enclave_abi::layout::Layout;
use manifest::Compiled;

/// See the module's description.
pub fn run(bytes: &[u8]) {
    let boot = Boot::from_bytes(bytes);
    if let Ok(boot) = &boot {
        assert_eq!(boot.to_bytes().as_deref(), Ok(bytes));
    }
    if let Ok(compiled) = Compiled::from_bytes(bytes) {
        assert_eq!(compiled.to_bytes(), bytes);
        start(&compiled, &compiled.program.args);
    }
    if let Ok(layout) = Layout::from_bytes(bytes) {
        layout.check().expect("a layout that is read has been checked");
        assert_eq!(Some(&layout.to_bytes()[..]), bytes.get(..Layout::ENCODED_SIZE));
        let _ = (layout.image(), layout.heap(), layout.manifest(), layout.thread(0));
    }
}

/// What the host may ask of a manifest: arguments, variables, files.
fn start(compiled: &Compiled, args: &[Vec<u8>]) {
    let env: Vec<Vec<u8>> =
        compiled.program.env.iter().map(|rule| [rule.name.as_bytes(), b"=1"].concat()).collect();
    let host: Vec<Vec<u8>> =
        [compiled.program.entrypoint.clone()].into_iter().chain(args.iter().cloned()).collect();
    if let Ok(resolved) = compiled.resolve(&host, &env, b"/tmp") {
        assert!(manifest::is_canonical_path(&resolved.cwd));
    }
    let _ = compiled.files.tree_offsets().count();
    for entry in compiled.files.entries() {
        let _ = compiled.files.find(&entry.path);
        assert!(compiled.files.entry(&entry.path).is_some());
        let _ = compiled.files.below(&entry.path).count();
    }
}
