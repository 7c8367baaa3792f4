//! Everything that may stand in a manifest: the table that reading and the reference page follow.

/// A part of the manifest.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub form: Form,
    /// What it is for: Markdown, one paragraph.
    pub doc: &'static str,
    /// What may stand in it, in the order of the reference.
    pub keys: &'static [Key],
}

/// How a section is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Once, as `[name]`.
    Table,
    /// As often as needed, as `[[name]]`.
    Array,
    /// Once, as `[name]`; the keys are the user's: names of variables. A value is a string, or a
    /// table with the section's keys.
    Names,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub value: Type,
    /// What holds if it is not there.
    pub default: Default,
    /// What it means: Markdown.
    pub doc: &'static str,
    /// The kinds of `[[files]]` it is for; empty: all.
    pub kinds: &'static [&'static str],
}

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// A string without NUL.
    Text,
    /// A list of such strings.
    Texts,
    /// A list of patterns: `*` stands for any run of bytes, `?` for one.
    Patterns,
    /// A path inside the enclave: absolute, without empty, `.` and `..` components.
    Path,
    /// One such path or a list of them.
    Paths,
    /// Bytes: a number, or a string such as "64M" with K, M, G or T; from `min` to `max`.
    Size {
        /// Least bytes.
        min: u64,
        /// Most bytes.
        max: u64,
    },
    /// A whole number from `min` to `max`.
    Count {
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// Permission bits, written in octal: 0o755.
    Mode,
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of these words.
    Choices(&'static [&'static str]),
}

