//! The host process under its program's name, so that `ps` and `pidof` find it.

use std::ffi::CString;

use libc::{PR_SET_MM, PR_SET_MM_ARG_END, PR_SET_NAME};

/// Shows the process as running `args`: name and command line. What does not fit the memory of the original command
/// line is cut. To be called by the main thread, before other threads read the arguments; `std::env::args` is
/// no longer meaningful afterwards.
pub fn set(args: &[Vec<u8>]) {
    let Some(program) = args.first() else { return };
    name(program.rsplit(|&b| b == b'/').next().unwrap_or(program));
    if let Some((start, end)) = command_line_memory() {
        let shown = args.iter().flat_map(|arg| arg.iter().copied().chain([0]));
        let room = end - start;
        let mut text: Vec<u8> = shown.take(room).collect();
        let len = text.len();
        text.resize(room, 0);
        // The last byte stays NUL: else the kernel would look for more behind it.
        if let Some(last) = text.last_mut() {
            *last = 0;
        }
        let to = std::ptr::with_exposed_provenance_mut::<u8>(start);
        // SAFETY: the kernel put the command line there for this process to own; it is writable, `room` bytes long, and no
        // Rust object (`std::env::args` copies from it when called).
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), to, room) };
        // Where it is allowed (CAP_SYS_RESOURCE) the length follows; else zeros stand at the end.
        // SAFETY: takes numbers; the new end lies within the old range.
        unsafe { libc::prctl(PR_SET_MM, PR_SET_MM_ARG_END, start + len, 0_u64, 0_u64) };
    }
}

/// The name of the main thread, which stands for the process: at most 15 bytes.
fn name(program: &[u8]) {
    if let Ok(name) = CString::new(&program[..program.len().min(15)]) {
        // SAFETY: the name is a live string with its NUL.
        unsafe { libc::prctl(PR_SET_NAME, name.as_ptr()) };
    }
}

/// Start and end of the memory with the command line: fields 48 and 49 of `/proc/self/stat` (proc(5)).
fn command_line_memory() -> Option<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    range(&stat)
}

fn range(stat: &str) -> Option<(usize, usize)> {
    // The name in parentheses may hold blanks; field 3 follows it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(48 - 3);
    let start = fields.next()?.parse().ok().filter(|&start| start != 0)?;
    let end = fields.next()?.parse().ok()?;
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_where_the_kernel_says() {
        let fields: Vec<String> = (3..=52).map(|n| n.to_string()).collect();
        let stat = format!("1 (a b) c) {}", fields.join(" "));
        assert_eq!(range(&stat), Some((48, 49)));
        assert_eq!(range("1 (x) R 1"), None);
        assert_eq!(range(&stat.replace(" 48 ", " 0 ")), None, "hidden from this process");
    }
}
