//! What a caller wants committed.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// What must hold of a row for a transaction to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is none.
    Absent,
    /// It has this version.
    Version(u64),
}

/// Changes that happen together or not at all.
#[derive(Clone, Default)]
pub struct Transaction {
    pub(super) rows: BTreeMap<String, Option<Zeroizing<Vec<u8>>>>,
    pub(super) expect: Vec<(String, Expect)>,
    pub(super) hints: BTreeMap<Vec<u8>, bool>,
}

impl Transaction {
    /// A transaction that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a row.
    pub fn put(&mut self, key: impl Into<String>, content: Vec<u8>) -> &mut Self {
        self.rows.insert(key.into(), Some(Zeroizing::new(content)));
        self
    }

    /// Removes a row, if it is there.
    pub fn delete(&mut self, key: impl Into<String>) -> &mut Self {
        self.rows.insert(key.into(), None);
        self
    }

    /// Demands something of a row.
    pub fn expect(&mut self, key: impl Into<String>, expect: Expect) -> &mut Self {
        self.expect.push((key.into(), expect));
        self
    }

    /// Writes a hint: a key of a secondary index. It is neither encrypted nor authentic.
    pub fn hint(&mut self, key: Vec<u8>) -> &mut Self {
        self.hints.insert(key, true);
        self
    }

    /// Removes a hint.
    pub fn unhint(&mut self, key: Vec<u8>) -> &mut Self {
        self.hints.insert(key, false);
        self
    }

    /// Whether it would change nothing and demands nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.expect.is_empty() && self.hints.is_empty()
    }

    /// Takes the changes and demands of another transaction as well; its changes win.
    pub fn append(&mut self, other: Transaction) -> &mut Self {
        self.rows.extend(other.rows);
        self.expect.extend(other.expect);
        self.hints.extend(other.hints);
        self
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("rows", &self.rows.keys())
            .field("expect", &self.expect)
            .finish_non_exhaustive()
    }
}
