//! Answers one ocall.

use enclave_abi::ocall::{HostCall, Ocall};

use super::buffer::SharedBuffer;
use super::interrupt::{self, Told};
use super::{Calls, Ended, Session, cpuid, crash, pages, quote, signals, syscall, thread, trace};
use crate::platform::Errno;

/// What the thread does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Goes back in with the answer.
    Return,
    /// Never goes back: the process has ended.
    Stop,
}

/// Serves the ocall in the buffer of thread `index`.
pub(super) fn serve(session: &std::sync::Arc<Session>, index: u64, buffer: &SharedBuffer) -> Next {
    let number = buffer.word(0);
    let detail = buffer.word(1);
    let mut args = [0; 6];
    for (i, arg) in args.iter_mut().enumerate() {
        *arg = buffer.word(2 + i);
    }
    let Some(ocall) = Ocall::from_number(number) else {
        buffer.answer(Errno::ENOSYS.result(), 0);
        return Next::Return;
    };
    session.tally(name(ocall, detail));
    let (result, extra) = match ocall {
        Ocall::ExitProcess => {
            session.note_calls(Calls { rewritten: args[1], trapped: args[2] });
            session.finish(status(args[0]));
            return Next::Stop;
        }
        _ if waits(ocall, detail) && session.told(index).is_some_and(Told::may_not_wait) => {
            (Errno::EINTR.result(), 0)
        }
        Ocall::Syscall => {
            let done = syscall::syscall(buffer, detail, &args);
            if let (Some(trace), Ok(_)) = (&session.trace, &done) {
                trace::tell(trace, buffer, detail, &args);
            }
            let value = |value| i64::try_from(value).unwrap_or(Errno::EIO.result());
            (done.map_or_else(Errno::result, value), 0)
        }
        Ocall::Park => (park(session, index, &args), 0),
        Ocall::Unpark => (unpark(session, args[0]), 0),
        Ocall::SpawnThread => (thread::spawn(session, args[0]), 0),
        Ocall::RestrictPages | Ocall::ModifyPages | Ocall::RemovePages => {
            pages::change(session, ocall, &args)
        }
        Ocall::QuoteTarget => (quote::target(session, buffer, &args), 0),
        Ocall::Quote => (quote::quote(session, buffer, &args), 0),
        Ocall::Log => (log(session, buffer, &args), 0),
        Ocall::Cpuid => (cpuid::cpuid(session, buffer, &args), 0),
        Ocall::Interrupt => (interrupt::interrupt(session, args[0]), 0),
        Ocall::SetAlarm => (signals::set_alarm(session, args[0]), 0),
        Ocall::Crash => (crash::crash(session, buffer, &args), 0),
        Ocall::StopProcess => (signals::stop_process(), 0),
        _ => (Errno::ENOSYS.result(), 0),
    };
    buffer.answer(result, extra);
    Next::Return
}

/// Whether an ocall may wait for long.
fn waits(ocall: Ocall, detail: u64) -> bool {
    match ocall {
        Ocall::Park => true,
        Ocall::Syscall => HostCall::by_number(detail).is_some_and(|call| syscall::waits(call.name)),
        _ => false,
    }
}

fn name(ocall: Ocall, detail: u64) -> &'static str {
    match ocall {
        Ocall::Syscall => HostCall::by_number(detail).map_or("unlisted", |call| call.name),
        _ => ocall.name(),
    }
}

fn status(word: u64) -> Ended {
    match u8::try_from(word) {
        Ok(status) => Ended::Exited(status),
        Err(_) => Ended::Killed(u8::try_from(word & 0x7f).unwrap_or(0)),
    }
}

fn park(session: &Session, index: u64, args: &[u64; 6]) -> i64 {
    let word = usize::try_from(index).ok().and_then(|index| session.park.get(index));
    let (Some(word), Ok(seen)) = (word, u32::try_from(args[0])) else {
        return Errno::EINVAL.result();
    };
    word.wait(seen, args[1]).map_or_else(Errno::result, |()| 0)
}

fn unpark(session: &Session, index: u64) -> i64 {
    match usize::try_from(index).ok().and_then(|index| session.park.get(index)) {
        Some(word) => {
            word.wake();
            0
        }
        None => Errno::EINVAL.result(),
    }
}

fn log(session: &Session, buffer: &SharedBuffer, args: &[u64; 6]) -> i64 {
    let Some(text) = buffer.read(args[1], args[2].min(4096)) else {
        return Errno::EFAULT.result();
    };
    (session.log)(args[0], &printable(&text));
    0
}

/// Text without control characters, so that an enclave cannot drive the terminal of its operator.
pub(super) fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let shown = |c: char| match c.is_control() && c != '\t' {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    };
    text.trim_end_matches('\n').chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable(b"a\tb\x1b[2J\n"), "a\tb\u{fffd}[2J");
        assert_eq!(printable(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn status_words_become_endings() {
        assert_eq!(status(0), Ended::Exited(0));
        assert_eq!(status(255), Ended::Exited(255));
        assert_eq!(status(256 + 15), Ended::Killed(15));
    }
}
