//! Files of the host, by path and by descriptor.

use alloc::vec::Vec;

use enclave_abi::ocall;
use enclave_rt::host::Request;

use super::{HostFd, IO_MAX, fd_arg, new_fd};
use crate::{
    errno::{Errno, Result},
    linux::{
        fcntl::{AT_FDCWD, AT_SYMLINK_NOFOLLOW, NAME_MAX, O_CLOEXEC, PATH_MAX},
        stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK, STAT_SIZE, Stat},
        time::Timespec,
        u16_at, u64_at,
    },
    log,
    rt::host_errno,
};

/// Largest file size that is believed: the kernel's own limit.
const SIZE_MAX: u64 = 1 << 62;

fn with_nul(path: &[u8]) -> Vec<u8> {
    let mut out = path.to_vec();
    out.push(0);
    out
}

fn at_cwd() -> u64 {
    fd_arg(AT_FDCWD)
}

/// `openat(2)`.
pub(crate) fn open(path: &[u8], flags: u32, mode: u32) -> Result<HostFd> {
    let reply = Request::syscall(ocall::OPENAT)
        .value(at_cwd())
        .input(&with_nul(path))
        .value(u64::from(flags | O_CLOEXEC))
        .value(u64::from(mode))
        .send()
        .map_err(host_errno)?;
    new_fd(reply.value)
}

/// `read(2)`.
pub(crate) fn read(fd: i32, buffer: &mut [u8]) -> Result<usize> {
    let n = buffer.len().min(IO_MAX);
    let reply = Request::syscall(ocall::READ)
        .value(fd_arg(fd))
        .output(n)
        .value(n as u64)
        .send()
        .map_err(host_errno)?;
    let got = usize::try_from(reply.value).unwrap_or(0);
    reply.copy_out(1, &mut buffer[..got]);
    Ok(got)
}

/// `pread64(2)`.
pub(crate) fn read_at(fd: i32, buffer: &mut [u8], offset: u64) -> Result<usize> {
    let n = buffer.len().min(IO_MAX);
    let reply = Request::syscall(ocall::PREAD64)
        .value(fd_arg(fd))
        .output(n)
        .value(n as u64)
        .value(offset)
        .send()
        .map_err(host_errno)?;
    let got = usize::try_from(reply.value).unwrap_or(0);
    reply.copy_out(1, &mut buffer[..got]);
    Ok(got)
}

/// `write(2)`.
pub(crate) fn write(fd: i32, buffer: &[u8]) -> Result<usize> {
    let n = buffer.len().min(IO_MAX);
    let reply = Request::syscall(ocall::WRITE)
        .value(fd_arg(fd))
        .input(&buffer[..n])
        .value(n as u64)
        .send()
        .map_err(host_errno)?;
    Ok(usize::try_from(reply.value).unwrap_or(0))
}

/// `pwrite64(2)`.
pub(crate) fn write_at(fd: i32, buffer: &[u8], offset: u64) -> Result<usize> {
    let n = buffer.len().min(IO_MAX);
    let reply = Request::syscall(ocall::PWRITE64)
        .value(fd_arg(fd))
        .input(&buffer[..n])
        .value(n as u64)
        .value(offset)
        .send()
        .map_err(host_errno)?;
    Ok(usize::try_from(reply.value).unwrap_or(0))
}

/// `newfstatat(2)` on a path, not following a last symbolic link.
pub(crate) fn stat(path: &[u8]) -> Result<Stat> {
    stat_at(at_cwd(), path, AT_SYMLINK_NOFOLLOW)
}

/// `fstat(2)`.
pub(crate) fn stat_fd(fd: i32) -> Result<Stat> {
    stat_at(fd_arg(fd), b"", crate::linux::fcntl::AT_EMPTY_PATH)
}

fn stat_at(dirfd: u64, path: &[u8], flags: u64) -> Result<Stat> {
    let reply = Request::syscall(ocall::NEWFSTATAT)
        .value(dirfd)
        .input(&with_nul(path))
        .output(STAT_SIZE)
        .value(flags)
        .send()
        .map_err(host_errno)?;
    let told = reply.output::<STAT_SIZE>(2).check(|bytes| {
        let known = [S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK];
        let stat = Stat::from_stat(&bytes)?;
        (stat.size <= SIZE_MAX && known.contains(&stat.file_type())).then_some(stat)
    });
    told.ok_or_else(|| {
        log::implausible("newfstatat", "a size or type no file has");
        Errno::EIO
    })
}

/// `readlinkat(2)`.
pub(crate) fn readlink(path: &[u8]) -> Result<Vec<u8>> {
    let reply = Request::syscall(ocall::READLINKAT)
        .value(at_cwd())
        .input(&with_nul(path))
        .output(PATH_MAX)
        .value(PATH_MAX as u64)
        .send()
        .map_err(host_errno)?;
    let target = reply.output_bytes(2, usize::try_from(reply.value).unwrap_or(0));
    target
        .check(|target| (!target.is_empty() && !target.contains(&0)).then_some(target))
        .ok_or_else(|| {
            log::implausible("readlinkat", "an empty target or a NUL in it");
            Errno::EIO
        })
}

/// `mkdirat(2)`.
pub(crate) fn mkdir(path: &[u8], mode: u32) -> Result<()> {
    let request = Request::syscall(ocall::MKDIRAT).value(at_cwd()).input(&with_nul(path));
    request.value(u64::from(mode)).send().map_err(host_errno).map(drop)
}

