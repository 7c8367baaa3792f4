//! The policy store: texts behind the barrier, parsed once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::barrier::{Barrier, Transaction};
use crate::policy::AclPolicy;
use crate::{Error, barrier};

const PREFIX: &str = "policy/";
/// Longest policy, in bytes.
const LENGTH_MAX: usize = 512 << 10;

/// What every token has unless it was asked otherwise.
const DEFAULT: &str = r#"
# Allow tokens to look up, renew and revoke themselves
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }

# Allow a token to look up its own capabilities on a path
path "sys/capabilities-self" { capabilities = ["update"] }

# Allow a token to look up its own entity by id or name
path "identity/entity/id/{{identity.entity.id}}" { capabilities = ["read"] }
path "identity/entity/name/{{identity.entity.name}}" { capabilities = ["read"] }

# Allow a token to look up its resultant ACL from all policies
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }

# Allow a token to renew, and to look up, a lease that it knows
path "sys/renew" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }

# Allow a token to manage its own cubbyhole
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }

# Allow a token to wrap and unwrap responses
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }

# Allow general purpose tools
path "sys/tools/hash" { capabilities = ["update"] }
path "sys/tools/hash/*" { capabilities = ["update"] }

# Allow a token to make a request to the authorization endpoint for OIDC providers
path "identity/oidc/provider/+/authorize" { capabilities = ["read", "update"] }
"#;

/// A stored policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredPolicy {
    /// As it was written.
    pub(crate) text: String,
}

/// All ACL policies.
#[derive(Debug)]
pub(crate) struct Policies {
    barrier: Arc<Barrier>,
    parsed: RwLock<HashMap<String, Arc<AclPolicy>>>,
    /// Grows with every change.
    generation: AtomicU64,
}

impl Policies {
    pub(crate) fn new(barrier: Arc<Barrier>) -> Self {
        Policies { barrier, parsed: RwLock::default(), generation: AtomicU64::new(0) }
    }

    /// Adds the policies that every server has.
    pub(crate) fn initialise(transaction: &mut Transaction) {
        let stored = StoredPolicy { text: DEFAULT.trim_start().to_owned() };
        transaction
            .put(format!("{PREFIX}default"), serde_json::to_vec(&stored).unwrap_or_default());
    }

    /// A number that is another after every change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The text of a policy. `root` has none.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        let name = name.to_lowercase();
        if name == "root" {
            return Ok(Some(String::new()));
        }
        Ok(self.stored(&name)?.map(|stored| stored.text))
    }

    fn stored(&self, name: &str) -> Result<Option<StoredPolicy>, Error> {
        let key = format!("{PREFIX}{name}");
        let Some(row) = self.barrier.get(&key)? else { return Ok(None) };
        let malformed = |_| barrier::Error::Tampered { key, reason: "not a policy" };
        Ok(Some(serde_json::from_slice(&row.content).map_err(malformed)?))
    }

    /// A parsed policy; `None` if there is none. A name without a policy grants nothing.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Arc<AclPolicy>>, Error> {
        if let Some(policy) = self.parsed.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(Some(Arc::clone(policy)));
        }
        let generation = self.generation();
        let Some(stored) = self.stored(name)? else { return Ok(None) };
        let policy = Arc::new(parse(name, &stored.text)?);
        let mut parsed = self.parsed.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation() == generation {
            parsed.insert(name.to_owned(), Arc::clone(&policy));
        }
        Ok(Some(policy))
    }

    /// Writes a policy and returns it parsed.
    pub(crate) fn put(&self, name: &str, text: &str) -> Result<Arc<AclPolicy>, Error> {
        let name = check_name(name)?;
        if name == "root" {
            return Err(Error::invalid("cannot update \"root\" policy"));
        }
        if text.len() > LENGTH_MAX {
            return Err(Error::invalid("a policy has at most 512 KiB"));
        }
        let policy = Arc::new(parse(&name, text)?);
        let stored = StoredPolicy { text: text.to_owned() };
        let mut transaction = Transaction::new();
        transaction.put(format!("{PREFIX}{name}"), serde_json::to_vec(&stored).unwrap_or_default());
        self.change(transaction)?;
        Ok(policy)
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), Error> {
        let name = check_name(name)?;
        if matches!(&*name, "root" | "default") {
            return Err(Error::Invalid(format!("cannot delete {name:?} policy")));
        }
        let mut transaction = Transaction::new();
        transaction.delete(format!("{PREFIX}{name}"));
        self.change(transaction)
    }

    fn change(&self, transaction: Transaction) -> Result<(), Error> {
        self.barrier.commit(transaction)?;
        let mut parsed = self.parsed.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        parsed.clear();
        Ok(())
    }

    /// Names of all policies, `root` among them.
    pub(crate) fn names(&self) -> Result<Vec<String>, Error> {
        let keys = self.barrier.keys(PREFIX, "", usize::MAX)?;
        let names = keys.iter().filter_map(|key| key.strip_prefix(PREFIX)).map(str::to_owned);
        let mut names: Vec<String> = names.collect();
        names.push("root".to_owned());
        names.sort_unstable();
        Ok(names)
    }
}

/// A policy's name as it is stored. What is compared is always this form: `Root ` is not another
/// policy than `root` (CVE-2025-5999).
pub(crate) fn check_name(name: &str) -> Result<String, Error> {
    let name = name.trim().to_lowercase();
    if name.is_empty() || name.contains(['/', ',']) || name.len() > 512 {
        return Err(Error::invalid("a policy's name has 1 to 512 bytes, without slash and comma"));
    }
    Ok(name)
}

/// Policies as a token has them: trimmed, lower case, sorted, each once.
pub(crate) fn normalise<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let trimmed = names.into_iter().map(|name| name.trim().to_lowercase());
    let mut names: Vec<String> = trimmed.filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn parse(name: &str, text: &str) -> Result<AclPolicy, Error> {
    AclPolicy::parse(name, text)
        .map_err(|error| Error::Invalid(format!("failed to parse policy: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_parses() {
        assert!(parse("default", DEFAULT).unwrap().paths().count() > 15);
    }

    #[test]
    fn cve_2025_5999_names_are_normalised_once() {
        assert_eq!(normalise(["Root ", "root", " b", "a", ""]), ["a", "b", "root"]);
        assert_eq!(check_name(" ROOT").unwrap(), "root");
        assert!(check_name("a/b").is_err() && check_name("").is_err());
    }
}
