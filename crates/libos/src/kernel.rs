//! The library OS as the runtime calls it.

use alloc::{format, sync::Arc, vec::Vec};

use enclave_abi::{boot::Boot, layout::Layout};
use enclave_rt::{
    context::Context,
    host,
    kernel::{Events, Exception, FAULT_FETCH, FAULT_WRITE, Kernel, vector},
};
use manifest::Compiled;

use crate::{
    cpuid,
    errno::{Errno, Result},
    fs::{
        attestation, dev,
        file::OpenFile,
        location::Location,
        path, proc,
        terminal::{HostStream, Tty},
        tree,
    },
    linux::{
        fcntl::{O_RDONLY, O_RDWR, O_WRONLY},
        signal::{
            BUS_ADRALN, BUS_ADRERR, FPE_FLTINV, FPE_INTDIV, ILL_ILLOPN, SEGV_ACCERR, SEGV_MAPERR,
            SI_KERNEL, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, TRAP_BRKPT, TRAP_TRACE,
        },
    },
    loader::exec::{self, Command},
    log::{self, Level},
    process::{
        self, FIRST_PID, FsContext, Process, end, fd::FdTable, limits::Limits, thread::Thread,
    },
    signal::{
        self,
        deliver::{self, Returning},
        info::Info,
        send, watched,
    },
    sync::Mutex,
    syscall::{self, End},
    system,
    vm::{area::Prot, fault::Bad, memory::Memory, seat::Space},
};

/// Exit status when the program could not be started, as shells have it.
const EXIT_CANNOT_START: u64 = 127;

/// The library OS. It has no state of its own: processes have theirs, and what belongs to the enclave
/// as a whole is in `system`.
#[derive(Debug, Default)]
pub struct LibOs;

impl LibOs {
    /// The library OS before its start.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Kernel for LibOs {
    fn start(&self, boot: Boot, layout: &Layout, manifest: &'static [u8]) -> Context {
        match start(&boot, layout, manifest) {
            Ok(context) => context,
            Err(errno) => {
                log::line(Level::Error, &format!("the program cannot be started: {errno}"));
                host::exit_process(EXIT_CANNOT_START)
            }
        }
    }

    fn start_thread(&self, index: u64) -> Context {
        let Some(thread) = process::in_slot(index) else { enclave_rt::thread::exit() };
        let Some(start) = thread.start.lock().take() else { enclave_rt::thread::exit() };
        thread.space.enter();
        if start.set_tid != 0 {
            // As on Linux a wrong address goes unnoticed.
            let _ = thread.user().write_u32(start.set_tid, thread.tid);
        }
        let mut context = start.context;
        go_on(thread, &mut context, None, (0, 0, 0));
        context
    }

    fn syscall(&self, context: &mut Context) {
        let Some(own) = process::borrow() else { return };
        let thread = &own.1;
        let number = context.rax;
        let (end, result) = syscall::dispatch(thread, context, number);
        match end {
            End::Result => context.rax = result.unwrap_or_else(Errno::to_rax),
            End::RegistersSet => {}
            End::Program => {
                drop(own);
                let Some(thread) = process::current() else { return };
                return go_on(thread, context, None, (0, 0, 0));
            }
            End::Thread => end::finish_thread(own.1),
        }
        let restart =
            result.err().filter(|&e| e == Errno::RESTART || e == Errno::RESTART_NO_HANDLER);
        if restart.is_some() || !watched::is_quiet(thread) {
            let thread = Arc::clone(thread);
            process::release(own);
            return go_on(thread, context, Some(Returning { number, restart }), (0, 0, 0));
        }
        process::release(own);
    }

    fn exception(&self, context: &mut Context, exception: Exception) {
        let Some(thread) = process::current() else { return };
        if exception.vector == vector::PF && resolve_fault(&thread, &exception) {
            return;
        }
        if exception.vector == vector::UD && is_cpuid(&thread, context.rip) {
            return cpuid::execute(context);
        }
        let info = signal_of(&thread, context, &exception);
        send::force(&thread, info);
        let words =
            (u64::from(exception.vector), u64::from(exception.error_code), exception.address);
        go_on(thread, context, None, words);
    }

    fn event(&self, context: &mut Context, events: Events) {
        signal::host::told(events);
        let Some(thread) = process::current() else { return };
        go_on(thread, context, None, (0, 0, 0));
    }
}

/// The way back to the application: others have their turn if it has come, signals are delivered, and a thread
/// that is to end does.
fn go_on(
    thread: Arc<Thread>,
    context: &mut Context,
    returning: Option<Returning>,
    fault: deliver::FaultWords,
) {
    thread.space.pause();
    if deliver::deliver(&thread, context, returning, fault) == deliver::Next::End {
        end::finish_thread(thread);
    }
}

/// Whether a CPUID instruction lies at `rip`.
fn is_cpuid(thread: &Thread, rip: u64) -> bool {
    let mut bytes = [0; 2];
    thread.user().read(rip, &mut bytes).is_ok() && bytes == [0x0f, 0xa2]
}

fn wanted(exception: &Exception) -> Prot {
    if exception.error_code & FAULT_FETCH != 0 {
        Prot::EXEC
    } else if exception.error_code & FAULT_WRITE != 0 {
        Prot::WRITE
    } else {
        Prot::READ
    }
}

