//! The command line of `server`, with Vault's flags.

use std::path::PathBuf;

/// What `server` was started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Files and folders of configuration.
    pub config: Vec<PathBuf>,
    /// Whether it is a development server.
    pub dev: bool,
    /// The root token of a development server.
    pub dev_root_token_id: String,
    /// Where a development server listens.
    pub dev_listen_address: String,
    /// Whether a development server serves TLS with a certificate of its own.
    pub dev_tls: bool,
    /// Whether the token is not written to the home folder.
    pub dev_no_store_token: bool,
    /// Whether `secret/` is version 1.
    pub dev_kv_v1: bool,
    /// Whether there is no `secret/`.
    pub dev_no_kv: bool,
    /// Overrides the configuration's.
    pub log_level: String,
    /// Overrides the configuration's.
    pub log_format: String,
    /// Whether it ends after it has started, to test a configuration.
    pub test_config: bool,
}

impl Options {
    /// Parses arguments: `-flag`, `--flag`, `-flag=value` and `-flag value`.
    ///
    /// # Errors
    /// With a text for the user.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let Some(flag) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'))
            else {
                return Err(format!("unexpected argument {argument:?}"));
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            let mut text = || {
                value
                    .clone()
                    .or_else(|| rest.next().cloned())
                    .ok_or(format!("flag needs an argument: -{name}"))
            };
            match name {
                "config" => options.config.push(text()?.into()),
                "dev-root-token-id" => options.dev_root_token_id = text()?,
                "dev-listen-address" => options.dev_listen_address = text()?,
                "log-level" => options.log_level = text()?,
                "log-format" => options.log_format = text()?,
                "dev" => options.dev = on(name, value.as_deref())?,
                "dev-tls" => options.dev_tls = on(name, value.as_deref())?,
                "dev-no-store-token" => options.dev_no_store_token = on(name, value.as_deref())?,
                "dev-kv-v1" => options.dev_kv_v1 = on(name, value.as_deref())?,
                "dev-no-kv" => options.dev_no_kv = on(name, value.as_deref())?,
                "test-server-config" => options.test_config = on(name, value.as_deref())?,
                "exit-on-core-shutdown" | "recovery" | "combine-logs" => {
                    on(name, value.as_deref())?;
                }
                "dev-cluster-json"
                | "dev-tls-cert-dir"
                | "dev-tls-san"
                | "dev-plugin-dir"
                | "log-file"
                | "log-rotate-bytes"
                | "log-rotate-duration"
                | "log-rotate-max-files" => {
                    return Err(format!("flag -{name} is not supported"));
                }
                other => return Err(format!("flag provided but not defined: -{other}")),
            }
        }
        options.dev |= options.dev_tls;
        Ok(options)
    }
}

fn on(name: &str, value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("true" | "1" | "t") => Ok(true),
        Some("false" | "0" | "f") => Ok(false),
        Some(other) => Err(format!("invalid boolean value {other:?} for -{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(&arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn takes_vaults_flags_in_every_form() {
        let options = parse(&[
            "-dev",
            "--dev-root-token-id=root",
            "-dev-listen-address",
            "127.0.0.1:1",
            "-config=a",
            "-config",
            "b",
            "-dev-no-store-token=true",
        ])
        .unwrap();
        assert!(options.dev && options.dev_no_store_token);
        assert_eq!(options.dev_root_token_id, "root");
        assert_eq!(options.dev_listen_address, "127.0.0.1:1");
        assert_eq!(options.config, [PathBuf::from("a"), PathBuf::from("b")]);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (arguments, expected) in [
            (vec!["-nope"], "flag provided but not defined: -nope"),
            (vec!["-config"], "flag needs an argument: -config"),
            (vec!["-dev=maybe"], "invalid boolean value \"maybe\" for -dev"),
            (vec!["file.hcl"], "unexpected argument \"file.hcl\""),
        ] {
            assert_eq!(parse(&arguments).unwrap_err(), expected);
        }
    }
}
