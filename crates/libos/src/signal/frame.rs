//! The frame a handler runs on: `struct rt_sigframe` of `arch/x86/include/asm/sigframe.h`.
//!
//! ```text
//! rsp -> 0    pretcode: address of the restorer
//!        8    ucontext: uc_flags, uc_link, uc_stack (24), sigcontext (256), uc_sigmask (8)
//!      312    siginfo (128)
//!      440    padding to a multiple of 64
//!             fpstate: extended state ([`xframe`]), 64-byte aligned
//! ```

use alloc::vec::Vec;

use enclave_rt::{context::Context, xstate::ExtendedState};

use super::{info::Info, mask::Mask, stack::AltStack, xframe};
use crate::{
    errno::{Errno, Result},
    linux::{Encoder, u64_at},
    user::UserMem,
};

const UCONTEXT: u64 = 8;
const STACK: usize = 8 + 16;
const SIGCONTEXT: usize = STACK + 24;
const SIGMASK: usize = SIGCONTEXT + 256;
const SIGINFO: usize = SIGMASK + 8;
const FRAME_SIZE: usize = SIGINFO + 128;
/// Bytes below RSP that belong to the interrupted function (System V ABI).
const RED_ZONE: u64 = 128;
/// `UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS`.
const UC_FLAGS: u64 = 7;
const USER_CS: u64 = 0x33;
const USER_SS: u64 = 0x2b;

/// What a handler needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handler {
    pub(crate) address: u64,
    pub(crate) restorer: u64,
    pub(crate) info: Info,
    /// The mask to restore.
    pub(crate) mask: Mask,
    pub(crate) stack: AltStack,
    /// Use the alternate stack if possible.
    pub(crate) on_stack: bool,
    /// Trap number, error code and address of a fault, for `sigcontext`.
    pub(crate) fault: (u64, u64, u64),
}

/// Writes the frame and sets the context to the handler's entry.
///
/// # Errors
/// EFAULT when the stack cannot hold it.
pub(crate) fn push(user: UserMem<'_>, context: &mut Context, handler: &Handler) -> Result<()> {
    let alternate = if handler.on_stack { handler.stack.top_for(context.rsp) } else { None };
    let top = match alternate {
        Some(top) => top,
        None => context.rsp.checked_sub(RED_ZONE).ok_or(Errno::EFAULT)?,
    };
    let fpstate = top.checked_sub(xframe::frame_size() as u64).ok_or(Errno::EFAULT)? & !63;
    // The handler sees the stack as after a call: 16-byte aligned plus 8.
    let frame = (fpstate.checked_sub(FRAME_SIZE as u64).ok_or(Errno::EFAULT)? & !15) - 8;
    if alternate.is_some() && frame < handler.stack.sp {
        return Err(Errno::EFAULT);
    }
    user.write(fpstate, &xframe::encode(&ExtendedState::take(context)))?;
    user.write(frame, &encode(context, handler, fpstate))?;
    ExtendedState::initial().put_back(context);
    context.rdi = u64::from(handler.info.signo);
    context.rsi = frame + SIGINFO as u64;
    context.rdx = frame + UCONTEXT;
    context.rax = 0;
    context.rsp = frame;
    context.rip = handler.address;
    // Handlers start with DF, RF and TF clear.
    context.rflags &= !0x1_0500;
    Ok(())
}

fn encode(context: &Context, handler: &Handler, fpstate: u64) -> Vec<u8> {
    let c = context;
    let head = Encoder::new()
        .u64(handler.restorer)
        .u64(UC_FLAGS)
        .u64(0)
        .bytes(&handler.stack.to_bytes(context.rsp));
    let registers = [
        c.r8, c.r9, c.r10, c.r11, c.r12, c.r13, c.r14, c.r15, c.rdi, c.rsi, c.rbp, c.rbx, c.rdx,
        c.rax, c.rcx, c.rsp, c.rip, c.rflags,
    ];
    let (trapno, err, cr2) = handler.fault;
    let segments = USER_CS | USER_SS << 48;
    registers
        .into_iter()
        .fold(head, Encoder::u64)
        .u64(segments)
        .u64(err)
        .u64(trapno)
        .u64(handler.mask.bits())
        .u64(cr2)
        .u64(fpstate)
        .pad_to(SIGMASK)
        .u64(handler.mask.bits())
        .bytes(&handler.info.to_bytes())
        .finish()
}

/// Bytes that the largest frame takes, alignment included: `AT_MINSIGSTKSZ`.
pub(crate) fn largest() -> u64 {
    (FRAME_SIZE + xframe::frame_size() + 64 + 16) as u64
}

/// What `rt_sigreturn(2)` restores besides registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restored {
    pub(crate) mask: Mask,
    pub(crate) stack: Option<AltStack>,
}

