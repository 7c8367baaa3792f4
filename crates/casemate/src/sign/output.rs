//! What is printed about a finished SIGSTRUCT.

use std::path::Path;

use serde_json::json;
use sgx_types::Sigstruct;

/// Prints the identity a SIGSTRUCT gives an enclave, and where it was written.
pub(crate) fn signed(sigstruct: &Sigstruct, path: &Path, json: bool) {
    if json {
        println!(
            "{}",
            json!({
                "mrenclave": sigstruct.enclavehash.to_string(),
                "mrsigner": sigstruct.mrsigner().to_string(),
                "isvprodid": sigstruct.isvprodid,
                "isvsvn": sigstruct.isvsvn,
                "date": sigstruct.date.to_string(),
                "sigstruct": path,
            })
        );
        return;
    }
    println!("MRENCLAVE  {}", sigstruct.enclavehash);
    println!("MRSIGNER   {}", sigstruct.mrsigner());
    println!("ISVPRODID  {}", sigstruct.isvprodid);
    println!("ISVSVN     {}", sigstruct.isvsvn);
    println!("SIGSTRUCT  {}", path.display());
}
