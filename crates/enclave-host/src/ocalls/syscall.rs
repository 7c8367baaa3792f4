//! Linux system calls on behalf of the enclave: only those of the ABI's table, and only with memory
//! that lies in the thread's shared buffer.

use enclave_abi::ocall::HostCall;

use super::buffer::SharedBuffer;
use crate::platform::Errno;

/// Longest path with its NUL.
const PATH_MAX: u64 = 4096;
/// Largest structure that an `ioctl(2)` or `fcntl(2)` of the lists below reads or writes.
const STRUCTURE_MAX: u64 = 64;

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arg {
    /// A number.
    Number,
    /// Memory of as many bytes as this other argument says.
    Bytes(usize),
    /// An array of as many elements as this other argument says, each of this many bytes.
    Array(usize, u64),
    /// A structure of this many bytes.
    Structure(u64),
    /// The same, or null.
    StructureOrNull(u64),
    /// A NUL-terminated path.
    Path,
    /// The same, or null.
    PathOrNull,
    /// Memory whose length stands where this other argument points to, which is written back; both
    /// or neither are null.
    Out(usize),
    /// The pointer to such a length.
    OutLen,
    /// The third argument of `ioctl(2)`.
    Ioctl,
    /// The third argument of `fcntl(2)`.
    Fcntl,
}

use Arg::{
    Array, Bytes, Fcntl, Ioctl, Number, Out, OutLen, Path, PathOrNull, Structure, StructureOrNull,
};

/// Arguments of each host call; those that are not listed are numbers.
pub(super) fn arguments(name: &str) -> Option<&'static [Arg]> {
    Some(match name {
        "read" | "write" | "pread64" | "pwrite64" | "getdents64" | "connect" | "bind" => {
            &[Number, Bytes(2), Number]
        }
        "close" | "eventfd2" | "socket" | "shutdown" | "listen" | "fsync" | "fdatasync"
        | "ftruncate" | "fchmod" => &[],
        "poll" => &[Array(1, 8)],
        "ioctl" => &[Number, Number, Ioctl],
        "fcntl" => &[Number, Number, Fcntl],
        "sendto" => &[Number, Bytes(2), Number, Number, Bytes(5)],
        "recvfrom" => &[Number, Bytes(2), Number, Number, Out(5), OutLen],
        "getsockname" | "getpeername" | "accept4" => &[Number, Out(2), OutLen],
        "setsockopt" => &[Number, Number, Number, Bytes(4)],
        "getsockopt" => &[Number, Number, Number, Out(4), OutLen],
        "clock_gettime" => &[Number, Structure(16)],
        "clock_nanosleep" => &[Number, Number, Structure(16), StructureOrNull(16)],
        "openat" | "mkdirat" | "mknodat" | "unlinkat" | "fchmodat" => &[Number, Path],
        "newfstatat" => &[Number, Path, Structure(144)],
        "symlinkat" => &[Path, Number, Path],
        "linkat" | "renameat2" => &[Number, Path, Number, Path],
        "readlinkat" => &[Number, Path, Bytes(3)],
        "utimensat" => &[Number, PathOrNull, StructureOrNull(32)],
        "statx" => &[Number, Path, Number, Number, Structure(256)],
        _ => return None,
    })
}

/// A system call that touches no memory but the shared buffer's.
#[derive(Debug)]
pub(super) struct Checked {
    call: &'static HostCall,
    args: [u64; 6],
    /// Where the enclave keeps a length, and the copy that the kernel gets: one that only this thread
    /// can write, so that it stays the checked one.
    out_len: Option<(u64, Box<u32>)>,
}

