//! Delivering signals on the way back to the application.

use alloc::sync::Arc;

use enclave_rt::{context::Context, host};

use super::{
    action::{self, Default, default_of},
    crash,
    frame::{self, Handler},
    info::{Fields, Info},
    mask::Mask,
};
use crate::{
    errno::{Errno, Result},
    linux::signal::{
        SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_RESTORER, SIG_DFL, SIG_IGN, SIGSEGV,
        SS_AUTODISARM,
    },
    process::{FIRST_PID, Process, end, family::Ended, stop, thread::Thread},
};

/// How the call that is being returned from ended, if it was a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Returning {
    /// The call's number: what RAX must be to run it again.
    pub(crate) number: u64,
    /// The internal error, when the call asks to be run again.
    pub(crate) restart: Option<Errno>,
}

/// Trap number, error code and address for the frame of a fault.
pub(crate) type FaultWords = (u64, u64, u64);

/// What the thread does after delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a thread that is to end must not return to the application"]
pub(crate) enum Next {
    /// It returns to the application.
    Run,
    /// It ends.
    End,
}

/// Delivers what is pending. Comes back with the context set to a handler or as it was.
pub(crate) fn deliver(
    thread: &Arc<Thread>,
    context: &mut Context,
    returning: Option<Returning>,
    fault: FaultWords,
) -> Next {
    let mut returning = returning;
    loop {
        stop::wait_while_stopped(thread);
        if thread.is_doomed() {
            return Next::End;
        }
        let Some(info) = next(thread) else { break };
        let act = thread.process.actions.lock().get(info.signo);
        match act.handler {
            SIG_IGN => {}
            SIG_DFL => match default_of(info.signo) {
                Default::Ignore => {}
                Default::Stop => stop(&thread.process, info.signo),
                Default::Terminate => {
                    die(thread, context, &info);
                    return Next::End;
                }
            },
            _ => {
                settle(context, returning.take(), Some(&act));
                if enter(thread, context, &info, act, fault).is_err() {
                    die(thread, context, &Info::from_kernel(SIGSEGV));
                    return Next::End;
                }
            }
        }
    }
    settle(context, returning, None);
    // A call that ran under a temporary mask gets its own back when no handler took it.
    let mut signals = thread.signals.lock();
    if let Some(mask) = signals.saved_mask.take() {
        signals.mask = mask;
    }
    Next::Run
}

fn next(thread: &Thread) -> Option<Info> {
    let mut signals = thread.signals.lock();
    let allowed = Mask::from_bits(u64::MAX).without(signals.mask);
    let own = signals.pending.take(allowed);
    own.or_else(|| thread.process.pending.lock().take(allowed))
}

/// Makes an interrupted call run again, or fail with EINTR because a handler runs now.
fn settle(context: &mut Context, returning: Option<Returning>, handler: Option<&action::Action>) {
    let Some(Returning { number, restart: Some(error) }) = returning else { return };
    let again = match handler {
        None => true,
        Some(act) => error == Errno::RESTART && act.flags & SA_RESTART != 0,
    };
    if again {
        // The instruction is two bytes: 0f 05.
        context.rip = context.rip.wrapping_sub(2);
        context.rax = number;
    } else {
        context.rax = Errno::EINTR.to_rax();
    }
}

fn enter(
    thread: &Arc<Thread>,
    context: &mut Context,
    info: &Info,
    act: action::Action,
    fault: FaultWords,
) -> Result<()> {
    let mut signals = thread.signals.lock();
    let mask = signals.saved_mask.take().unwrap_or(signals.mask);
    let stack = signals.stack;
    drop(signals);
    let is_fault = matches!(info.fields, Fields::Fault { .. });
    let handler = Handler {
        address: act.handler,
        restorer: if act.flags & SA_RESTORER != 0 { act.restorer } else { 0 },
        info: *info,
        mask,
        stack,
        on_stack: act.flags & SA_ONSTACK != 0,
        fault: if is_fault { fault } else { (0, 0, 0) },
    };
    context.rip = thread.space.lock().shown_rip(context.rip);
    frame::push(thread.user(), context, &handler)?;
    if act.flags & SA_RESETHAND != 0 {
        let reset = action::Action { handler: SIG_DFL, ..act };
        thread.process.actions.lock().set(info.signo, reset);
    }
    let mut signals = thread.signals.lock();
    let own = if act.flags & SA_NODEFER == 0 { Mask::of(info.signo) } else { Mask::default() };
    signals.mask = mask.union(act.mask).union(own);
    if stack.flags & SS_AUTODISARM != 0 {
        signals.stack = super::stack::AltStack::default();
    }
    Ok(())
}

/// Stops the process; the program that was run stops the whole host process, so that whoever started it sees it.
fn stop(process: &Arc<Process>, signo: u32) {
    if process.pid == FIRST_PID {
        host::stop_process();
    } else {
        stop::stop(process, signo);
    }
}

/// Ends the process by a signal.
fn die(thread: &Thread, context: &Context, info: &Info) {
    crash::report(thread, context, info);
    end::begin(&thread.process, Ended::Killed(info.signo));
}
