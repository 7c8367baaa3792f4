//! The table of verbs.

mod auth;
mod basic;
mod kv;
mod lease;
mod login;
mod mounts;
mod operator;
mod policy;
mod status;
mod token;

use crate::{Console, Failure};

/// What a verb does with its arguments.
pub(crate) type Run = fn(&[String], &mut Console<'_>) -> Result<u8, Failure>;

/// One verb.
pub(crate) struct Verb {
    /// One word or more, as `kv get`.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) run: Run,
}

/// Every verb, in the order of the help.
const VERBS: &[&[Verb]] = &[
    basic::VERBS,
    kv::VERBS,
    login::VERBS,
    token::VERBS,
    lease::VERBS,
    policy::VERBS,
    auth::VERBS,
    mounts::VERBS,
    operator::VERBS,
    status::VERBS,
];

/// The verb with the most words that the arguments begin with, and what follows.
pub(crate) fn find(arguments: &[String]) -> Option<(&'static Verb, &[String])> {
    let matches = |verb: &&Verb| {
        let mut words = verb.name.split(' ').zip(arguments);
        verb.name.split(' ').count() <= arguments.len() && words.all(|(word, given)| word == given)
    };
    let verbs = VERBS.iter().copied().flatten();
    let verb = verbs.filter(matches).max_by_key(|verb| verb.name.split(' ').count())?;
    Some((verb, arguments.get(verb.name.split(' ').count()..)?))
}

/// All verbs with what they do.
pub(crate) fn usage() -> String {
    let lines = VERBS.iter().copied().flatten();
    lines.map(|verb| format!("    {:<28}{}\n", verb.name, verb.help)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(arguments: &[&str]) -> Option<(&'static str, usize)> {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        find(&arguments).map(|(verb, rest)| (verb.name, rest.len()))
    }

    #[test]
    fn the_longest_name_wins() {
        assert_eq!(found(&["kv", "metadata", "get", "x"]), Some(("kv metadata get", 1)));
        assert_eq!(found(&["kv", "get", "x"]), Some(("kv get", 1)));
        assert_eq!(found(&["read", "get"]), Some(("read", 1)));
        assert_eq!(found(&["kv"]), None);
        assert_eq!(found(&["nope"]), None);
    }

    #[test]
    fn names_are_unique_and_described() {
        let mut names: Vec<&str> = VERBS.iter().copied().flatten().map(|verb| verb.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(VERBS.iter().copied().flatten().all(|verb| verb.help.ends_with('.')));
    }
}