impl Checked {
    /// Checks what an enclave asks for.
    pub(super) fn new(buffer: &SharedBuffer, number: u64, asked: &[u64; 6]) -> Result<Self, Errno> {
        let call = HostCall::by_number(number).ok_or(Errno::ENOSYS)?;
        let kinds = arguments(call.name).ok_or(Errno::ENOSYS)?;
        let mut checked = Self { call, args: *asked, out_len: None };
        for (index, kind) in kinds.iter().enumerate() {
            check(buffer, kind, asked, index)?;
            if let Out(at) = *kind {
                let pointer = asked[at];
                if pointer != 0 {
                    let len = Box::new(buffer.u32(pointer).ok_or(Errno::EFAULT)?);
                    checked.args[at] = std::ptr::from_ref(&*len).expose_provenance() as u64;
                    checked.out_len = Some((pointer, len));
                }
            }
        }
        Ok(checked)
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn args(&self) -> [u64; 6] {
        self.args
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn out_len(&self) -> Option<u32> {
        self.out_len.as_ref().map(|(_, len)| **len)
    }
}

/// Makes the system call with this number.
pub(super) fn syscall(buffer: &SharedBuffer, number: u64, asked: &[u64; 6]) -> Result<u64, Errno> {
    let Checked { call, args, out_len } = Checked::new(buffer, number, asked)?;
    let mut result = raw(call.number, &args);
    // A kick that comes during a call that does not wait is for the next one.
    while result == Err(Errno::EINTR) && !waits(call.name) {
        result = raw(call.number, &args);
    }
    if let (Ok(_), Some((pointer, len))) = (&result, &out_len) {
        // SAFETY: the box is live; the kernel wrote it behind the compiler's back.
        let len = unsafe { std::ptr::from_ref(&**len).read_volatile() };
        buffer.write(*pointer, &len.to_le_bytes()).ok_or(Errno::EFAULT)?;
    }
    result
}

/// Whether a call may wait for long, and so may end with EINTR.
pub(super) fn waits(name: &str) -> bool {
    matches!(
        name,
        "read"
            | "write"
            | "poll"
            | "sendto"
            | "recvfrom"
            | "connect"
            | "accept4"
            | "fcntl"
            | "openat"
            | "clock_nanosleep"
    )
}

fn check(buffer: &SharedBuffer, kind: &Arg, args: &[u64; 6], index: usize) -> Result<(), Errno> {
    let address = args[index];
    let range = |len: u64| match len == 0 || buffer.holds(address, len) {
        true => Ok(()),
        false => Err(Errno::EFAULT),
    };
    match *kind {
        Number => Ok(()),
        Bytes(len) => range(args[len]),
        Array(count, size) => range(args[count].checked_mul(size).ok_or(Errno::EFAULT)?),
        StructureOrNull(_) | PathOrNull if address == 0 => Ok(()),
        Structure(len) | StructureOrNull(len) => range(len),
        Path | PathOrNull => path(buffer, address),
        Out(at) => match (address, args[at]) {
            (0, 0) => Ok(()),
            (_, pointer) => range(u64::from(buffer.u32(pointer).ok_or(Errno::EFAULT)?)),
        },
        OutLen if address == 0 => Ok(()),
        OutLen => range(4),
        Ioctl if ioctl_takes_number(args[1]) => Ok(()),
        Ioctl if ioctl_is_known(args[1]) => range(STRUCTURE_MAX),
        Ioctl => Err(Errno::new(libc::ENOTTY)),
        Fcntl if fcntl_takes_structure(args[1]) => range(STRUCTURE_MAX),
        Fcntl => Ok(()),
    }
}

fn path(buffer: &SharedBuffer, address: u64) -> Result<(), Errno> {
    let room = buffer.room(address, PATH_MAX).ok_or(Errno::EFAULT)?;
    let terminated = buffer.read(address, room).ok_or(Errno::EFAULT)?.contains(&0);
    if terminated { Ok(()) } else { Err(Errno::new(libc::ENAMETOOLONG)) }
}

/// `ioctl(2)` requests whose argument is a structure of at most 64 bytes. What is not listed could
/// make the kernel write anywhere, so it is refused.
fn ioctl_is_known(request: u64) -> bool {
    /// From `asm-generic/sockios.h`.
    const SIOCATMARK: u64 = 0x8905;
    const KNOWN: [u64; 14] = [
        libc::TCGETS,
        libc::TCSETS,
        libc::TCSETSW,
        libc::TCSETSF,
        libc::TIOCGWINSZ,
        libc::TIOCSWINSZ,
        libc::TIOCGPGRP,
        libc::TIOCSPGRP,
        libc::TIOCGSID,
        libc::TIOCOUTQ,
        libc::FIONREAD,
        libc::FIONBIO,
        libc::FIOASYNC,
        SIOCATMARK,
    ];
    KNOWN.contains(&request)
}

/// `ioctl(2)` requests whose argument is a number or nothing.
fn ioctl_takes_number(request: u64) -> bool {
    [libc::FIOCLEX, libc::FIONCLEX, libc::TCSBRK, libc::TCXONC, libc::TCFLSH, libc::TIOCNOTTY]
        .contains(&request)
}

/// `fcntl(2)` commands whose argument is a structure.
fn fcntl_takes_structure(command: u64) -> bool {
    // From `asm-generic/fcntl.h` and `linux/fcntl.h`; crate libc lacks them.
    const F_SETOWN_EX: i32 = 15;
    const F_GETOWN_EX: i32 = 16;
    const F_GET_RW_HINT: i32 = 1035;
    const F_SET_RW_HINT: i32 = 1036;
    const F_GET_FILE_RW_HINT: i32 = 1037;
    const F_SET_FILE_RW_HINT: i32 = 1038;
    let known = [
        libc::F_GETLK,
        libc::F_SETLK,
        libc::F_SETLKW,
        libc::F_OFD_GETLK,
        libc::F_OFD_SETLK,
        libc::F_OFD_SETLKW,
        F_SETOWN_EX,
        F_GETOWN_EX,
        F_GET_RW_HINT,
        F_SET_RW_HINT,
        F_GET_FILE_RW_HINT,
        F_SET_FILE_RW_HINT,
    ];
    // The kernel takes the command's low 32 bits.
    known.iter().any(|&known| u64::from(known.unsigned_abs()) == command & 0xffff_ffff)
}

fn raw(number: u64, args: &[u64; 6]) -> Result<u64, Errno> {
    let [a, b, c, d, e, f] = *args;
    let number = libc::c_long::try_from(number).map_err(|_| Errno::ENOSYS)?;
    // SAFETY: `check` has seen to it that the call reads and writes memory of the shared buffer
    // only, which is no Rust object, and the length word that `syscall` owns.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == -1 { Err(Errno::last()) } else { Ok(result.cast_unsigned()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_sign_loss, reason = "AT_FDCWD is passed as the kernel takes it")]
    use enclave_abi::ocall::{self, HOST_CALLS};

    use super::*;

    fn call(buffer: &SharedBuffer, call: HostCall, args: &[u64]) -> Result<u64, Errno> {
        let mut six = [0; 6];
        six[..args.len()].copy_from_slice(args);
        syscall(buffer, call.number, &six)
    }

    #[test]
    fn every_host_call_has_its_arguments_described() {
        for call in HOST_CALLS {
            assert!(arguments(call.name).is_some(), "{}", call.name);
        }
    }

    #[test]
    fn a_call_outside_the_table_is_not_made() {
        let buffer = SharedBuffer::new();
        let getpid = libc::SYS_getpid.cast_unsigned();
        assert_eq!(syscall(&buffer, getpid, &[0; 6]), Err(Errno::ENOSYS));
    }

    #[test]
    fn memory_outside_the_buffer_is_never_handed_to_the_kernel() {
        let buffer = SharedBuffer::new();
        let at = buffer.address();
        let mut outside = [0u8; 64];
        let outside = outside.as_mut_ptr().expose_provenance() as u64;
        let zero = {
            buffer.write(at + 200, b"/dev/zero\0").unwrap();
            let cwd = libc::AT_FDCWD as u64;
            call(&buffer, ocall::OPENAT, &[cwd, at + 200, 0, 0]).unwrap()
        };
        assert_eq!(call(&buffer, ocall::READ, &[zero, outside, 64]), Err(Errno::EFAULT));
        assert_eq!(call(&buffer, ocall::READ, &[zero, at + 200, 4]), Ok(4));
        assert_eq!(buffer.read(at + 200, 5).unwrap(), b"\0\0\0\0/");
        let long = [zero, at + 200, u64::MAX];
        assert_eq!(call(&buffer, ocall::READ, &long), Err(Errno::EFAULT));
        assert_eq!(call(&buffer, ocall::STATX, &[zero, outside]), Err(Errno::EFAULT));
        let gettime = [libc::CLOCK_REALTIME as u64, outside];
        assert_eq!(call(&buffer, ocall::CLOCK_GETTIME, &gettime), Err(Errno::EFAULT));
        let polls = [at + 128, u64::MAX / 4, 0];
        assert_eq!(call(&buffer, ocall::POLL, &polls), Err(Errno::EFAULT));
        assert_eq!(call(&buffer, ocall::CLOSE, &[zero]), Ok(0));
    }

    #[test]
    fn a_path_must_end_inside_the_buffer() {
        let buffer = SharedBuffer::new();
        let end = buffer.address() + super::super::buffer::LEN as u64;
        buffer.write(end - 4, b"/tmp").unwrap();
        let error = call(&buffer, ocall::OPENAT, &[0, end - 4, 0, 0]);
        assert_eq!(error, Err(Errno::new(libc::ENAMETOOLONG)));
    }

    #[test]
    fn lengths_that_the_kernel_writes_come_back() {
        let buffer = SharedBuffer::new();
        let at = buffer.address() + 256;
        let socket = call(&buffer, ocall::SOCKET, &[1, 1, 0]).unwrap();
        buffer.write(at, &128u32.to_le_bytes()).unwrap();
        assert_eq!(call(&buffer, ocall::GETSOCKNAME, &[socket, at + 8, at]), Ok(0));
        assert_eq!(buffer.u32(at), Some(2), "the family alone");
        assert_eq!(buffer.read(at + 8, 2).unwrap(), 1u16.to_le_bytes());
        buffer.write(at, &u32::MAX.to_le_bytes()).unwrap();
        let error = call(&buffer, ocall::GETSOCKNAME, &[socket, at + 8, at]);
        assert_eq!(error, Err(Errno::EFAULT));
        call(&buffer, ocall::CLOSE, &[socket]).unwrap();
    }

    #[test]
    fn only_listed_device_requests_are_made() {
        let buffer = SharedBuffer::new();
        let at = buffer.address() + 256;
        // SIOCGIFCONF makes the kernel write through a pointer inside the structure.
        let error = call(&buffer, ocall::IOCTL, &[0, 0x8912, at]);
        assert_eq!(error, Err(Errno::new(libc::ENOTTY)));
        let outside = call(&buffer, ocall::IOCTL, &[0, libc::TCGETS, 4096]);
        assert_eq!(outside, Err(Errno::EFAULT));
        let lock = call(&buffer, ocall::FCNTL, &[0, libc::F_GETLK as u64 | 1 << 32, 4096]);
        assert_eq!(lock, Err(Errno::EFAULT));
    }
}
