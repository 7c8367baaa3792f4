//! `/proc`, as programs read it: processes, and what the machine looks like from inside.

use alloc::{format, string::String, sync::Arc, vec::Vec};

use super::{
    inode::Inode,
    location::Location,
    text::{Dynamic, MagicLink, Text},
    tmpfs::Tmpfs,
};
use crate::{
    errno::{Errno, Result},
    linux::time::NS,
    process::{self, Process, thread::Thread},
    system, time,
};

/// `st_dev` of `/proc`.
const DEV: u64 = 4;
/// `st_dev` of `/dev/shm`.
const SHM_DEV: u64 = 6;
/// Most bytes in `/dev/shm`.
const SHM_MAX: u64 = 256 << 20;
/// Ticks of a second in `/proc/*/stat`.
const CLK_TCK: u64 = 100;

type Member = (Vec<u8>, Arc<dyn Inode>);

fn file(name: &str, render: impl Fn() -> Result<String> + Send + Sync + 'static) -> Member {
    (name.as_bytes().to_vec(), Text::new(DEV, move || render().map(String::into_bytes)))
}

/// `/dev/shm`.
pub(crate) fn shared_memory() -> Arc<dyn Inode> {
    Tmpfs::limited(SHM_DEV, 0o1777, SHM_MAX)
}

/// `/proc`.
pub(crate) fn directory() -> Arc<dyn Inode> {
    let fixed: Vec<Member> = alloc::vec![
        file("cpuinfo", || Ok(cpuinfo())),
        file("meminfo", || Ok(meminfo())),
        file("uptime", || Ok(uptime())),
        file("version", || Ok(format!("Linux version {} (casemate)\n", crate::syscall::RELEASE))),
        file("loadavg", || Ok("0.00 0.00 0.00 1/1 2\n".into())),
        file("filesystems", || Ok("nodev\tproc\nnodev\ttmpfs\n".into())),
        file("mounts", || Ok(mounts())),
        file("stat", || Ok(stat())),
        (b"self".to_vec(), MagicLink::new(DEV, || Ok(format!("{}", own()?.pid).into_bytes()))),
        (b"thread-self".to_vec(), MagicLink::new(DEV, thread_self)),
        (b"sys".to_vec(), sysctl()),
    ];
    Dynamic::new(DEV, move || {
        let mut members = fixed.clone();
        for process in system::processes() {
            members.push((format!("{}", process.pid).into_bytes(), of_process(&process)));
        }
        members
    })
}

fn own() -> Result<Arc<Process>> {
    process::current().map(|thread| Arc::clone(&thread.process)).ok_or(Errno::ENOENT)
}

fn thread_self() -> Result<Vec<u8>> {
    let thread = process::current().ok_or(Errno::ENOENT)?;
    Ok(format!("{}/task/{}", thread.process.pid, thread.tid).into_bytes())
}

/// `/proc/sys`, the values programs ask for.
fn sysctl() -> Arc<dyn Inode> {
    let folder =
        |members: Vec<Member>| Dynamic::new(DEV, move || members.clone()) as Arc<dyn Inode>;
    let value = |name: &str, text: &'static str| file(name, move || Ok(text.into()));
    let kernel = folder(alloc::vec![
        file("hostname", || Ok(String::from_utf8_lossy(&system::hostname()).into_owned() + "\n")),
        value("osrelease", concat!("6.1.0", "\n")),
        value("ostype", "Linux\n"),
        value("pid_max", "4194304\n"),
        value("cap_last_cap", "40\n"),
        value("ngroups_max", "65536\n"),
        value("randomize_va_space", "0\n"),
        value("tainted", "0\n"),
    ]);
    let vm =
        folder(alloc::vec![value("overcommit_memory", "1\n"), value("max_map_count", "65530\n"),]);
    let core = folder(alloc::vec![value("somaxconn", "4096\n")]);
    let net = folder(alloc::vec![(b"core".to_vec(), core)]);
    let fs = folder(alloc::vec![value("file-max", "1048576\n"), value("nr_open", "1048576\n")]);
    folder(alloc::vec![
        (b"kernel".to_vec(), kernel),
        (b"vm".to_vec(), vm),
        (b"net".to_vec(), net),
        (b"fs".to_vec(), fs),
    ])
}

fn of_process(process: &Arc<Process>) -> Arc<dyn Inode> {
    let process = Arc::clone(process);
    Dynamic::new(DEV, move || {
        let mut members = common(&process, None);
        let tasks = Arc::clone(&process);
        let task = Dynamic::new(DEV, move || {
            let of = |thread: Arc<Thread>| {
                let process = Arc::clone(&tasks);
                let name = format!("{}", thread.tid).into_bytes();
                let files = Dynamic::new(DEV, move || common(&process, Some(Arc::clone(&thread))));
                (name, files as Arc<dyn Inode>)
            };
            tasks.threads().into_iter().map(of).collect()
        });
        members.push((b"task".to_vec(), task));
        members
    })
}

