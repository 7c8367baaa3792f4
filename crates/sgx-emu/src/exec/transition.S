# Transitions between the host and the emulated enclave. R11 or RAX is the thread's record.

.macro HOST_SEGMENTS record, scratch
    mov \scratch, [\record + {HOST_FS}]
    wrfsbase \scratch
    mov \scratch, [\record + {HOST_GS}]
    wrgsbase \scratch
.endm

.macro PUSH_CALLEE_SAVED
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    push rdi
    mov [rdi + {HOST_RSP}], rsp
.endm

.text
# EENTER. RDI: record. Returns 0 after EEXIT, 1 after an asynchronous exit.
.globl casemate_emu_eenter
.type casemate_emu_eenter,@function
casemate_emu_eenter:
    PUSH_CALLEE_SAVED
    mov r11, rdi
# A signal up to the jump starts again here, with R11 the record: one that comes after the look at the
# noted signals is noted, and seen by the second look.
.globl casemate_emu_eenter_window
casemate_emu_eenter_window:
    mov rsp, [r11 + {HOST_RSP}]
    mov rax, [r11 + {HEEDED}]
    test [r11 + {NOTED}], rax
    jne casemate_emu_signalled
    mov qword ptr [r11 + {STATE}], {INSIDE}
    mov rax, [r11 + {FS_BASE}]
    wrfsbase rax
    mov rax, [r11 + {GS_BASE}]
    wrgsbase rax
    mov rax, [r11 + {CSSA}]
    mov rbx, [r11 + {TCS}]
    lea rcx, [rip + casemate_emu_exited]
    mov rdi, [r11 + {PARAMS} + 0]
    mov rsi, [r11 + {PARAMS} + 8]
    mov rdx, [r11 + {PARAMS} + 16]
    mov r8, [r11 + {PARAMS} + 24]
    mov r9, [r11 + {PARAMS} + 32]
    push qword ptr [r11 + {ENTRY_RFLAGS}]
    popfq
    jmp [r11 + {ENTRY}]
.globl casemate_emu_eenter_window_end
casemate_emu_eenter_window_end:

# EEXIT's target. RAX: record, which our EEXIT leaves there; the enclave's RSP is not needed.
casemate_emu_exited:
    mov rcx, rax
    mov rsp, [rcx + {HOST_RSP}]
    mov [rcx + {PARAMS} + 0], rdi
    mov [rcx + {PARAMS} + 8], rsi
    mov [rcx + {PARAMS} + 16], rdx
    mov [rcx + {PARAMS} + 24], r8
    mov [rcx + {PARAMS} + 32], r9
    cmp rdi, [rcx + {RELAY_RESUME}]
    je casemate_emu_resume
    xor eax, eax
# RSP: as PUSH_CALLEE_SAVED left it. EAX: result.
casemate_emu_return:
    add rsp, 8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    cld
    ret

# A signal is noted that the caller wants to see before the enclave is entered.
casemate_emu_signalled:
    mov eax, 3
    jmp casemate_emu_return

# The enclave has served the exception that the signal handler brought it: ERESUME, without the caller.
casemate_emu_resume:
    cld
    mov rbx, rcx
    mov rdi, rcx
    call casemate_emu_on_resume
    test rax, rax
    je 1f
    mov rsi, rax
    mov eax, [rbx + {XFRM}]
    mov edx, [rbx + {XFRM} + 4]
    mov r11, rbx
    xrstor64 [rsi]
    jmp casemate_emu_tail
1:  mov eax, 4
    jmp casemate_emu_return

# Where a signal handler returns to after an asynchronous exit.
.globl casemate_emu_interrupted
casemate_emu_interrupted:
    mov eax, 1
    jmp casemate_emu_return

# ERESUME. RDI: record, registers loaded from the SSA. RSI: XSAVE area. RDX: XFRM.
.globl casemate_emu_eresume
.type casemate_emu_eresume,@function
casemate_emu_eresume:
    PUSH_CALLEE_SAVED
    mov r11, rdi
    mov rax, rdx
    shr rdx, 32
    xrstor64 [rsi]
# Back into the enclave with the registers in the record. A signal from here to the IRETQ is an
# asynchronous exit with the record's registers. R11: record.
.globl casemate_emu_tail
casemate_emu_tail:
    cmp qword ptr [r11 + {DEFERRED}], 0
    jne 1f
    mov qword ptr [r11 + {STATE}], {INSIDE}
    mov rax, [r11 + {FS_BASE}]
    wrfsbase rax
    mov rax, [r11 + {GS_BASE}]
    wrgsbase rax
    mov rax, [r11 + {REGS} + 0]
    mov rcx, [r11 + {REGS} + 8]
    mov rdx, [r11 + {REGS} + 16]
    mov rbx, [r11 + {REGS} + 24]
    mov rbp, [r11 + {REGS} + 40]
    mov rsi, [r11 + {REGS} + 48]
    mov rdi, [r11 + {REGS} + 56]
    mov r8, [r11 + {REGS} + 64]
    mov r9, [r11 + {REGS} + 72]
    mov r10, [r11 + {REGS} + 80]
    mov r12, [r11 + {REGS} + 96]
    mov r13, [r11 + {REGS} + 104]
    mov r14, [r11 + {REGS} + 112]
    mov r15, [r11 + {REGS} + 120]
    lea rsp, [r11 + {IRET}]
    mov r11, [r11 + {REGS} + 88]
    iretq
.globl casemate_emu_tail_end
casemate_emu_tail_end:
# A signal came while the leaf ran: do not go in.
1:  mov rsp, [r11 + {HOST_RSP}]
    mov eax, 2
    jmp casemate_emu_return