/// Commits the page of a fault; whether the access can be tried again.
fn resolve_fault(thread: &Thread, exception: &Exception) -> bool {
    thread.space.lock().fault(exception.address, wanted(exception)).is_ok()
}

/// The signal an exception becomes, from `arch/x86/kernel/traps.c` and `mm/fault.c`.
fn signal_of(thread: &Thread, context: &Context, exception: &Exception) -> Info {
    let at_rip = |signo, code| Info::from_fault(signo, code, context.rip);
    match exception.vector {
        vector::PF => {
            let address = exception.address;
            let bad = thread.space.lock().fault(address, wanted(exception)).err();
            let (signo, code) = match bad {
                Some(Bad::Unmapped) | None => (SIGSEGV, SEGV_MAPERR),
                Some(Bad::Forbidden) => (SIGSEGV, SEGV_ACCERR),
                Some(Bad::NoContent | Bad::NoMemory) => (SIGBUS, BUS_ADRERR),
            };
            Info::from_fault(signo, code, address)
        }
        vector::DE => at_rip(SIGFPE, FPE_INTDIV),
        vector::MF | vector::XM => at_rip(SIGFPE, FPE_FLTINV),
        vector::UD => at_rip(SIGILL, ILL_ILLOPN),
        vector::BP => at_rip(SIGTRAP, TRAP_BRKPT),
        vector::DB => at_rip(SIGTRAP, TRAP_TRACE),
        vector::AC => at_rip(SIGBUS, BUS_ADRALN),
        _ => Info::from_fault(SIGSEGV, SI_KERNEL, 0),
    }
}

/// Builds the first process.
fn start(boot: &Boot, layout: &Layout, manifest: &[u8]) -> Result<Context> {
    let manifest = Compiled::from_bytes(manifest).map_err(|malformed| {
        log::line(Level::Error, &format!("{malformed}"));
        Errno::EINVAL
    })?;
    let resolved = manifest.resolve(&boot.args, &boot.env, &boot.cwd).map_err(|refused| {
        log::line(Level::Error, &format!("{refused}"));
        Errno::EPERM
    })?;
    system::init(layout, boot.processors);
    let root = Location::root(build_tree(&manifest, &boot.trees));
    let cwd = path::resolve(&root, &root, &resolved.cwd, path::Last::Follow);
    let cwd = cwd.unwrap_or_else(|_| {
        let cwd = alloc::string::String::from_utf8_lossy(&resolved.cwd).into_owned();
        log::line(
            Level::Warn,
            &format!("working directory {cwd} does not exist inside; starting in /"),
        );
        root.clone()
    });
    let (low, high) = layout.app();
    let command = Command {
        path: manifest.program.entrypoint.clone(),
        args: resolved.args,
        env: resolved.env.clone(),
    };
    let cannot = |errno: &Errno| {
        let path =
            alloc::string::String::from_utf8_lossy(&manifest.program.entrypoint).into_owned();
        log::line(Level::Error, &format!("{path} cannot be loaded: {errno}"));
    };
    let prepared = exec::prepare(&root, &cwd, command).inspect_err(cannot)?;
    let space = prepared.space(&Memory::new(low..high, layout.edmm));
    space.enter();
    let loaded = prepared.load(&space, (0, 0)).inspect_err(cannot)?;
    let fs = FsContext { root, cwd, umask: 0o022 };
    let process = Process::first(Arc::clone(&space), standard_files()?, fs, loaded.program);
    signal::host::ignore(&process, boot.ignored);
    adopt(&process, &space, enclave_rt::thread::index());
    Ok(Context::at_start(loaded.entry, loaded.rsp))
}

fn build_tree(manifest: &Compiled, trees: &[u8]) -> Arc<dyn crate::fs::inode::Inode> {
    let extra: Vec<(&[u8], Arc<dyn crate::fs::inode::Inode>)> = alloc::vec![
        (
            b"/dev".as_slice(),
            dev::directory(alloc::vec![
                (b"tty".as_slice(), Arc::new(Tty) as Arc<dyn crate::fs::inode::Inode>),
                (b"attestation".as_slice(), attestation::directory()),
                (b"shm".as_slice(), proc::shared_memory()),
            ]),
        ),
        (b"/proc".as_slice(), proc::directory()),
    ];
    tree::build(manifest, extra, trees)
}

fn standard_files() -> Result<FdTable> {
    let mut files = FdTable::default();
    for (fd, flags) in [(0, O_RDONLY), (1, O_WRONLY), (2, O_RDWR)] {
        let open = OpenFile::new(HostStream::standard(fd), None, flags);
        files.insert(open, false, 0, Limits::default().descriptors())?;
    }
    Ok(files)
}

/// Makes the calling thread the process's first.
fn adopt(process: &Arc<Process>, space: &Arc<Space>, index: u64) {
    let thread = Thread::new(process, space, FIRST_PID, index);
    process.threads.lock().insert(FIRST_PID, Arc::clone(&thread));
    process::set_slot(index, Some(thread));
    system::register(process);
}

const _: fn() = || {
    fn both<T: Send + Sync>() {}
    both::<Mutex<Thread>>();
};