/// What a process's directory and those of its threads have in common.
fn common(process: &Arc<Process>, thread: Option<Arc<Thread>>) -> Vec<Member> {
    let p = || Arc::clone(process);
    let (maps, status, stat, statm, cmdline, environ, limits) = (p(), p(), p(), p(), p(), p(), p());
    let (exe, exe_jump, cwd, cwd_jump, root, root_jump, fds) = (p(), p(), p(), p(), p(), p(), p());
    let comm = {
        let process = p();
        move || {
            let own = thread.as_ref().and_then(|t| t.name.lock().clone());
            own.map_or_else(|| process.comm(), |n| String::from_utf8_lossy(&n).into_owned())
        }
    };
    alloc::vec![
        file("comm", move || Ok(comm() + "\n")),
        file("maps", move || {
            Ok(maps.space().map_or_else(String::new, |space| space.lock().describe()))
        }),
        file("status", move || Ok(status_text(&status))),
        file("stat", move || Ok(stat_line(&stat))),
        file("statm", move || Ok(statm_line(&statm))),
        file("limits", move || Ok(limits_table(&limits))),
        file("mounts", || Ok(mounts())),
        file("mountinfo", || Ok("1 0 0:1 / / rw - casemate casemate rw\n".into())),
        file("cgroup", || Ok("0::/\n".into())),
        file("oom_score_adj", || Ok("0\n".into())),
        (b"cmdline".to_vec(), Text::new(DEV, move || Ok(joined(&cmdline.program.lock().args)))),
        (b"environ".to_vec(), Text::new(DEV, move || Ok(joined(&environ.program.lock().env)))),
        (
            b"exe".to_vec(),
            MagicLink::jumping(
                DEV,
                move || Ok(exe.program.lock().exe.path()),
                move || Ok(exe_jump.program.lock().exe.clone()),
            ),
        ),
        (
            b"cwd".to_vec(),
            MagicLink::jumping(
                DEV,
                move || Ok(cwd.fs.lock().cwd.path()),
                move || Ok(cwd_jump.fs.lock().cwd.clone()),
            ),
        ),
        (
            b"root".to_vec(),
            MagicLink::jumping(
                DEV,
                move || Ok(root.fs.lock().root.path()),
                move || Ok(root_jump.fs.lock().root.clone()),
            ),
        ),
        (b"fd".to_vec(), descriptors(fds)),
    ]
}

/// `/proc/PID/fd`: opening a link opens what the descriptor refers to.
fn descriptors(process: Arc<Process>) -> Arc<dyn Inode> {
    Dynamic::new(DEV, move || {
        let link = |fd: u64| {
            let (named, jumped) = (Arc::clone(&process), Arc::clone(&process));
            let inode = MagicLink::jumping(
                DEV,
                move || Ok(named.files.lock().get(fd)?.path()),
                move || {
                    let open = jumped.files.lock().get(fd)?;
                    match open.location() {
                        Some(location) => Ok(location.clone()),
                        None => Ok(Location::root(super::reopen::Reopen::new(&open))),
                    }
                },
            );
            (format!("{fd}").into_bytes(), inode as Arc<dyn Inode>)
        };
        let fds = process.files.lock().open_fds();
        fds.into_iter().map(link).collect()
    })
}

fn joined(strings: &[Vec<u8>]) -> Vec<u8> {
    strings.iter().flat_map(|s| s.iter().copied().chain([0])).collect()
}

fn cpuinfo() -> String {
    let processor = |n| {
        format!(
            "processor\t: {n}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel name\t: SGX enclave\n\
             cpu MHz\t\t: 2000.000\ncache size\t: 1024 KB\nphysical id\t: 0\nsiblings\t: {all}\n\
             core id\t\t: {n}\ncpu cores\t: {all}\nfpu\t\t: yes\n\
             flags\t\t: fpu tsc cx8 cmov fxsr sse sse2 ssse3 sse4_1 sse4_2 popcnt aes pclmulqdq rdrand sgx\n\
             clflush size\t: 64\ncache_alignment\t: 64\n\n",
            all = system::processors()
        )
    };
    (0..system::processors()).map(processor).collect()
}