/// What holds where a key is missing.
#[derive(Debug, Clone, Copy)]
pub enum Default {
    /// It must be there.
    Required,
    /// This value, as TOML.
    Value(&'static str),
    /// What these words say.
    Otherwise(&'static str),
}

/// Names of the extended state that `enclave.xfrm` may list, with their XFRM bits (SDM volume 1,
/// section 13.1). X87 and SSE are always there.
pub const XFRM: &[(&str, u64)] =
    &[("avx", 1 << 2), ("avx512", 0b111 << 5), ("pkru", 1 << 9), ("amx", 0b11 << 17)];
const XFRM_NAMES: &[&str] = &["avx", "avx512", "pkru", "amx"];

/// Kinds of `[[files]]`.
pub const KINDS: &[&str] = &["trusted", "directory", "symlink", "tmpfs", "passthrough", "input"];

const INPUTS: &[&str] =
    &["resolv.conf", "hosts", "hostname", "ca-bundle", "zoneinfo", "config-map", "token"];

const fn key(name: &'static str, value: Type, default: Default, doc: &'static str) -> Key {
    Key { name, value, default, doc, kinds: &[] }
}

const fn only(kinds: &'static [&'static str], key: Key) -> Key {
    Key { kinds, ..key }
}

/// All of it.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "enclave",
        form: Form::Table,
        doc: "How the enclave is laid out and what its signature says.",
        keys: &[
            key(
                "size",
                Type::Size { min: 1 << 36, max: 1 << 44 },
                Default::Value("\"128G\""),
                "Address space of the enclave (ELRANGE), a power of two. Reserved, not used: memory is taken when the \
                 program touches it. Programs that reserve very large ranges (WebAssembly in V8, JavaScriptCore) need more.",
            ),
            key(
                "threads",
                Type::Count { min: 1, max: 224 },
                Default::Value("32"),
                "Threads that can exist at once. Each takes 104 pages of enclave memory.",
            ),
            key(
                "heap",
                Type::Size { min: 1 << 20, max: 512 << 20 },
                Default::Value("\"2M\""),
                "Memory of the library OS itself at the start, a multiple of 4096 bytes. With `edmm` it grows as needed; \
                 without, this is all there is.",
            ),
            key(
                "edmm",
                Type::Bool,
                Default::Value("true"),
                "Memory is added, restricted and removed at run time (SGX2).",
            ),
            key(
                "debug",
                Type::Bool,
                Default::Value("false"),
                "A debug enclave: whoever runs it can read all its memory. `casemate run` refuses it without \
                 `--allow-debug`, and so does every production policy.",
            ),
            key(
                "isvprodid",
                Type::Count { min: 0, max: 0xffff },
                Default::Value("0"),
                "Product number, in the signature.",
            ),
            key(
                "isvsvn",
                Type::Count { min: 0, max: 0xffff },
                Default::Value("0"),
                "Security version, in the signature. Raise it when an older version must lose its secrets.",
            ),
            key(
                "xfrm",
                Type::Choices(XFRM_NAMES),
                Default::Value("[\"avx\", \"avx512\", \"amx\"]"),
                "Processor state besides x87 and SSE that the program may use where the machine has it.",
            ),
        ],
    },
    Section {
        name: "program",
        form: Form::Table,
        doc: "What runs, and what the host may say about it.",
        keys: &[
            key(
                "entrypoint",
                Type::Path,
                Default::Required,
                "The program, a path inside the enclave. It must be a trusted file.",
            ),
            key(
                "args",
                Type::Texts,
                Default::Value("[]"),
                "Arguments that the program always gets, after its name and before those of the host.",
            ),
            key(
                "host_args",
                Type::Patterns,
                Default::Value("[]"),
                "Arguments the host may add: each must match one of these patterns, else the enclave does not start. \
                 Without patterns the host can add none.",
            ),
            key(
                "cwd",
                Type::Path,
                Default::Value("\"/\""),
                "Working directory, a path inside the enclave.",
            ),
            key(
                "cwd_from_host",
                Type::Bool,
                Default::Value("false"),
                "The program starts in the directory that `casemate run` was started in. Not together with `cwd`.",
            ),
        ],
    },
    Section {
        name: "env",
        form: Form::Names,
        doc: "Environment variables. `NAME = \"value\"` fixes one; `NAME = { host = \"pattern\" }` takes the host's value if \
              it matches. The name of the second form may be a pattern too (`\"LC_*\" = { host = \"*\" }`). Variables that no \
              line allows are dropped.",
        keys: &[key(
            "host",
            Type::Text,
            Default::Required,
            "Pattern that the host's value must match.",
        )],
    },
    Section {
        name: "files",
        form: Form::Array,
        doc: "What the program sees as files. What no entry names does not exist, but for `/dev` and `/proc`, which the \
              library OS makes. An entry that names a path exactly wins over a directory that holds it.",
        keys: &[
            key(
                "path",
                Type::Paths,
                Default::Required,
                "Path inside the enclave, or a list of paths that are the same on the host.",
            ),
            key(
                "kind",
                Type::Choice(KINDS),
                Default::Value("\"trusted\""),
                "`trusted`: a host file, or all files below a directory, read-only and measured. `directory`: an empty \
                 directory. `symlink`: a symbolic link. `tmpfs`: files in enclave memory. `passthrough`: a host file or \
                 directory without any protection. `input`: something a container expects from its host, checked for its form.",
            ),
            only(
                &["trusted", "passthrough", "input"],
                key(
                    "host",
                    Type::Text,
                    Default::Otherwise("`path`"),
                    "Path on the host. A relative one starts at the manifest's directory.",
                ),
            ),
            only(
                &["trusted", "directory", "tmpfs"],
                key(
                    "mode",
                    Type::Mode,
                    Default::Otherwise(
                        "0o755; for a trusted file that its owner cannot execute 0o644; for a tmpfs 0o1777",
                    ),
                    "Permission bits.",
                ),
            ),
            only(
                &["trusted"],
                key(
                    "exclude",
                    Type::Patterns,
                    Default::Value("[]"),
                    "Paths inside the enclave that a trusted directory leaves out.",
                ),
            ),
            only(
                &["symlink"],
                key("target", Type::Text, Default::Required, "What the link points to."),
            ),
            only(
                &["tmpfs"],
                key(
                    "size",
                    Type::Size { min: 4096, max: 1 << 44 },
                    Default::Value("\"1G\""),
                    "Most bytes its files may hold together. Memory is taken as they grow.",
                ),
            ),
            only(
                &["passthrough"],
                key("writable", Type::Bool, Default::Value("false"), "Whether it may be written."),
            ),
            only(
                &["input"],
                key(
                    "input",
                    Type::Choice(INPUTS),
                    Default::Otherwise(
                        "what the path says: `/etc/resolv.conf`, `/etc/hosts`, `/etc/hostname`, `/etc/localtime`, \
                         `/usr/share/zoneinfo/...`, and names that end in `ca-certificates.crt` or `/token`",
                    ),
                    "What it must look like: text for `resolv.conf`, `hosts`, `ca-bundle` and the files of a `config-map` \
                     (a directory), one short line for `hostname`, TZif for `zoneinfo`, at most 64 KiB of text for `token`.",
                ),
            ),
        ],
    },
];

/// The section with this name.
#[must_use]
pub fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

impl Section {
    /// The key with this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}