/// `mknodat(2)`, of a FIFO or a socket's name: `mode` says which.
pub(crate) fn mknod(path: &[u8], mode: u32) -> Result<()> {
    let request = Request::syscall(ocall::MKNODAT).value(at_cwd()).input(&with_nul(path));
    request.value(u64::from(mode)).value(0).send().map_err(host_errno).map(drop)
}

/// `unlinkat(2)`; `flags` 0 or `AT_REMOVEDIR`.
pub(crate) fn unlink(path: &[u8], flags: u64) -> Result<()> {
    let request = Request::syscall(ocall::UNLINKAT).value(at_cwd()).input(&with_nul(path));
    request.value(flags).send().map_err(host_errno).map(drop)
}

/// `symlinkat(2)`.
pub(crate) fn symlink(target: &[u8], path: &[u8]) -> Result<()> {
    let request = Request::syscall(ocall::SYMLINKAT).input(&with_nul(target)).value(at_cwd());
    request.input(&with_nul(path)).send().map_err(host_errno).map(drop)
}

/// `linkat(2)`, not following.
pub(crate) fn link(old: &[u8], new: &[u8]) -> Result<()> {
    let request = Request::syscall(ocall::LINKAT).value(at_cwd()).input(&with_nul(old));
    let request = request.value(at_cwd()).input(&with_nul(new)).value(0);
    request.send().map_err(host_errno).map(drop)
}

/// `renameat2(2)`.
pub(crate) fn rename(old: &[u8], new: &[u8], flags: u64) -> Result<()> {
    let request = Request::syscall(ocall::RENAMEAT2).value(at_cwd()).input(&with_nul(old));
    let request = request.value(at_cwd()).input(&with_nul(new)).value(flags);
    request.send().map_err(host_errno).map(drop)
}

/// `fchmodat(2)`.
pub(crate) fn chmod(path: &[u8], mode: u32) -> Result<()> {
    let request = Request::syscall(ocall::FCHMODAT).value(at_cwd()).input(&with_nul(path));
    request.value(u64::from(mode)).value(0).send().map_err(host_errno).map(drop)
}

/// `utimensat(2)`, not following.
pub(crate) fn set_times(path: &[u8], atime: Timespec, mtime: Timespec) -> Result<()> {
    let mut times = atime.to_bytes().to_vec();
    times.extend_from_slice(&mtime.to_bytes());
    let request = Request::syscall(ocall::UTIMENSAT).value(at_cwd()).input(&with_nul(path));
    let request = request.input(&times).value(AT_SYMLINK_NOFOLLOW);
    request.send().map_err(host_errno).map(drop)
}

/// `ftruncate(2)`.
pub(crate) fn truncate(fd: i32, length: u64) -> Result<()> {
    let request = Request::syscall(ocall::FTRUNCATE).value(fd_arg(fd)).value(length);
    request.send().map_err(host_errno).map(drop)
}

/// `fsync(2)`.
pub(crate) fn sync(fd: i32) -> Result<()> {
    Request::syscall(ocall::FSYNC).value(fd_arg(fd)).send().map_err(host_errno).map(drop)
}

/// An entry of a host directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) ino: u64,
    pub(crate) kind: u8,
    pub(crate) name: Vec<u8>,
}

/// All entries of an open host directory.
pub(crate) fn entries(fd: i32) -> Result<Vec<Entry>> {
    let mut all = Vec::new();
    loop {
        let reply = Request::syscall(ocall::GETDENTS64)
            .value(fd_arg(fd))
            .output(IO_MAX)
            .value(IO_MAX as u64)
            .send()
            .map_err(host_errno)?;
        if reply.value == 0 {
            return Ok(all);
        }
        let told = reply.output_bytes(1, usize::try_from(reply.value).unwrap_or(0));
        all.extend(told.check(|bytes| parse_entries(&bytes)).ok_or_else(|| {
            log::implausible("getdents64", "a malformed entry");
            Errno::EIO
        })?);
        if all.len() > 1 << 20 {
            log::implausible("getdents64", "more than a million entries");
            return Err(Errno::EIO);
        }
    }
}

/// Decodes `struct linux_dirent64` records; `None` when one is malformed.
fn parse_entries(mut bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16_at(bytes, 16)?);
        let record = bytes.get(..length).filter(|r| r.len() > 19)?;
        let name = record.get(19..)?.split(|&b| b == 0).next()?;
        if name.is_empty() || name.len() > NAME_MAX || name.contains(&b'/') {
            return None;
        }
        entries.push(Entry { ino: u64_at(record, 0)?, kind: record[18], name: name.to_vec() });
        bytes = bytes.get(length..)?;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &[u8], length: u16) -> Vec<u8> {
        let mut out = 7u64.to_le_bytes().to_vec();
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&length.to_le_bytes());
        out.push(8);
        out.extend_from_slice(name);
        out.resize(usize::from(length).max(20), 0);
        out
    }

    #[test]
    fn directory_records_decode() {
        let mut bytes = record(b"a\0", 24);
        bytes.extend(record(b"bc\0", 24));
        let names: Vec<_> = parse_entries(&bytes).unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, [b"a".to_vec(), b"bc".to_vec()]);
    }

    #[test]
    fn malformed_directory_records_are_refused() {
        for bad in
            [record(b"a\0", 0), record(b"a\0", 60000), record(b"\0", 24), record(b"a/b\0", 24)]
        {
            let mut bytes = bad;
            bytes.truncate(24);
            assert_eq!(parse_entries(&bytes), None);
        }
    }
}
