//! Standard input, output and error of the host process, and its terminal.

use alloc::{string::String, sync::Arc};
use core::any::Any;

use enclave_abi::ocall;
use enclave_rt::host::Request;

use super::{file::File, inode::Inode};
use crate::{
    errno::{Errno, Result},
    host::{self, PollFd},
    linux::{
        poll::{POLLHUP, POLLIN},
        stat::{S_IFCHR, S_IFREG, Stat, makedev},
    },
    rt::host_errno,
    user::UserMem,
};

const TCGETS: u64 = 0x5401;
const TCSETS: u64 = 0x5402;
const TCSETSF: u64 = 0x5404;
const TIOCGPGRP: u64 = 0x540f;
const TIOCSPGRP: u64 = 0x5410;
const TIOCGWINSZ: u64 = 0x5413;
const TIOCSWINSZ: u64 = 0x5414;
const FIONREAD: u64 = 0x541b;
/// Size of the kernel's `struct termios`.
const TERMIOS_SIZE: usize = 36;

/// A stream that the host process was started with.
pub(crate) struct HostStream {
    fd: i32,
    seekable: bool,
}

impl HostStream {
    /// The host's descriptor 0, 1 or 2.
    pub(crate) fn standard(fd: i32) -> Arc<Self> {
        let seekable = host::file::stat_fd(fd).is_ok_and(|s| s.file_type() == S_IFREG);
        Arc::new(Self { fd, seekable })
    }

    /// Whether bytes or the end can be read without blocking.
    fn has_input(&self) -> bool {
        let mut fds = [PollFd { fd: self.fd, events: 1, revents: 0 }];
        host::poll(&mut fds, Some(-1), Some(0));
        u32::from(fds[0].revents) & (POLLIN | POLLHUP) != 0
    }

    fn ask(&self, user: UserMem<'_>, request: u64, argp: u64, size: usize) -> Result<u64> {
        let reply = Request::syscall(ocall::IOCTL)
            .value(host::fd_arg(self.fd))
            .value(request)
            .output(size)
            .send()
            .map_err(host_errno)?;
        // Any bytes will do: what the terminal is like is the host's word.
        user.write(argp, &reply.output_bytes(2, size).any_will_do())?;
        Ok(0)
    }

    fn tell(&self, user: UserMem<'_>, request: u64, argp: u64, size: usize) -> Result<u64> {
        let bytes = user.bytes(argp, size)?;
        let told = Request::syscall(ocall::IOCTL)
            .value(host::fd_arg(self.fd))
            .value(request)
            .input(&bytes)
            .send();
        told.map(|_| 0).map_err(host_errno)
    }
}

impl File for HostStream {
    fn stat(&self) -> Result<Stat> {
        host::file::stat_fd(self.fd)
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        if !self.seekable && !self.has_input() {
            return Err(Errno::EAGAIN);
        }
        host::file::read(self.fd, buffer)
    }

    fn write(&self, buffer: &[u8]) -> Result<usize> {
        host::file::write(self.fd, buffer)
    }

    fn ioctl(&self, user: UserMem<'_>, request: u64, argp: u64) -> Result<u64> {
        match request {
            TCGETS => self.ask(user, request, argp, TERMIOS_SIZE),
            TCSETS..=TCSETSF => self.tell(user, request, argp, TERMIOS_SIZE),
            TIOCGWINSZ => self.ask(user, request, argp, 8),
            TIOCSWINSZ => self.tell(user, request, argp, 8),
            FIONREAD => self.ask(user, request, argp, 4),
            // The program's process group is its own; on the host it is the foreground one.
            TIOCGPGRP => {
                user.write_u32(argp, crate::process::FIRST_PID)?;
                Ok(0)
            }
            TIOCSPGRP => Ok(0),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn host_fd(&self) -> Option<i32> {
        Some(self.fd)
    }

    fn label(&self) -> String {
        alloc::format!(
            "/dev/std{}",
            ["in", "out", "err"].get(usize::try_from(self.fd).unwrap_or(3)).unwrap_or(&"")
        )
    }
}

/// `/dev/tty`: the terminal, if the program has one.
pub(crate) struct Tty;

impl Inode for Tty {
    fn file_type(&self) -> u32 {
        S_IFCHR
    }

    fn stat(&self) -> Result<Stat> {
        let mode = S_IFCHR | 0o666;
        Ok(Stat {
            dev: super::dev::DEV,
            ino: 2,
            nlink: 1,
            mode,
            rdev: makedev(5, 0),
            ..Stat::default()
        })
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn File>> {
        let has_terminal = |fd: &i32| {
            let asked = Request::syscall(ocall::IOCTL).value(host::fd_arg(*fd)).value(TCGETS);
            asked.output(TERMIOS_SIZE).send().is_ok()
        };
        let fd = [0, 2, 1].into_iter().find(has_terminal).ok_or(Errno::ENXIO)?;
        Ok(HostStream::standard(fd))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