/// Restores the context from the frame a handler returned from; its restorer has popped `pretcode`.
///
/// # Errors
/// EFAULT when the frame cannot be read.
pub(crate) fn pop(user: UserMem<'_>, context: &mut Context) -> Result<Restored> {
    let frame = context.rsp.wrapping_sub(8);
    let bytes = user.bytes(frame, SIGINFO)?;
    let word = |at: usize| u64_at(&bytes, at).ok_or(Errno::EFAULT);
    let mut restored = *context;
    let targets: [&mut u64; 18] = [
        &mut restored.r8,
        &mut restored.r9,
        &mut restored.r10,
        &mut restored.r11,
        &mut restored.r12,
        &mut restored.r13,
        &mut restored.r14,
        &mut restored.r15,
        &mut restored.rdi,
        &mut restored.rsi,
        &mut restored.rbp,
        &mut restored.rbx,
        &mut restored.rdx,
        &mut restored.rax,
        &mut restored.rcx,
        &mut restored.rsp,
        &mut restored.rip,
        &mut restored.rflags,
    ];
    for (i, target) in targets.into_iter().enumerate() {
        *target = word(SIGCONTEXT + i * 8)?;
    }
    let fpstate = word(SIGCONTEXT + 23 * 8)?;
    let state = match fpstate {
        0 => ExtendedState::initial(),
        at => xframe::decode(user, at)?,
    };
    state.put_back(&mut restored);
    *context = restored.sanitized();
    let mask = Mask::blockable(word(SIGMASK)?);
    Ok(Restored { mask, stack: AltStack::from_bytes(&bytes[STACK..STACK + 24]).ok() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        linux::signal::{SIGUSR1, SS_DISABLE},
        sync::Lock,
        testing,
        vm::space::AddressSpace,
    };

    fn context() -> Context {
        let mut context = Context::at_start(0x40_1000, 0x50_0008);
        context.rbx = 0x1111;
        context.r15 = 0x2222;
        context.xmm[15] = 0x3333 << 64;
        context.mxcsr = 0x1fa0;
        context
    }

    fn handler() -> Handler {
        Handler {
            address: 0x40_2000,
            restorer: 0x40_3000,
            info: Info::from_sender(SIGUSR1, 0, 2, 0),
            mask: Mask::of(12),
            stack: AltStack { sp: 0x60_0000, size: 0x4000, flags: 0 },
            on_stack: false,
            fault: (14, 2, 0xdead),
        }
    }

    fn space() -> Lock<AddressSpace> {
        Lock::new(testing::space(&[(0x4f_0000, 0x2_0000), (0x60_0000, 0x4000)]))
    }

    #[test]
    fn returning_from_a_handler_restores_everything() {
        let _machine = testing::quiet();
        let space = space();
        let user = UserMem::new(&space);
        for on_stack in [false, true] {
            let mut now = context();
            push(user, &mut now, &Handler { on_stack, ..handler() }).unwrap();
            assert_eq!(now.rsp % 16, 8, "the stack is aligned as after a call");
            assert_eq!((now.rip, now.rdi), (0x40_2000, u64::from(SIGUSR1)));
            assert_eq!((0x60_0000..0x60_4000).contains(&now.rsp), on_stack);
            assert!(on_stack || now.rsp + 128 <= context().rsp, "the red zone is kept");
            assert_eq!(user.u64(now.rsp), Ok(0x40_3000));
            assert_eq!(user.u32(now.rsi), Ok(SIGUSR1));
            now.rsp += 8;
            now.xmm = [0; 16];
            let restored = pop(user, &mut now).unwrap();
            assert_eq!(now, context());
            assert_eq!(restored.mask, Mask::of(12));
        }
    }

    #[test]
    fn a_frame_has_linux_offsets() {
        let _machine = testing::quiet();
        let space = space();
        let user = UserMem::new(&space);
        let mut now = context();
        push(user, &mut now, &handler()).unwrap();
        // <asm/ucontext.h>: uc_mcontext at 40; gregs RIP 16, TRAPNO 20, CR2 22; fpstate at 184.
        let uc = now.rdx;
        assert_eq!(user.u64(uc + 40 + 16 * 8), Ok(0x40_1000));
        assert_eq!(user.u64(uc + 40 + 20 * 8), Ok(14));
        assert_eq!(user.u64(uc + 40 + 22 * 8), Ok(0xdead));
        assert_eq!(user.u64(uc + 40 + 184).unwrap() % 64, 0);
        assert_eq!(user.u64(uc + 296), Ok(Mask::of(12).bits()));
    }

    #[test]
    fn a_stack_that_cannot_hold_the_frame_is_efault() {
        let _machine = testing::quiet();
        let space = space();
        let user = UserMem::new(&space);
        let mut now = Context { rsp: 0x4f_0010, ..context() };
        assert_eq!(push(user, &mut now, &handler()), Err(Errno::EFAULT));
        let disabled = AltStack { flags: SS_DISABLE, ..AltStack::default() };
        let bad = Handler { stack: disabled, on_stack: true, ..handler() };
        assert_eq!(push(user, &mut now, &bad), Err(Errno::EFAULT));
    }
}
