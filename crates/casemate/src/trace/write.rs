//! The manifest's text.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use super::environment::Variable;
use super::record::Used;

/// What the manifest says.
pub(super) struct Manifest<'m> {
    pub(super) entrypoint: &'m [u8],
    pub(super) args: &'m [OsString],
    pub(super) cwd: &'m [u8],
    pub(super) environment: &'m [Variable],
    pub(super) used: &'m Used,
}

impl Manifest<'_> {
    /// Writes it as TOML, with what a reader must decide in comments.
    pub(super) fn to_toml(&self) -> String {
        let mut text = String::from(
            "# What one run used. Read it: other runs may need more, and what is here is what the enclave trusts.\n\n",
        );
        self.program(&mut text);
        self.variables(&mut text);
        self.files(&mut text);
        text
    }

    fn program(&self, text: &mut String) {
        text.push_str(&format!("[program]\nentrypoint = {}\n", string(self.entrypoint)));
        if !self.args.is_empty() {
            let args: Vec<&[u8]> = self.args.iter().map(|arg| arg.as_bytes()).collect();
            text.push_str(
                "# The arguments of that run; host_args lets the host add its own, by pattern.\n",
            );
            text.push_str(&format!("args = {}\n", list(&args)));
        }
        // A working directory that the program does not see is that of nothing it did.
        let inside =
            |path: &Vec<u8>| path.strip_prefix(self.cwd).is_some_and(|rest| rest.starts_with(b"/"));
        let used = self.used;
        if used.trusted.iter().chain(&used.directories).any(inside) {
            text.push_str(&format!("cwd = {}\n", string(self.cwd)));
        }
    }

    fn variables(&self, text: &mut String) {
        if self.environment.is_empty() {
            return;
        }
        text.push_str("\n[env]\n");
        for Variable { name, value } in self.environment {
            match value {
                Some(value) => text.push_str(&format!("{name} = {}\n", string(value.as_bytes()))),
                None => text.push_str(&format!("# {name} = {{ host = \"*\" }}\n")),
            }
        }
    }

    fn files(&self, text: &mut String) {
        let used = self.used;
        if !used.trusted.is_empty() {
            let paths: Vec<&[u8]> = used.trusted.iter().map(Vec::as_slice).collect();
            text.push_str(&format!("\n[[files]]\npath = {}\n", list(&paths)));
        }
        for (path, target) in &used.links {
            text.push_str(&format!(
                "\n[[files]]\npath = {}\nkind = \"symlink\"\ntarget = {}\n",
                string(path),
                string(target)
            ));
        }
        for path in &used.directories {
            text.push_str(&format!("\n[[files]]\npath = {}\nkind = \"directory\"\n", string(path)));
        }
        for (path, input) in &used.inputs {
            text.push_str(&format!(
                "\n[[files]]\npath = {}\nkind = \"input\"\ninput = \"{}\"\n",
                string(path),
                input.name()
            ));
        }
        for path in &used.temporary {
            text.push_str(&format!("\n[[files]]\npath = {}\nkind = \"tmpfs\"\n", string(path)));
        }
        if !used.written.is_empty() {
            text.push_str(
                "\n# Written in that run. Decide for each, or for its directory: tmpfs (gone at the end), or passthrough\n\
                 # with writable = true (seen and changed by the host).\n",
            );
            for path in &used.written {
                text.push_str(&format!("# {}\n", string(path)));
            }
        }
        if !used.special.is_empty() {
            text.push_str(
                "\n# Sockets, devices and pipes of the host, which no manifest can hold:\n",
            );
            for path in &used.special {
                text.push_str(&format!("# {}\n", string(path)));
            }
        }
    }
}

fn list(items: &[&[u8]]) -> String {
    match items {
        [] => "[]".into(),
        [one] => format!("[{}]", string(one)),
        many => {
            let lines: String =
                many.iter().map(|item| format!("    {},\n", string(item))).collect();
            format!("[\n{lines}]")
        }
    }
}

/// A TOML string (TOML 1.0, "String"). What is not UTF-8 cannot stand in TOML and is replaced.
fn string(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            c if c.is_control() => text.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use manifest::InputKind;
    use manifest::source::{Source, What};

    use super::*;

    #[test]
    fn the_text_is_a_manifest() {
        let used = Used {
            trusted: vec![b"/bin/x".to_vec(), b"/srv/a \"quoted\" \\ name\n".to_vec()],
            links: vec![(b"/lib64".to_vec(), b"usr/lib64".to_vec())],
            directories: vec![b"/srv/empty".to_vec()],
            inputs: vec![(b"/etc/hosts".to_vec(), InputKind::Hosts)],
            written: vec![b"/srv/out".to_vec()],
            temporary: vec![b"/tmp".to_vec()],
            special: vec![b"/srv/socket".to_vec()],
        };
        let environment = [
            Variable { name: "PATH".into(), value: Some("/bin".into()) },
            Variable { name: "TOKEN".into(), value: None },
        ];
        let text = Manifest {
            entrypoint: b"/bin/x",
            args: &["-c".into(), "a b".into()],
            cwd: b"/srv",
            environment: &environment,
            used: &used,
        }
        .to_toml();
        let source = Source::parse(&text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
        assert_eq!(source.program.args, [b"-c".to_vec(), b"a b".to_vec()]);
        assert_eq!(source.program.cwd, manifest::Cwd::Fixed(b"/srv".to_vec()));
        assert_eq!(source.program.env.len(), 1);
        assert_eq!(source.files[0].paths[1].as_bytes(), used.trusted[1]);
        assert!(matches!(source.files.last().unwrap().what, What::Tmpfs { .. }));
        assert_eq!(source.files.len(), 5);
        assert!(text.contains("# \"/srv/out\""));
    }
}
