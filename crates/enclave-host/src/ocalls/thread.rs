//! An enclave thread's host thread.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use enclave_abi::entry::{
    ABORT_BAD_ENTRY, ABORT_BAD_HOST_POINTER, ABORT_LEAF, ABORT_NO_ENTROPY, ABORT_NO_EPC,
    ABORT_PANIC, ABORT_RUNTIME_FAULT, ENTER_EXCEPTION, ENTER_OCALL_RETURN, ENTER_START,
    ENTER_THREAD, EXIT_ABORT, EXIT_OCALL, EXIT_RESUME, EXIT_THREAD, HostThread,
};
use enclave_abi::layout::THREAD_STRIDE;

use super::buffer::{self, SharedBuffer};
use super::interrupt::{Current, Told};
use super::serve::{Next, serve};
use super::{Ended, Session, lock};
use crate::Error;
use crate::platform::{EENTER, ERESUME, Entry, Errno, Left};

/// Attempts to enter a TCS that another thread has not left yet, 200 microseconds apart.
const PATIENCE: u32 = 10_000;

/// How long a new thread waits for the one before on its thread block.
const HANDOVER: Duration = Duration::from_secs(5);

/// Starts the host thread of thread block `index`; the first one brings the boot blob.
pub(super) fn start(
    session: &Arc<Session>,
    index: u64,
    boot: Option<Vec<u8>>,
) -> Result<(), Error> {
    let failed = |source| Error::Platform {
        step: "start a host thread",
        advice: "the process may have reached its limit of threads".into(),
        source,
    };
    // The enclave may give a block to a new thread a moment before the old one's host thread is gone.
    let busy = session
        .freed
        .wait_timeout_while(lock(&session.running), HANDOVER, |running| running.contains(&index));
    if !busy.unwrap_or_else(PoisonError::into_inner).0.insert(index) {
        return Err(failed(std::io::Error::from_raw_os_error(libc::EBUSY)));
    }
    let running = Running { session: Arc::clone(session), index };
    std::thread::Builder::new()
        .name(format!("enclave-{index}"))
        .stack_size(256 << 10)
        .spawn(move || run(&running.session, index, boot.as_deref()))
        .map(|_| ())
        .map_err(failed)
}

/// A thread block in use. When the last one is free again, or a host thread has failed, nobody is left
/// to end the process.
struct Running {
    session: Arc<Session>,
    index: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        let untold = self.session.told(self.index).map_or(0, Told::leave);
        let mut running = lock(&self.session.running);
        running.remove(&self.index);
        let none_left = running.is_empty();
        drop(running);
        self.session.freed.notify_all();
        if untold != 0 {
            self.session.tell(untold);
            self.session.wake();
        }
        if std::thread::panicking() {
            let text = "a host thread failed: a fault of Casemate";
            self.session.finish(Ended::Aborted(text.into()));
        } else if none_left {
            let text = "every thread of the enclave has ended, but its process has not";
            self.session.finish(Ended::Aborted(text.into()));
        }
    }
}

/// The `SpawnThread` ocall: a host thread for the TCS at `tcs`.
pub(super) fn spawn(session: &Arc<Session>, tcs: u64) -> i64 {
    let first = session.layout.thread(0).tcs;
    let index = tcs.checked_sub(first).map(|offset| offset / THREAD_STRIDE);
    let index =
        index.filter(|&i| i < session.layout.threads && session.layout.thread(i).tcs == tcs);
    match index.map(|index| start(session, index, None)) {
        Some(Ok(())) => 0,
        Some(Err(_)) => Errno::EAGAIN.result(),
        None => Errno::EINVAL.result(),
    }
}

fn run(session: &Arc<Session>, index: u64, boot: Option<&[u8]>) {
    if let Err(error) = session.enclave.attach_thread() {
        return session.finish(Ended::Aborted(error.to_string()));
    }
    let buffer = SharedBuffer::new();
    let park = &session.park[usize::try_from(index).unwrap_or(0)];
    let thread = HostThread {
        buffer_addr: buffer.address(),
        buffer_len: buffer::LEN as u64,
        boot_addr: boot.map_or(0, |boot| boot.as_ptr() as u64),
        boot_len: boot.map_or(0, |boot| boot.len() as u64),
        park_addr: park.address(),
    }
    .to_bytes();
    let reason = if boot.is_some() { ENTER_START } else { ENTER_THREAD };
    let tcs = session.layout.thread(index).tcs;
    let mut entry = Entry { tcs, function: EENTER, registers: [reason, thread.as_ptr() as u64, 0] };
    let mut patience = PATIENCE;
    let current = Current::new(session, index);
    let _registered = current.register();
    loop {
        let at_cssa_1 = entry.registers[0] == ENTER_EXCEPTION;
        entry = match current.enter(&entry, at_cssa_1) {
            Left::Exit([EXIT_OCALL, frame, _]) if frame == buffer.address() => {
                match serve(session, index, &buffer) {
                    Next::Return => enter(tcs, ENTER_OCALL_RETURN, current.told().take()),
                    Next::Stop => return,
                }
            }
            Left::Exit([EXIT_RESUME, ..]) => Entry { tcs, function: ERESUME, registers: [0; 3] },
            Left::Exit([EXIT_THREAD, ..]) => return,
            Left::Exit([EXIT_ABORT, code, detail]) => {
                return session.finish(Ended::Aborted(abort(code, detail)));
            }
            Left::Exception(exception) if exception.function == ERESUME => {
                enter(tcs, ENTER_EXCEPTION, 0)
            }
            // The thread that had this TCS before says that it is finished a moment before it leaves.
            Left::Exception(_) if entry.registers[0] == ENTER_THREAD && patience > 0 => {
                patience -= 1;
                std::thread::sleep(Duration::from_micros(200));
                continue;
            }
            other => {
                let text = format!("thread {index} left the enclave with {other:x?}");
                return session.finish(Ended::Aborted(text));
            }
        };
    }
}

fn enter(tcs: u64, reason: u64, events: u64) -> Entry {
    Entry { tcs, function: EENTER, registers: [reason, events, 0] }
}

/// What an `EXIT_ABORT` code means.
pub(super) fn abort(code: u64, detail: u64) -> String {
    match code {
        ABORT_BAD_ENTRY => format!("the enclave was entered in a wrong state (detail {detail})"),
        ABORT_RUNTIME_FAULT => {
            format!("the enclave's runtime raised exception {detail}: a fault of Casemate")
        }
        ABORT_PANIC => format!(
            "the enclave's runtime panicked (line {detail}): a fault of Casemate; a debug manifest logs the message"
        ),
        ABORT_BAD_HOST_POINTER => {
            format!("the enclave refused an address of the host (number {detail})")
        }
        ABORT_NO_ENTROPY => "the processor delivers no random numbers (RDRAND)".into(),
        ABORT_NO_EPC => format!(
            "the protected memory (EPC) of this machine is exhausted: {detail} bytes are missing; end other enclaves or give it more EPC"
        ),
        ABORT_LEAF => {
            format!("a page operation failed with {detail}: the host did not do what it was asked")
        }
        _ => format!("the enclave stopped with unknown code {code} (detail {detail})"),
    }
}
