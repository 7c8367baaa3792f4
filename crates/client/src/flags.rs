//! Flags as Go's `flag` package takes them: `-flag`, `--flag`, `-flag=value`, `-flag value`, before arguments.

use std::collections::BTreeMap;

use crate::Failure;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing, or `=true` and `=false`.
    Switch,
    /// A value; the last one counts.
    Value,
    /// Values; all count.
    Values,
}

/// A verb's flags beside the common ones.
pub(crate) type Table = &'static [(&'static str, Takes)];

/// Flags of every verb that talks to the server.
const COMMON: Table = &[
    ("address", Takes::Value),
    ("agent-address", Takes::Value),
    ("ca-cert", Takes::Value),
    ("ca-path", Takes::Value),
    ("client-cert", Takes::Value),
    ("client-key", Takes::Value),
    ("tls-server-name", Takes::Value),
    ("tls-skip-verify", Takes::Switch),
    ("disable-redirects", Takes::Switch),
    ("namespace", Takes::Value),
    ("ns", Takes::Value),
    ("header", Takes::Values),
    ("mfa", Takes::Values),
    ("policy-override", Takes::Switch),
    ("non-interactive", Takes::Switch),
    ("output-curl-string", Takes::Switch),
    ("output-policy", Takes::Switch),
    ("unlock-key", Takes::Value),
    ("wrap-ttl", Takes::Value),
    ("format", Takes::Value),
    ("field", Takes::Value),
    ("detailed", Takes::Switch),
];

/// Parsed flags and the arguments after them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    values: BTreeMap<String, Vec<String>>,
    /// After the flags.
    pub(crate) arguments: Vec<String>,
}

impl Flags {
    /// Parses a verb's command line.
    pub(crate) fn parse(arguments: &[String], own: Table) -> Result<Self, Failure> {
        let mut flags = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let dashed = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
            match dashed {
                // A lone `-` is the standard input; `--` ends the flags.
                None | Some("") => {
                    if argument != "--" {
                        flags.arguments.push(argument.clone());
                    }
                    break;
                }
                Some(flag) => {
                    let (name, value) = match flag.split_once('=') {
                        Some((name, value)) => (name, Some(value.to_owned())),
                        None => (flag, None),
                    };
                    let known = own.iter().chain(COMMON).find(|(known, _)| *known == name);
                    let Some((name, takes)) = known else {
                        return Err(Failure::local(format!(
                            "flag provided but not defined: -{name}"
                        )));
                    };
                    let value = match takes {
                        Takes::Switch => value.unwrap_or_else(|| "true".to_owned()),
                        Takes::Value | Takes::Values => {
                            value.or_else(|| rest.next().cloned()).ok_or_else(|| {
                                Failure::local(format!("flag needs an argument: -{name}"))
                            })?
                        }
                    };
                    flags.values.entry((*name).to_owned()).or_default().push(value);
                }
            }
        }
        flags.arguments.extend(rest.cloned());
        Ok(flags)
    }

    /// The last value of a flag.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(|values| values.last()).map(String::as_str)
    }

    /// All values of a flag.
    pub(crate) fn values(&self, name: &str) -> &[String] {
        self.values.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        matches!(self.value(name), Some("true" | "1" | "t" | "T" | "TRUE" | "True"))
    }

    /// Exactly `N` arguments.
    pub(crate) fn exactly<const N: usize>(&self) -> Result<[&str; N], Failure> {
        let found = self.arguments.len();
        let few = if found < N { "Not enough" } else { "Too many" };
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        arguments
            .try_into()
            .map_err(|_| Failure::local(format!("{few} arguments (expected {N}, got {found})")))
    }

    /// The first argument, and those after it.
    pub(crate) fn first(&self) -> Result<(&str, &[String]), Failure> {
        let (first, rest) = self
            .arguments
            .split_first()
            .ok_or_else(|| Failure::local("Not enough arguments (expected 1, got 0)"))?;
        Ok((first, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Flags, Failure> {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        Flags::parse(
            &arguments,
            &[("cas", Takes::Value), ("policy", Takes::Values), ("force", Takes::Switch)],
        )
    }

    #[test]
    fn flags_stop_at_the_first_argument() {
        let flags =
            parse(&["-cas", "3", "--policy=a", "-policy", "b", "-force", "path", "-x=y"]).unwrap();
        assert_eq!(flags.value("cas"), Some("3"));
        assert_eq!(flags.values("policy"), ["a", "b"]);
        assert!(flags.is_on("force"));
        assert_eq!(flags.arguments, ["path", "-x=y"]);
        assert_eq!(parse(&["-"]).unwrap().arguments, ["-"]);
        assert_eq!(parse(&["-force=false", "--", "-cas"]).unwrap().arguments, ["-cas"]);
    }

    #[test]
    fn mistakes_are_local() {
        for (arguments, expected) in [
            (vec!["-nope"], "flag provided but not defined: -nope"),
            (vec!["-cas"], "flag needs an argument: -cas"),
        ] {
            let failure = parse(&arguments).unwrap_err();
            assert_eq!((failure.to_string().as_str(), failure.exit_code()), (expected, 1));
        }
        let too_many = parse(&["a", "b"]).unwrap().exactly::<1>().unwrap_err().to_string();
        assert_eq!(too_many, "Too many arguments (expected 1, got 2)");
    }
}