fn meminfo() -> String {
    let space = process::current().map(|thread| Arc::clone(&thread.space));
    let (total, used) = space.map_or((0, 0), |space| {
        let space = space.lock();
        let bounds = space.bounds();
        (bounds.end - bounds.start, space.memory().committed())
    });
    let kb = |bytes: u64| bytes / 1024;
    let free = kb(total.saturating_sub(used));
    format!(
        "MemTotal:       {:8} kB\nMemFree:        {free:8} kB\nMemAvailable:   {free:8} kB\n\
         Buffers:               0 kB\nCached:                0 kB\nSwapCached:            0 kB\n\
         SwapTotal:             0 kB\nSwapFree:              0 kB\nShmem:                 0 kB\n\
         HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n",
        kb(total)
    )
}

fn uptime() -> String {
    let ns = time::monotonic_ns();
    format!("{0}.{1:02} {0}.{1:02}\n", ns / NS, ns % NS / 10_000_000)
}

fn mounts() -> String {
    "casemate / casemate rw 0 0\nproc /proc proc rw 0 0\ntmpfs /dev tmpfs rw 0 0\n".into()
}

fn stat() -> String {
    let zeros = "0 0 0 0 0 0 0 0 0 0";
    let mut text = format!("cpu  {zeros}\n");
    for n in 0..system::processors() {
        text.push_str(&format!("cpu{n} {zeros}\n"));
    }
    let boot = (time::real_ns().saturating_sub(time::monotonic_ns())) / NS;
    text.push_str(&format!(
        "intr 0\nctxt 0\nbtime {boot}\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n"
    ));
    text
}

fn stat_line(process: &Process) -> String {
    use core::sync::atomic::Ordering::Relaxed;
    let (mapped, committed) = process.memory_usage();
    let started = process.program.lock().started_ns / (NS / CLK_TCK);
    format!(
        "{} ({}) R {} {} {} 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 {} 0 {started} {mapped} {} {} \
         0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
        process.pid,
        process.comm(),
        process.ppid(),
        process.pgid.load(Relaxed),
        process.sid.load(Relaxed),
        process.threads.lock().len(),
        committed / 4096,
        u64::MAX,
    )
}

fn statm_line(process: &Process) -> String {
    let (mapped, committed) = process.memory_usage();
    format!("{} {} 0 0 0 {} 0\n", mapped / 4096, committed / 4096, mapped / 4096)
}

fn status_text(process: &Process) -> String {
    let (mapped, committed) = process.memory_usage();
    let credentials = process.credentials.lock().clone();
    let (uid, gid) = (credentials.uid, credentials.gid);
    let groups: Vec<String> = credentials.groups.iter().map(|g| format!("{g}")).collect();
    format!(
        "Name:\t{}\nUmask:\t{:04o}\nState:\tR (running)\nTgid:\t{pid}\nNgid:\t0\nPid:\t{pid}\n\
         PPid:\t{}\nTracerPid:\t0\nUid:\t{}\t{}\t{}\t{}\nGid:\t{}\t{}\t{}\t{}\nFDSize:\t64\n\
         Groups:\t{} \nVmPeak:\t{vm:8} kB\nVmSize:\t{vm:8} kB\nVmHWM:\t{rss:8} kB\nVmRSS:\t{rss:8} kB\n\
         Threads:\t{}\nSigPnd:\t0000000000000000\nShdPnd:\t{:016x}\nNoNewPrivs:\t0\nSeccomp:\t0\n\
         Cpus_allowed_list:\t0-{}\n",
        process.comm(),
        process.fs.lock().umask,
        process.ppid(),
        uid.real,
        uid.effective,
        uid.saved,
        uid.fs,
        gid.real,
        gid.effective,
        gid.saved,
        gid.fs,
        groups.join(" "),
        process.threads.lock().len(),
        process.pending.lock().set().bits(),
        system::processors() - 1,
        pid = process.pid,
        vm = mapped / 1024,
        rss = committed / 1024,
    )
}

fn limits_table(process: &Process) -> String {
    let limits = process.limits.lock().0;
    let names = [
        "cpu time",
        "file size",
        "data size",
        "stack size",
        "core file size",
        "resident set",
        "processes",
        "open files",
        "locked memory",
        "address space",
        "file locks",
        "pending signals",
        "msgqueue size",
        "nice priority",
        "realtime priority",
        "realtime timeout",
    ];
    let value = |v: u64| if v == u64::MAX { String::from("unlimited") } else { format!("{v}") };
    let mut text = format!("{:<26}{:<21}{:<21}Units\n", "Limit", "Soft Limit", "Hard Limit");
    for (name, limit) in names.iter().zip(limits) {
        let name = format!("Max {name}");
        text.push_str(&format!("{name:<26}{:<21}{:<21}\n", value(limit.soft), value(limit.hard)));
    }
    text
}
