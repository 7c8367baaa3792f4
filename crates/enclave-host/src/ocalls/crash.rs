//! A backtrace with names of a program that crashed in a debug enclave.
//!
//! The enclave sends registers, stack and what was mapped where; names and unwind tables come from the files on the
//! host. Where a file has no table, the chain of frame pointers is followed. The result is for people: files may have
//! changed, and a program may have overwritten its stack.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use enclave_abi::bytes::u64_at;
use enclave_abi::crash::{Crash, Mapping, RBP, REGISTERS, RIP, RSP};
use gimli::{
    BaseAddresses, CfaRule, EhFrame, EndianSlice, LittleEndian, Register, RegisterRule,
    UnwindContext, UnwindSection as _, X86_64,
};
use object::{Object as _, ObjectSection as _, ObjectSegment as _, ObjectSymbol as _, SymbolKind};

use super::Session;
use super::buffer::SharedBuffer;
use crate::platform::Errno;

/// Most frames that are shown.
const FRAMES: usize = 64;
/// Largest file that is read for its names.
const FILE_MAX: u64 = 1 << 30;

/// `Ocall::Crash`: `args[0]` the encoded crash, `args[1]` its length.
pub(super) fn crash(session: &Session, buffer: &SharedBuffer, args: &[u64; 6]) -> i64 {
    let bytes = buffer.read(args[0], args[1]);
    let Some(crash) = bytes.and_then(|bytes| Crash::from_bytes(&bytes)) else {
        return Errno::EINVAL.result();
    };
    for (number, line) in backtrace(&crash).iter().enumerate() {
        (session.log)(2, &super::serve::printable(format!("  #{number} {line}").as_bytes()));
    }
    0
}

/// The frames, innermost first.
fn backtrace(crash: &Crash) -> Vec<String> {
    let files = Files::of(crash);
    let mut frame = crash.registers;
    let mut lines = Vec::new();
    while lines.len() < FRAMES && frame[RIP] != 0 {
        // A return address belongs to the call before it.
        let address = frame[RIP] - u64::from(!lines.is_empty());
        lines.push(files.describe(frame[RIP], address));
        let Some(caller) = files.caller(crash, &frame, address) else { break };
        frame = caller;
    }
    lines
}

/// The files a program had mapped, as far as they can be read.
struct Files<'a> {
    mappings: &'a [Mapping],
    contents: BTreeMap<&'a [u8], Vec<u8>>,
}

impl<'a> Files<'a> {
    fn of(crash: &'a Crash) -> Self {
        let read = |mapping: &'a Mapping| {
            let path = Path::new(OsStr::from_bytes(&mapping.path));
            let small = path.metadata().is_ok_and(|data| data.is_file() && data.len() <= FILE_MAX);
            let content = small.then(|| std::fs::read(path).ok())??;
            Some((mapping.path.as_slice(), content))
        };
        Self {
            mappings: &crash.mappings,
            contents: crash.mappings.iter().filter_map(read).collect(),
        }
    }

    /// The mapping of an address and the address in the file's own terms.
    fn locate(&self, address: u64) -> Option<(&'a Mapping, object::File<'_>, u64)> {
        let mapping = self.mappings.iter().find(|m| (m.start..m.end).contains(&address))?;
        let file =
            object::File::parse(self.contents.get(mapping.path.as_slice())?.as_slice()).ok()?;
        let offset = address - mapping.start + mapping.offset;
        let in_segment = file.segments().find_map(|segment| {
            let (start, len) = segment.file_range();
            let within = offset.checked_sub(start).filter(|&within| within < len)?;
            segment.address().checked_add(within)
        })?;
        Some((mapping, file, in_segment))
    }

    fn describe(&self, shown: u64, address: u64) -> String {
        let Some((mapping, file, own)) = self.locate(address) else {
            return format!("{shown:#x}");
        };
        let path = String::from_utf8_lossy(&mapping.path);
        match symbol(&file, own) {
            Some((name, into)) => format!("{shown:#x} {name}+{into:#x} in {path}"),
            None => format!("{shown:#x} in {path}+{own:#x}"),
        }
    }

    /// The registers of the calling frame.
    fn caller(
        &self,
        crash: &Crash,
        frame: &[u64; REGISTERS],
        address: u64,
    ) -> Option<[u64; REGISTERS]> {
        let by_table = || {
            let (_, file, own) = self.locate(address)?;
            unwind(&file, own, crash, frame)
        };
        let caller = by_table().or_else(|| by_frame_pointer(crash, frame))?;
        // Frames lie above each other; anything else is a loop.
        (caller[RSP] > frame[RSP]).then_some(caller)
    }
}

