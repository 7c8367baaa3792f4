//! Where a verb reads and writes.

use std::io::{Read, Write};

/// Streams that the binary lends.
#[allow(missing_debug_implementations, reason = "streams have nothing to show")]
pub struct Console<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Everything else.
    pub err: &'a mut dyn Write,
    /// Values given as `-`.
    pub input: &'a mut dyn Read,
    /// Whether results are read by a person.
    pub is_terminal: bool,
}

impl Console<'_> {
    /// Writes a line of the result.
    pub(crate) fn say(&mut self, text: &str) {
        // A closed pipe is the reader's decision.
        let _ = writeln!(self.out, "{text}");
    }

    /// Writes a result as it is: with a line end for people only.
    pub(crate) fn say_raw(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
        if self.is_terminal {
            let _ = self.out.write_all(b"\n");
        }
    }

    /// Writes a line about what went wrong.
    pub(crate) fn complain(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }

    /// Reads everything that is given on the standard input.
    pub(crate) fn read_input(&mut self) -> Result<String, crate::Failure> {
        let mut text = String::new();
        let read = self.input.take(32 << 20).read_to_string(&mut text);
        read.map_err(|error| crate::Failure::local(format!("read the standard input: {error}")))?;
        Ok(text)
    }
}
