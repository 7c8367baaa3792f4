//! ACL policies: who may do what on which path.
//!
//! A policy's text is parsed once into an [`AclPolicy`]. For a caller, the policies and the caller's
//! [`Subject`] are bound into an [`Acl`], which answers every request of that caller in time that does
//! not grow with the number of rules without wildcards. Nothing is parsed while a request waits.
//!
//! Which rule decides is Vault's order: an exact path; else, among prefixes `a/*` and patterns `a/+/b`, the
//! one whose first wildcard comes latest; one that does not end in `*`; one with fewer `+`; the longer; the
//! lexicographically greater. A list of `a/b/` is also a list of `a/b`: rules for either form compete.
//!
//! **Invariant:** what is not granted is denied. A template whose value is missing grants and denies
//! nothing; one whose value could widen a path grants nothing, and if the rule denies, everything is
//! denied.

mod acl;
mod capability;
mod explain;
mod index;
mod parameters;
mod parse;
#[cfg(test)]
mod reference;
mod rule;
mod template;
#[cfg(test)]
mod tests;

pub use acl::{Acl, Decision, Query, Reason};
pub use capability::{Capabilities, Capability};
pub use explain::Explanation;
pub use parse::{AclPolicy, PolicyError};
pub use template::{Subject, SubjectAlias, SubjectGroup};