/// The function that an address of a file lies in, and how far into it.
fn symbol(file: &object::File<'_>, address: u64) -> Option<(String, u64)> {
    let functions = file.symbols().chain(file.dynamic_symbols()).filter(|symbol| {
        symbol.is_definition() && matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown)
    });
    let around = functions.filter(|symbol| {
        let within = address.checked_sub(symbol.address());
        within.is_some_and(|within| within < symbol.size().max(1))
    });
    let nearest = around.max_by_key(|symbol| symbol.address())?;
    Some((nearest.name().ok()?.to_owned(), address - nearest.address()))
}

/// One step by the file's table of call frame information.
fn unwind(
    file: &object::File<'_>,
    address: u64,
    crash: &Crash,
    frame: &[u64; REGISTERS],
) -> Option<[u64; REGISTERS]> {
    let section = file.section_by_name(".eh_frame")?;
    let data = section.data().ok()?;
    let text = file.section_by_name(".text").map_or(0, |text| text.address());
    let bases = BaseAddresses::default().set_eh_frame(section.address()).set_text(text);
    let table = EhFrame::from(EndianSlice::new(data, LittleEndian));
    let mut context = UnwindContext::new();
    let row = table
        .unwind_info_for_address(&bases, &mut context, address, |section, bases, offset| {
            section.cie_from_offset(bases, offset)
        })
        .ok()?;
    let value = |register: Register| frame.get(usize::from(register.0)).copied();
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => {
            value(*register)?.wrapping_add_signed(*offset)
        }
        CfaRule::Expression(_) => return None,
    };
    let mut caller = *frame;
    for (number, slot) in caller.iter_mut().enumerate() {
        let register = Register(u16::try_from(number).ok()?);
        match row.register(register) {
            RegisterRule::Offset(offset) => {
                *slot = on_stack(crash, cfa.wrapping_add_signed(offset))?
            }
            RegisterRule::ValOffset(offset) => *slot = cfa.wrapping_add_signed(offset),
            RegisterRule::Register(other) => *slot = value(other)?,
            // The outermost function says that nobody called it.
            RegisterRule::Undefined if register == X86_64::RA => return None,
            _ => {}
        }
    }
    caller[RSP] = cfa;
    Some(caller)
}

/// One step by the chain that functions compiled with frame pointers leave.
fn by_frame_pointer(crash: &Crash, frame: &[u64; REGISTERS]) -> Option<[u64; REGISTERS]> {
    let mut caller = *frame;
    caller[RIP] = on_stack(crash, frame[RBP].checked_add(8)?)?;
    caller[RBP] = on_stack(crash, frame[RBP])?;
    caller[RSP] = frame[RBP].checked_add(16)?;
    Some(caller)
}

fn on_stack(crash: &Crash, address: u64) -> Option<u64> {
    u64_at(&crash.stack, usize::try_from(address.checked_sub(crash.stack_at)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stacks of functions that keep a frame pointer, of a program that is not on this machine.
    #[test]
    fn frame_pointers_are_followed_where_there_is_no_table() {
        let mut stack = vec![0; 0x60];
        let mut put = |at: usize, word: u64| stack[at..at + 8].copy_from_slice(&word.to_le_bytes());
        put(0x10, 0x1040);
        put(0x18, 0x40_2000);
        put(0x40, 0);
        put(0x48, 0x40_3000);
        let mut registers = [0; REGISTERS];
        (registers[RSP], registers[RBP], registers[RIP]) = (0x1000, 0x1010, 0x40_1000);
        let crash = Crash { registers, stack_at: 0x1000, stack, mappings: Vec::new() };
        assert_eq!(backtrace(&crash), ["0x401000", "0x402000", "0x403000"]);
    }

    /// This test's own frames, by its own file: what is known to be there must be found.
    #[test]
    fn names_and_tables_of_a_file_are_used() {
        let path = std::env::current_exe().unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let own = backtrace_marker as *const () as usize as u64;
        let mapping = maps.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let (start, end) = words.next()?.split_once('-')?;
            let (start, end) =
                (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
            let offset = u64::from_str_radix(words.nth(1)?, 16).ok()?;
            let path = path.as_os_str().as_bytes().to_vec();
            (start..end).contains(&own).then_some(Mapping { start, end, offset, path })
        });
        let mut registers = [0; REGISTERS];
        (registers[RIP], registers[RSP]) = (own, 0x1000);
        // At its first instruction a function's caller is the word at RSP.
        let stack = [own + 1, 0, 0].map(u64::to_le_bytes).concat();
        let crash = Crash { registers, stack_at: 0x1000, stack, mappings: vec![mapping.unwrap()] };
        let lines = backtrace(&crash);
        assert!(lines[0].contains("backtrace_marker"), "{lines:?}");
        assert!(lines[1].contains("backtrace_marker"), "{lines:?}");
    }

    #[inline(never)]
    extern "C" fn backtrace_marker() {
        std::hint::black_box(());
    }
}
