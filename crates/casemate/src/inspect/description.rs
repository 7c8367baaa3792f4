//! What is said about a file, and how it is printed.

use std::error::Error;

use serde_json::{Map, Value, json};
use sgx_types::{AttributeFlags, Attributes, Mrsigner, known_signer};

/// Everything said about one file.
#[derive(Debug, Default)]
pub(crate) struct Description {
    kind: &'static str,
    rows: Vec<Row>,
    warnings: Vec<Finding>,
    refusals: Vec<Finding>,
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    /// The value for programs.
    value: Value,
    /// The value for people, a line for each element of a list.
    lines: Vec<String>,
    meaning: String,
}

#[derive(Debug)]
struct Finding {
    code: &'static str,
    message: String,
}

impl Description {
    /// Starts the description of a `kind`, the manual's name of it.
    pub(crate) fn new(kind: &'static str) -> Self {
        Description { kind, ..Description::default() }
    }

    /// Describes bytes that are not an image of what they should be.
    pub(crate) fn malformed(kind: &'static str, error: &dyn Error) -> Self {
        let mut description = Description::new(kind);
        description.refuse("malformed", chain(error));
        description
    }

    /// Adds a field: its name in the manual, its value, and what the value means if that is not
    /// plain.
    pub(crate) fn row(
        &mut self,
        name: &'static str,
        value: impl Into<Value>,
        meaning: impl Into<String>,
    ) {
        let value = value.into();
        let lines = vec![plain(&value)];
        self.rows.push(Row { name, value, lines, meaning: meaning.into() });
    }

    /// Adds a list: each element for people and for programs.
    pub(crate) fn list(
        &mut self,
        name: &'static str,
        elements: impl Iterator<Item = (String, Value)>,
    ) {
        let (lines, values): (Vec<String>, Vec<Value>) = elements.unzip();
        self.rows.push(Row { name, value: values.into(), lines, meaning: String::new() });
    }

    /// Adds something a careful reader should know. `code` is stable, for programs.
    pub(crate) fn warn(&mut self, code: &'static str, message: impl Into<String>) {
        self.warnings.push(Finding { code, message: message.into() });
    }

    /// Adds a reason why nobody should accept the file. `code` is stable, for programs.
    pub(crate) fn refuse(&mut self, code: &'static str, message: impl Into<String>) {
        self.refusals.push(Finding { code, message: message.into() });
    }

    /// Adds MRSIGNER, and a warning when everybody can sign as this signer.
    pub(crate) fn mrsigner(&mut self, mrsigner: Mrsigner) {
        let known = known_signer(&mrsigner);
        let name = known.map_or(String::new(), |known| known.name.to_owned());
        self.row("MRSIGNER", mrsigner.to_string(), name);
        if let Some(known) = known.filter(|known| known.key_is_public) {
            self.warn(
                "public-signing-key",
                format!(
                    "the signing key is public ({}): anyone can sign as this signer",
                    known.name
                ),
            );
        }
    }

    /// Adds the attributes an enclave has.
    pub(crate) fn attributes(&mut self, attributes: Attributes) {
        self.row("ATTRIBUTES", hex64(attributes.flags.bits()), attributes.flags.to_string());
        self.row("XFRM", hex64(attributes.xfrm.bits()), attributes.xfrm.to_string());
        if attributes.flags.contains(AttributeFlags::DEBUG) {
            self.warn("debug-enclave", "a debug enclave: a debugger can read all its memory");
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        !self.refusals.is_empty()
    }

    pub(crate) fn has_warnings(&self) -> bool {
        !self.warnings.is_empty()
    }

    /// Returns the description for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", self.kind);
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        for row in &self.rows {
            write_row(&mut text, row, width);
        }
        for (label, findings) in [("warning", &self.warnings), ("refused", &self.refusals)] {
            for Finding { code, message } in findings {
                text.push_str(&format!("{label}: {message} [{code}]\n"));
            }
        }
        text
    }

    /// Returns the description for programs. Field names are the manual's, lower-cased.
    pub(crate) fn json(&self) -> Value {
        let fields: Map<String, Value> = self
            .rows
            .iter()
            .map(|row| (row.name.to_lowercase().replace(' ', "_"), row.value.clone()))
            .collect();
        let findings = |findings: &[Finding]| -> Vec<Value> {
            findings
                .iter()
                .map(|finding| json!({ "code": finding.code, "message": finding.message }))
                .collect()
        };
        json!({
            "kind": self.kind,
            "fields": fields,
            "warnings": findings(&self.warnings),
            "refusals": findings(&self.refusals),
        })
    }
}

fn write_row(text: &mut String, row: &Row, width: usize) {
    let mut name = row.name;
    for line in &row.lines {
        text.push_str(&format!("  {name:<width$}  {line}"));
        if !row.meaning.is_empty() {
            text.push_str(&format!("  ({})", row.meaning));
        }
        text.push('\n');
        name = "";
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Writes a set of bits as a number.
pub(crate) fn hex64(bits: u64) -> String {
    format!("{bits:#018x}")
}

/// Writes a set of bits as a number.
pub(crate) fn hex32(bits: u32) -> String {
    format!("{bits:#010x}")
}

/// Says that bytes are all zero, where zero means "unused".
pub(crate) fn unused(bytes: &[u8]) -> &'static str {
    if bytes.iter().all(|byte| *byte == 0) { "unused" } else { "" }
}

/// Writes an error with everything that caused it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
