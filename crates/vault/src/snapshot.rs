//! Snapshots of the whole store: rows as they are, encrypted, for another disk or machine.
//!
//! ```text
//! "casemate snapshot v1" 0x00 | { length of key u32 | key | length of value u32 | value } | SHA-256 of all before
//! ```
//!
//! The rows protect themselves; the digest finds a damaged copy. Whoever restores a snapshot goes back in
//! time, and must not thereby get back what was taken away since: a restored store says so, and the
//! first unseal revokes every token and lease in it, root tokens too. New root tokens come from
//! `generate-root`, with the shares of the snapshot's time.

use std::io::{Read, Write};

use crypto::Sha256;
use storage::{BATCH_BYTES_MAX, Backend, Batch, Range, Snapshot, wait};

use crate::Error;
use crate::barrier::{self, Barrier, SEAL};

const MAGIC: &[u8] = b"casemate snapshot v1\0";
/// Says that the store was restored. In the clear: who restores has no keys.
pub(crate) const MARKER: &str = "core/restored";

/// Why a snapshot was not written or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Reading or writing the file failed.
    #[error("snapshot file")]
    File(#[from] std::io::Error),
    /// The file is no snapshot, or is damaged.
    #[error("the snapshot is damaged: {0}")]
    Damaged(&'static str),
    /// The server is sealed.
    #[error("Vault is sealed")]
    Sealed,
    /// There is something in the store already.
    #[error("the store is not empty: a snapshot is restored into an empty one")]
    NotEmpty,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Passes bytes on and hashes them.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Hashing<W> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.hash.update(bytes);
        Ok(self.inner.write_all(bytes)?)
    }

    fn put_sized(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let length =
            u32::try_from(bytes.len()).map_err(|_| SnapshotError::Damaged("a row is too long"))?;
        self.put(&length.to_be_bytes())?;
        self.put(bytes)
    }
}

/// Writes every row of one commit to `out`.
pub(crate) fn write(barrier: &Barrier, out: &mut dyn Write) -> Result<(), SnapshotError> {
    let snapshot: std::sync::Arc<dyn Snapshot> = barrier.snapshot();
    let mut out = Hashing { inner: out, hash: Sha256::new() };
    out.put(MAGIC)?;
    let mut range = Range::prefix(b"");
    loop {
        let page = wait(snapshot.scan(&range, 256))?;
        for (key, entry) in page.rows {
            out.put_sized(&key)?;
            out.put_sized(&entry.value)?;
        }
        match page.next {
            Some(next) => range.start = next,
            None => break,
        }
    }
    let digest = out.hash.finish();
    Ok(out.inner.write_all(&digest)?)
}

/// Puts the rows of a snapshot into an empty store. If it is interrupted, the store stays uninitialised.
///
/// # Errors
///
/// `NotEmpty`, `Damaged`, or if file or store fail. The digest is checked before anything is written.
pub fn restore(store: &dyn Backend, input: &mut dyn Read) -> Result<(), SnapshotError> {
    let view = wait(store.snapshot())?;
    if !wait(view.scan(&Range::prefix(b""), 1))?.rows.is_empty() {
        return Err(SnapshotError::NotEmpty);
    }
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    let (body, digest) =
        bytes.split_last_chunk::<32>().ok_or(SnapshotError::Damaged("it is too short"))?;
    if crypto::sha256(body) != *digest {
        return Err(SnapshotError::Damaged("its digest is another"));
    }
    let mut rest = body.strip_prefix(MAGIC).ok_or(SnapshotError::Damaged("it is no snapshot"))?;
    let mut seal = None;
    let mut batch = Batch::default();
    let mut size = 0;
    while !rest.is_empty() {
        let truncated = || SnapshotError::Damaged("a row is cut off");
        let key = take(&mut rest).ok_or_else(truncated)?;
        let value = take(&mut rest).ok_or_else(truncated)?;
        if key == SEAL.as_bytes() {
            seal = Some(value);
            continue;
        }
        if batch.operations.len() == 100 || size + key.len() + value.len() > BATCH_BYTES_MAX {
            wait(store.commit(std::mem::take(&mut batch)))?;
            size = 0;
        }
        size += key.len() + value.len();
        batch = batch.put(key, value);
    }
    wait(store.commit(batch))?;
    // Last, in one step: before it, nobody takes the store for one.
    let seal = seal.ok_or(SnapshotError::Damaged("it has no seal configuration"))?;
    wait(store.commit(Batch::default().put(SEAL, seal).put(MARKER, [])))?;
    Ok(())
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (bytes, tail) = tail.split_at_checked(length)?;
    *rest = tail;
    Some(bytes)
}

/// Whether a store was restored and not unsealed since.
pub(crate) fn is_restored(store: &dyn Backend) -> Result<bool, Error> {
    let view = wait(store.snapshot()).map_err(barrier::Error::from)?;
    Ok(wait(view.get(MARKER.as_bytes())).map_err(barrier::Error::from)?.is_some())
}

/// Forgets that a store was restored.
pub(crate) fn settle(store: &dyn Backend) -> Result<(), Error> {
    wait(store.commit(Batch::default().delete(MARKER))).map_err(barrier::Error::from)?;
    Ok(())
}