# The stubs that ENCLU sites jump to: {STUB_SIZE} bytes a site, in it 64 bytes a leaf. RAX is the leaf;
# no other register may change, and the stack is the enclave's.
.macro LEAF_BLOCK site, leaf
    .p2align 6
    rdgsbase rax
    shr rax, 20
    and eax, 511
    mov rax, [{GS_TABLE} + rax * 8]
    mov dword ptr [rax + {LEAF}], \leaf
    mov dword ptr [rax + {SITE}], \site
    jmp casemate_emu_leaf
.endm
.macro SITE_STUB site
    .p2align 9
    cmp eax, 4
    je casemate_emu_eexit
    cmp eax, 5
    je 5f
    cmp eax, 6
    je 6f
    cmp eax, 7
    je 7f
    cmp eax, 0
    je 8f
    cmp eax, 1
    je 1f
    ud2
1:  LEAF_BLOCK \site, 1
5:  LEAF_BLOCK \site, 5
6:  LEAF_BLOCK \site, 6
7:  LEAF_BLOCK \site, 7
8:  LEAF_BLOCK \site, 0
.endm
.p2align 9
.globl casemate_emu_sites
casemate_emu_sites:
    SITE_STUB 0
    SITE_STUB 1
    SITE_STUB 2
    SITE_STUB 3
    SITE_STUB 4
    SITE_STUB 5
    SITE_STUB 6
    SITE_STUB 7
    .p2align 9
.globl casemate_emu_sites_end
casemate_emu_sites_end:

# EEXIT: RCX and RAX are free. A signal up to its end completes it.
.globl casemate_emu_eexit
casemate_emu_eexit:
    rdgsbase rax
    shr rax, 20
    and eax, 511
    mov rax, [{GS_TABLE} + rax * 8]
    HOST_SEGMENTS rax, rcx
    mov qword ptr [rax + {STATE}], {OUTSIDE}
    mov rcx, [rax + {AEP}]
    jmp rbx
.globl casemate_emu_eexit_end
casemate_emu_eexit_end:

# Any other leaf. RAX: record. A signal before the state changes goes back to the ENCLU.
.globl casemate_emu_leaf
casemate_emu_leaf:
    mov [rax + {REGS} + 8], rcx
    mov [rax + {REGS} + 16], rdx
    mov [rax + {REGS} + 24], rbx
    mov [rax + {REGS} + 32], rsp
    mov [rax + {REGS} + 40], rbp
    mov [rax + {REGS} + 48], rsi
    mov [rax + {REGS} + 56], rdi
    mov [rax + {REGS} + 64], r8
    mov [rax + {REGS} + 72], r9
    mov [rax + {REGS} + 80], r10
    mov [rax + {REGS} + 88], r11
    mov [rax + {REGS} + 96], r12
    mov [rax + {REGS} + 104], r13
    mov [rax + {REGS} + 112], r14
    mov [rax + {REGS} + 120], r15
    mov qword ptr [rax + {STATE}], {LEAVING}
.globl casemate_emu_leaf_committed
casemate_emu_leaf_committed:
    mov rsp, [rax + {HOST_RSP}]
    pushfq
    pop qword ptr [rax + {IRET} + 16]
    rdfsbase rcx
    mov [rax + {FS_BASE}], rcx
    rdgsbase rcx
    mov [rax + {GS_BASE}], rcx
    HOST_SEGMENTS rax, rcx
    mov rbx, rax
    mov eax, -1
    mov edx, -1
    xsave64 [rbx + {XSAVE}]
    cld
    mov rdi, rbx
    call casemate_emu_on_leaf
    test eax, eax
    jne 1f
    mov eax, -1
    mov edx, -1
    xrstor64 [rbx + {XSAVE}]
    mov r11, rbx
    jmp casemate_emu_tail
1:  mov rsp, [rbx + {HOST_RSP}]
    mov eax, 1
    jmp casemate_emu_return

# Signal handler. RDI: number. RSI: siginfo. RDX: ucontext. FS and GS may be the enclave's: the record is
# found from the stack, which is the record's slot, and the host's FS is back before any Rust runs. SIGSYS blocks
# nothing, so that it can be left without a system call: a second handler may run on top of its own, and puts
# back what it changes in the record.
.globl casemate_emu_signal
.type casemate_emu_signal,@function
casemate_emu_signal:
    mov rcx, rsp
    and rcx, -{SLOT_SIZE}
    cmp rcx, [rip + casemate_emu_arena]
    jb casemate_emu_on_foreign_signal
    cmp rcx, [rip + casemate_emu_arena + 8]
    jae casemate_emu_on_foreign_signal
    push rbx
    push qword ptr [rcx + {SIGNAL_FS}]
    push qword ptr [rcx + {SIGNAL_GS}]
    mov rbx, rcx
    rdfsbase rax
    mov [rbx + {SIGNAL_FS}], rax
    rdgsbase rax
    mov [rbx + {SIGNAL_GS}], rax
    HOST_SEGMENTS rbx, rax
    cld
    call casemate_emu_on_signal
    test eax, eax
    jne 1f
    mov rax, [rbx + {SIGNAL_FS}]
    wrfsbase rax
    mov rax, [rbx + {SIGNAL_GS}]
    wrgsbase rax
    pop qword ptr [rbx + {SIGNAL_GS}]
    pop qword ptr [rbx + {SIGNAL_FS}]
    pop rbx
    ret
# An asynchronous exit is made and the record says how to enter again: leaves the signal frame behind.
1:  mov r11, rbx
    jmp casemate_emu_eenter_window

.data
.p2align 3
.globl casemate_emu_arena
casemate_emu_arena:
    .quad 0, 0
.text
