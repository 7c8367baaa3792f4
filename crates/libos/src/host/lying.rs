//! A lying host at every call: whatever it answers, the library OS reports an error or goes on safely.
//!
//! [`LIES`] has a row for each ocall and each host system call; a call without one fails the test below.

use std::collections::BTreeSet;

use enclave_abi::ocall::{self, HOST_CALLS, HostCall, Ocall};
use enclave_rt::{
    host::{self as rt_host, Request},
    testing::Call,
};

use super::{PollFd, file, socket};
use crate::{
    cpuid,
    errno::Errno,
    fs::{file::OpenFile, path},
    linux::{fcntl::O_RDONLY, stat::STAT_SIZE, time::Timespec},
    testing,
};

/// Result words that no call of the table may have: above what fits, and errors that are none.
const NONSENSE: [i64; 4] = [i64::MIN, -4096, 1 << 40, i64::MAX];

/// Runs `ask` against a host that answers every call with each of the `NONSENSE` words, and against one that
/// answers with `lie`; all must fail with EIO and leave a line in the log.
fn all_eio<T: std::fmt::Debug>(
    ask: impl Fn() -> Result<T, Errno>,
    lie: impl FnMut(&mut Call<'_>) -> i64 + Send + 'static,
) {
    let fails = |machine: &enclave_rt::testing::Machine| {
        assert_eq!(ask().map(|_| ()), Err(Errno::EIO));
        // A line is logged once for all tests of the process.
        let told = machine.log_lines();
        assert!(told.iter().all(|line| line.contains("treated as EIO")), "{told:?}");
    };
    for word in NONSENSE {
        fails(&testing::host(move |_| word));
    }
    fails(&testing::host(lie));
}

/// A result word that a call with `Answer::Zero` or `Answer::Fd` may not have.
fn wrong(_call: &mut Call<'_>) -> i64 {
    1 << 21
}

/// One byte more than there was room for.
fn longer(call: &mut Call<'_>) -> i64 {
    call.args[2].cast_signed() + 1
}

/// A call that the library OS does not make, or whose answer it does not use: the judgement alone.
fn judged(call: HostCall) {
    let impossible: &[i64] = match call.answer {
        // Every value means something to somebody; an errno out of range does not.
        ocall::Answer::Checked => &[i64::MIN, -4096],
        _ => &NONSENSE,
    };
    for &word in impossible {
        let _machine = testing::host(move |_| word);
        let answer = Request::syscall(call).value(3).value(0).value(0).value(0).send();
        assert_eq!(answer.map(drop), Err(rt_host::Error::Lie(call.name)), "{word:#x}");
    }
}

/// The same for an ocall.
fn refused(ocall: Ocall) {
    for word in [i64::MIN, -4096, 1, i64::MAX] {
        let _machine = testing::host(move |_| word);
        let answer = Request::new(ocall).value(0).value(0).value(0).send();
        assert_eq!(answer.map(drop), Err(rt_host::Error::Lie(ocall.name())), "{word:#x}");
    }
}

/// Fills a structure argument with bytes and reports success.
fn filled(arg: usize, len: usize, byte: u8) -> impl FnMut(&mut Call<'_>) -> i64 + Send + 'static {
    move |call| {
        call.bytes(call.args[arg], len).fill(byte);
        0
    }
}

/// Reports success and a length of 200 bytes for an address or value.
fn too_long(arg: usize) -> impl FnMut(&mut Call<'_>) -> i64 + Send + 'static {
    move |call| {
        call.bytes(call.args[arg], 4).copy_from_slice(&200u32.to_le_bytes());
        0
    }
}

fn lying_clock(told: [u64; 2]) {
    let machine = testing::quiet();
    machine.set_host(move |call| {
        let out = call.bytes(call.args[1], 16);
        out[..8].copy_from_slice(&told[0].to_le_bytes());
        out[8..].copy_from_slice(&told[1].to_le_bytes());
        0
    });
    assert_eq!(super::clock(1), Err(Errno::EIO), "{told:?}");
}

fn clock_gettime() {
    lying_clock([1, 1_000_000_000]);
    lying_clock([u64::MAX, 0]);
    lying_clock([1 << 33, 0]);
    for word in NONSENSE {
        testing::quiet().set_host(move |_| word);
        assert_eq!(super::clock(1), Err(Errno::EIO));
    }
}

fn poll() {
    // More ready than asked, everything ready, and errors: only what was asked for is reported.
    let _machine = testing::host(|call| {
        let n = call.args[1];
        call.bytes(call.args[0], usize::try_from(n).unwrap() * 8).fill(0xff);
        n.cast_signed()
    });
    let mut fds =
        [PollFd { fd: 3, events: 1, revents: 0 }, PollFd { fd: 4, events: 0, revents: 0 }];
    super::poll(&mut fds, Some(9), Some(0));
    assert_eq!((fds[0].revents, fds[1].revents), (0x39, 0x38));
    assert_eq!((fds[0].fd, fds[1].fd), (3, 4), "descriptors are not the host's to change");
    for word in NONSENSE {
        let _machine = testing::host(move |_| word);
        let mut fds = [PollFd { fd: 3, events: 1, revents: 0 }];
        super::poll(&mut fds, Some(9), Some(0));
        assert_eq!(fds[0].revents, 0, "an impossible count means that nothing is ready");
    }
}

fn ioctl() {
    all_eio(|| socket::readable_bytes(3), filled(2, 4, 0xff));
}

fn cpuid() {
    for byte in [0, 0x55, 0xff] {
        let _machine = testing::host(filled(2, 16, byte));
        cpuid::assert_harmless();
    }
    for word in NONSENSE {
        let _machine = testing::host(move |_| word);
        cpuid::assert_harmless();
    }
    refused(Ocall::Cpuid);
}

fn read_quote() -> Result<usize, Errno> {
    let root = crate::fs::location::Location::root(crate::fs::attestation::directory());
    let at = path::resolve(&root, &root, b"/quote", path::Last::Follow)?;
    let file = at.inode().clone().open(O_RDONLY)?;
    OpenFile::new(file, None, O_RDONLY).read_at(&mut [0; 64], 0)
}

fn quote_target() {
    refused(Ocall::QuoteTarget);
    // A TARGETINFO with reserved bits set.
    all_eio(read_quote, |call| match call.number {
        9 => filled(0, 512, 0xff)(call),
        _ => -38,
    });
}

fn quote() {
    let with = |length: i64| {
        all_eio(read_quote, move |call| match call.number {
            9 => 0,
            10 => {
                call.bytes(call.args[1], 2000).fill(0x55);
                length
            }
            _ => -38,
        });
    };
    with(1);
    with(i64::MAX);
    // Long enough, but about another enclave.
    with(2000);
}

fn park() {
    refused(Ocall::Park);
    // A host that never waits, or wakes for nothing: the condition decides.
    let waiter = crate::wait::Waiter::current();
    for word in [0, -4, -110, 1, i64::MIN] {
        let _machine = testing::host(move |_| word);
        waiter.park(Some(1));
    }
}

fn spawn_thread() {
    refused(Ocall::SpawnThread);
    let _machine = testing::host(|_| 1);
    assert!(enclave_rt::thread::spawn(1).is_err(), "a thread that may not have been started");
}

fn exit_process() {
    refused(Ocall::ExitProcess);
    // A host that returns from it is asked again, for ever: the enclave does not run on.
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let seen = std::sync::Arc::clone(&asked);
    std::thread::spawn(move || {
        let _machine = testing::host(move |_| {
            seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::thread::yield_now();
            0
        });
        rt_host::exit_process(0)
    });
    while asked.load(std::sync::atomic::Ordering::SeqCst) < 3 {
        std::thread::yield_now();
    }
}

fn log_line() {
    let _machine = testing::host(|_| i64::MIN);
    // Nothing depends on it.
    rt_host::log(rt_host::Level::Error, "text");
    refused_words(Ocall::Log);
}

/// The judgement of an ocall that the fake host does not see.
fn refused_words(ocall: Ocall) {
    for word in [i64::MIN, -4096, 1, i64::MAX] {
        assert_eq!(ocall.judge(&[0; 6], word), None, "{word:#x}");
    }
}

fn syscall() {
    // Every row of the table below is one; a number outside the table cannot be asked for.
    assert!(HostCall::by_number(39).is_none(), "getpid is not asked of the host");
}

/// What the host is asked, and a test that it lies there.
const LIES: &[(&str, fn())] = &[
    ("(system call)", syscall),
    ("(exit process)", exit_process),
    ("(spawn thread)", spawn_thread),
    ("(park)", park),
    ("(unpark)", || refused(Ocall::Unpark)),
    ("(restrict pages)", || refused(Ocall::RestrictPages)),
    ("(modify pages)", || refused(Ocall::ModifyPages)),
    ("(remove pages)", || refused(Ocall::RemovePages)),
    ("(quote target)", quote_target),
    ("(quote)", quote),
    ("(log)", log_line),
    ("(cpuid)", cpuid),
    ("(interrupt)", || {
        refused(Ocall::Interrupt);
        // A host that does not interrupt delays a signal, which it can do anyway.
        let _machine = testing::host(|_| i64::MIN);
        enclave_rt::thread::interrupt(1);
    }),
    ("(set alarm)", || refused(Ocall::SetAlarm)),
    ("(crash)", || refused(Ocall::Crash)),
    ("(stop process)", || refused(Ocall::StopProcess)),
    ("read", || all_eio(|| file::read(3, &mut [0; 16]), longer)),
    ("write", || all_eio(|| file::write(3, &[0; 16]), longer)),
    ("close", || judged(ocall::CLOSE)),
    ("poll", poll),
    ("ioctl", ioctl),
    ("pread64", || all_eio(|| file::read_at(3, &mut [0; 16], 0), longer)),
    ("pwrite64", || all_eio(|| file::write_at(3, &[0; 16], 0), longer)),
    ("sendto", || all_eio(|| socket::send(3, &[0; 8], 0, &[]), longer)),
    ("recvfrom", || all_eio(|| socket::receive(3, &mut [0; 8], 0), too_long(5))),
    ("socket", || all_eio(|| socket::socket(2, 1, 0), wrong)),
    ("connect", || all_eio(|| socket::connect(3, &[0; 16]), wrong)),
    ("shutdown", || all_eio(|| socket::shutdown(3, 1), wrong)),
    ("bind", || all_eio(|| socket::bind(3, &[0; 16]), wrong)),
    ("listen", || all_eio(|| socket::listen(3, 1), wrong)),
    ("getsockname", || all_eio(|| socket::local_address(3), too_long(2))),
    ("getpeername", || all_eio(|| socket::peer_address(3), too_long(2))),
    ("setsockopt", || all_eio(|| socket::set_option(3, 1, 2, &[0; 4]), wrong)),
    ("getsockopt", || all_eio(|| socket::option(3, 1, 2, 4), too_long(4))),
    ("fcntl", || judged(ocall::FCNTL)),
    ("fsync", || all_eio(|| file::sync(3), wrong)),
    ("fdatasync", || judged(ocall::FDATASYNC)),
    ("ftruncate", || all_eio(|| file::truncate(3, 0), wrong)),
    ("fchmod", || judged(ocall::FCHMOD)),
    ("getdents64", || {
        all_eio(
            || file::entries(3),
            |call| {
                call.bytes(call.args[1], 24).fill(0xee);
                24
            },
        );
    }),
    ("clock_gettime", clock_gettime),
    ("clock_nanosleep", || judged(ocall::CLOCK_NANOSLEEP)),
    ("openat", || all_eio(|| file::open(b"/x", 0, 0), wrong)),
    ("mkdirat", || all_eio(|| file::mkdir(b"/x", 0), wrong)),
    ("mknodat", || all_eio(|| file::mknod(b"/x", 0), wrong)),
    ("newfstatat", || all_eio(|| file::stat(b"/x"), filled(2, STAT_SIZE, 0xff))),
    ("unlinkat", || all_eio(|| file::unlink(b"/x", 0), wrong)),
    ("symlinkat", || all_eio(|| file::symlink(b"/x", b"/y"), wrong)),
    ("linkat", || all_eio(|| file::link(b"/x", b"/y"), wrong)),
    ("readlinkat", || {
        all_eio(
            || file::readlink(b"/x"),
            |call| {
                call.bytes(call.args[2], 3).copy_from_slice(b"a\0b");
                3
            },
        );
    }),
    ("fchmodat", || all_eio(|| file::chmod(b"/x", 0), wrong)),
    ("utimensat", || {
        all_eio(|| file::set_times(b"/x", Timespec::default(), Timespec::default()), wrong);
    }),
    ("accept4", || {
        all_eio(
            || socket::accept(3),
            |call| match call.detail {
                288 => {
                    call.bytes(call.args[2], 4).copy_from_slice(&200u32.to_le_bytes());
                    5
                }
                _ => 0,
            },
        );
    }),
    ("eventfd2", || all_eio(super::eventfd, wrong)),
    ("renameat2", || all_eio(|| file::rename(b"/x", b"/y", 0), wrong)),
    ("statx", || judged(ocall::STATX)),
];

#[test]
fn no_lie_of_the_host_is_believed() {
    for (name, lie) in LIES {
        eprintln!("lying at {name}");
        lie();
    }
}

#[test]
fn every_ocall_has_a_lying_host() {
    let known = Ocall::ALL.iter().map(|o| o.name()).chain(HOST_CALLS.iter().map(|c| c.name));
    let known: BTreeSet<&str> = known.collect();
    let tested: BTreeSet<&str> = LIES.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        known.difference(&tested).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "without a test"
    );
    assert_eq!(tested.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "not an ocall");
    assert_eq!(tested.len(), LIES.len(), "a row twice");
}
