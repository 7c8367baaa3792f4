//! What is left of the host's arguments, environment and working directory once the manifest has
//! judged them.

use alloc::{string::String, vec::Vec};

use crate::{Compiled, Cwd, EnvRule, EnvValue, is_canonical_path};

/// What the program is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Arguments, `argv[0]` included.
    pub args: Vec<Vec<u8>>,
    /// Environment, each `NAME=VALUE`.
    pub env: Vec<Vec<u8>>,
    /// Working directory, a canonical path.
    pub cwd: Vec<u8>,
}

/// Why the host's wish is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The host asked for another program.
    #[error(
        "the manifest runs {}, the command line asks for {}",
        String::from_utf8_lossy(.expected),
        String::from_utf8_lossy(.found)
    )]
    Program {
        /// The manifest's entrypoint.
        expected: Vec<u8>,
        /// The program asked for.
        found: Vec<u8>,
    },
    /// An argument matches no pattern.
    #[error("argument {index} matches no pattern of program.host_args in the manifest")]
    Argument {
        /// Its index in `argv`.
        index: usize,
    },
    /// The working directory is not a canonical path.
    #[error("working directory {} is not an absolute, normal path", String::from_utf8_lossy(.found))]
    Cwd {
        /// The directory.
        found: Vec<u8>,
    },
}

impl Compiled {
    /// Judges what the host asks for. `args` may be empty; else `args[0]` names the program.
    ///
    /// Variables that no rule allows are dropped, arguments that no pattern allows are refused.
    ///
    /// # Errors
    /// [`Refused`] names the first wish that the manifest does not grant.
    pub fn resolve(
        &self,
        args: &[Vec<u8>],
        env: &[Vec<u8>],
        cwd: &[u8],
    ) -> Result<Resolved, Refused> {
        Ok(Resolved { args: self.args(args)?, env: self.env(env), cwd: self.cwd(cwd)? })
    }

    fn args(&self, host: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Refused> {
        let entrypoint = &self.program.entrypoint;
        let (name, rest) = host.split_first().unwrap_or((entrypoint, &[]));
        let base = entrypoint.rsplit(|&b| b == b'/').next().unwrap_or_default();
        // A development run is made for the program the host asks for, by any of its names.
        if name != entrypoint && name != base && !self.enclave.dev {
            let (expected, found) = (entrypoint.clone(), name.clone());
            return Err(Refused::Program { expected, found });
        }
        let mut args = Vec::with_capacity(1 + self.program.args.len() + rest.len());
        args.push(name.clone());
        args.extend_from_slice(&self.program.args);
        for (index, arg) in rest.iter().enumerate() {
            if !self.program.host_args.iter().any(|pattern| pattern.matches(arg)) {
                return Err(Refused::Argument { index: index + 1 });
            }
            args.push(arg.clone());
        }
        Ok(args)
    }

    fn env(&self, host: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut env: Vec<Vec<u8>> = self
            .program
            .env
            .iter()
            .filter_map(|rule| match &rule.value {
                EnvValue::Fixed(value) => Some([rule.name.as_bytes(), b"=", value].concat()),
                EnvValue::Host(_) => None,
            })
            .collect();
        for variable in host {
            let Some(equals) = variable.iter().position(|&b| b == b'=') else { continue };
            let (name, value) = variable.split_at(equals);
            let value = value.get(1..).unwrap_or_default();
            let known =
                env.iter().any(|e| e.strip_prefix(name).is_some_and(|e| e.starts_with(b"=")));
            if !name.is_empty() && !known && self.program.env.iter().any(|r| r.allows(name, value))
            {
                env.push(variable.clone());
            }
        }
        env
    }

    fn cwd(&self, host: &[u8]) -> Result<Vec<u8>, Refused> {
        match &self.program.cwd {
            Cwd::Fixed(path) => Ok(path.clone()),
            Cwd::Host if is_canonical_path(host) => Ok(host.to_vec()),
            Cwd::Host => Err(Refused::Cwd { found: host.to_vec() }),
        }
    }
}

impl EnvRule {
    fn allows(&self, name: &[u8], value: &[u8]) -> bool {
        match &self.value {
            EnvValue::Fixed(_) => false,
            EnvValue::Host(pattern) => self.name.matches(name) && pattern.matches(value),
        }
    }
}

#[cfg(test)]
mod tests;
