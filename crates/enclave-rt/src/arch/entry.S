# Entry, exit and exceptions of the enclave. GS is the thread control block.

# An ENCLU site: eight bytes, so that the emulator can put a jump in its place.
.macro ENCLU_SITE name
\name:
    .byte 0x0f, 0x01, 0xd7, 0x0f, 0x1f, 0x44, 0x00, 0x00
.endm

# Puts the extended state into its initial configuration. Clobbers RAX, RDX, R8.
.macro INIT_EXTENDED_STATE
    mov eax, -1
    mov edx, -1
    lea r8, [rip + casemate_rt_init_state]
    xrstor [r8]
.endm

# EEXIT to RBX. RDI, RSI and RDX carry the message, RSP and RBP are already the host's; every other
# register is cleared.
.macro SCRUB_AND_EXIT site
    xor ecx, ecx
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
    xor r12d, r12d
    xor r13d, r13d
    xor r14d, r14d
    xor r15d, r15d
    mov eax, 4
    ENCLU_SITE \site
    ud2
.endm

.section .rodata.casemate_rt,"a",@progbits
.p2align 6
# Legacy region with FCW and MXCSR, then an XSAVE header that names no component.
casemate_rt_init_state:
    .short 0x37f
    .zero 22
    .long {MXCSR}
    .zero 548
casemate_rt_mxcsr:
    .long {MXCSR}

# Instructions that may fault on application memory, and where to go on; both relative to the entry.
.p2align 2
casemate_rt_fixups:
.macro FIXUP at, to
9:  .long \at - 9b, \to - 9b
.endm
    FIXUP casemate_rt_copy_at, casemate_rt_copy_done
    FIXUP casemate_rt_zero_at, casemate_rt_zero_done
    FIXUP casemate_rt_load_at, casemate_rt_word_fault
    FIXUP casemate_rt_cas_at, casemate_rt_word_fault
    FIXUP casemate_rt_site_leaf, casemate_rt_leaf_fault
    .long 0, 0

# 0: nobody has entered; 1: the first thread relocates; 2: relocated.
.section .data.casemate_rt,"aw",@progbits
.p2align 2
casemate_rt_started:
    .long 0

.section .note.casemate.enclu,"aR",@note
.p2align 2
    .long 9, 2f - 1f, 1
    .asciz "Casemate"
    .p2align 2
1:
    .quad casemate_rt_site_exit - .
    .quad casemate_rt_site_resume - .
    .quad casemate_rt_site_leaf - .
2:

.section .text.casemate_rt,"ax",@progbits

# RAX: CSSA. RBX: TCS. RCX: return address. RDI, RSI: the host's message.
.globl _start
.type _start,@function
_start:
    cld
    test rax, rax
    jne casemate_rt_stage1
    mov gs:[{URSP}], rsp
    mov gs:[{URBP}], rbp
    mov gs:[{HOST_RET}], rcx
    mov rax, gs:[{STATE}]
    cmp rax, {STATE_OCALL}
    je casemate_rt_answered
    test rax, rax
    jne casemate_rt_bad_entry

    mov rsp, gs:[{KERNEL_STACK_TOP}]
    sub rsp, {CONTEXT_SIZE}
    mov gs:[{CTX}], rsp
    push 2
    popfq
    INIT_EXTENDED_STATE
    mov qword ptr gs:[{STATE}], {STATE_INSIDE}
    mov r12, rdi
    mov r13, rsi
    cmp rdi, {ENTER_START}
    je 1f
    cmp rdi, {ENTER_THREAD}
    jne casemate_rt_bad_entry
    cmp dword ptr [rip + casemate_rt_started], 2
    jne casemate_rt_bad_entry
    jmp 2f
1:  xor eax, eax
    mov ecx, 1
    lock cmpxchg dword ptr [rip + casemate_rt_started], ecx
    jne casemate_rt_bad_entry
    call casemate_rt_relocate
    mov dword ptr [rip + casemate_rt_started], 2
2:  mov rdi, r12
    mov rsi, r13
    call casemate_rt_start
    ud2

# Applies the image's R_X86_64_RELATIVE relocations. Uses no relocated data itself.
casemate_rt_relocate:
    lea r8, [rip + __ehdr_start]
    lea r9, [rip + _DYNAMIC]
    xor r10d, r10d
    xor r11d, r11d
1:  mov rax, [r9]
    test rax, rax
    je 4f
    cmp rax, 7
    jne 2f
    mov r10, [r9 + 8]
2:  cmp rax, 8
    jne 3f
    mov r11, [r9 + 8]
3:  add r9, 16
    jmp 1b
4:  add r10, r8
    add r11, r10
5:  cmp r10, r11
    jae 6f
    cmp dword ptr [r10 + 8], 8
    jne casemate_rt_bad_entry
    mov rax, [r10]
    mov rdx, [r10 + 16]
    add rdx, r8
    mov [rax + r8], rdx
    add r10, 24
    jmp 5b
6:  ret

# RDI: address of the frame. Saves what Rust expects to survive and the application's extended
# state, which the host would see and clobber.
.globl casemate_rt_ocall
.type casemate_rt_ocall,@function
casemate_rt_ocall:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov gs:[{OCALL_FRAME}], rsp
    sub rsp, {XSAVE_AREA}
    and rsp, -64
    mov gs:[{OCALL_SP}], rsp
    xor eax, eax
    mov [rsp + 512], rax
    mov [rsp + 520], rax
    mov [rsp + 528], rax
    mov [rsp + 536], rax
    mov [rsp + 544], rax
    mov [rsp + 552], rax
    mov [rsp + 560], rax
    mov [rsp + 568], rax
    mov eax, -1
    mov edx, -1
    xsavec [rsp]
    INIT_EXTENDED_STATE
    mov rsi, rdi
    mov edi, {EXIT_OCALL}
    xor edx, edx
    mov qword ptr gs:[{STATE}], {STATE_OCALL}
casemate_rt_leave:
    mov rbx, gs:[{HOST_RET}]
    mov rsp, gs:[{URSP}]
    mov rbp, gs:[{URBP}]
    SCRUB_AND_EXIT casemate_rt_site_exit

casemate_rt_answered:
    cmp rdi, {ENTER_OCALL_RETURN}
    jne casemate_rt_bad_entry
    or gs:[{EVENT}], rsi
    mov rsp, gs:[{OCALL_SP}]
    mov qword ptr gs:[{STATE}], {STATE_INSIDE}
    mov eax, -1
    mov edx, -1
    xrstor [rsp]
    mov rsp, gs:[{OCALL_FRAME}]
    push 2
    popfq
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

.globl casemate_rt_exit_thread
.type casemate_rt_exit_thread,@function
casemate_rt_exit_thread:
    INIT_EXTENDED_STATE
    mov edi, {EXIT_THREAD}
    xor esi, esi
    xor edx, edx
    mov qword ptr gs:[{STATE}], {STATE_FREE}
    jmp casemate_rt_leave

casemate_rt_bad_entry:
    mov edi, {ABORT_BAD_ENTRY}
    xor esi, esi
# RDI: code. RSI: detail.
.globl casemate_rt_abort
.type casemate_rt_abort,@function
casemate_rt_abort:
    mov rdx, rsi
    mov rsi, rdi
    mov r9, rdx
    INIT_EXTENDED_STATE
    mov rdx, r9
    mov edi, {EXIT_ABORT}
    jmp casemate_rt_leave

# Stage 1. Runs at CSSA 1 on the exception stack; must not fault. R8: GPRSGX of SSA frame 0. The host's
# registers and vector state are live; nothing of the application is in them.
casemate_rt_stage1:
    mov gs:[{EXC_URSP}], rsp
    mov gs:[{EXC_URBP}], rbp
    mov gs:[{EXC_RET}], rcx
    mov rsp, gs:[{EXCEPTION_STACK_TOP}]
    push 2
    popfq
    cmp rax, 1
    jne casemate_rt_stage1_fatal
    cmp rdi, {ENTER_EVENT}
    jne 1f
    or rsi, {EVENT_LOOK}
    or gs:[{EVENT}], rsi
1:  mov r8, gs:[{SSA}]
    add r8, {GPRSGX}
    mov r9, [r8 + 136]
    mov r10d, [r8 + 160]
    mov dword ptr [r8 + 160], 0
    lea r11, [rip + __ehdr_start]
    cmp r9, r11
    jb casemate_rt_stage1_app
    lea r11, [rip + _end]
    cmp r9, r11
    jae casemate_rt_stage1_app

    # The runtime or the library OS was interrupted.
    test r10d, r10d
    js 1f
    lea r11, [rip + casemate_rt_return]
    cmp r9, r11
    jb casemate_rt_stage1_done
    lea rax, [rip + casemate_rt_return_end]
    cmp r9, rax
    jae casemate_rt_stage1_done
    mov [r8 + 136], r11
    jmp casemate_rt_stage1_done
1:  cmp r10b, 14
    jne casemate_rt_stage1_fatal
    lea r11, [rip + casemate_rt_fixups]
2:  movsxd rax, dword ptr [r11]
    test rax, rax
    je casemate_rt_stage1_fatal
    add rax, r11
    cmp rax, r9
    je 3f
    add r11, 8
    jmp 2b
3:  movsxd rax, dword ptr [r11 + 4]
    add rax, r11
    mov [r8 + 136], rax
    mov rax, [r8 - 16]
    mov gs:[{FAULT_ADDR}], rax
    jmp casemate_rt_stage1_done

    # The application was interrupted: its registers become the thread's Context.
casemate_rt_stage1_app:
    mov gs:[{TRAP_INFO}], r10
    mov rax, [r8 - 16]
    mov gs:[{TRAP_ADDR}], rax
    mov eax, [r8 - 8]
    mov gs:[{TRAP_ERR}], rax
    mov r11, gs:[{CTX}]
.macro CONTEXT_FROM_SSA context, ssa
    mov rax, [r8 + \ssa]
    mov [r11 + \context], rax
.endm
    CONTEXT_FROM_SSA 256, 0
    CONTEXT_FROM_SSA 264, 24
    CONTEXT_FROM_SSA 272, 8
    CONTEXT_FROM_SSA 280, 16
    CONTEXT_FROM_SSA 288, 48
    CONTEXT_FROM_SSA 296, 56
    CONTEXT_FROM_SSA 304, 40
    CONTEXT_FROM_SSA 312, 32
    CONTEXT_FROM_SSA 320, 64
    CONTEXT_FROM_SSA 328, 72
    CONTEXT_FROM_SSA 336, 80
    CONTEXT_FROM_SSA 344, 88
    CONTEXT_FROM_SSA 352, 96
    CONTEXT_FROM_SSA 360, 104
    CONTEXT_FROM_SSA 368, 112
    CONTEXT_FROM_SSA 376, 120
    CONTEXT_FROM_SSA 384, 136
    CONTEXT_FROM_SSA 392, 128
    CONTEXT_FROM_SSA 400, 168
    lea rax, [rip + casemate_rt_stage2]
    mov [r8 + 136], rax
    mov [r8 + 32], r11
    mov qword ptr [r8 + 128], 2

casemate_rt_stage1_done:
    mov edi, {EXIT_RESUME}
    xor esi, esi
    xor edx, edx
casemate_rt_stage1_leave:
    mov rbx, gs:[{EXC_RET}]
    mov rsp, gs:[{EXC_URSP}]
    mov rbp, gs:[{EXC_URBP}]
    SCRUB_AND_EXIT casemate_rt_site_resume

casemate_rt_stage1_fatal:
    mov edi, {EXIT_ABORT}
    mov esi, {ABORT_RUNTIME_FAULT}
    movzx edx, r10b
    # A debug enclave tells where; a production enclave's addresses stay inside.
    jmp casemate_rt_stage1_leave

# Vector registers and floating-point control into the Context at RSP; those of the runtime.
.macro SAVE_VECTORS
    movaps [rsp + 0], xmm0
    movaps [rsp + 16], xmm1
    movaps [rsp + 32], xmm2
    movaps [rsp + 48], xmm3
    movaps [rsp + 64], xmm4
    movaps [rsp + 80], xmm5
    movaps [rsp + 96], xmm6
    movaps [rsp + 112], xmm7
    movaps [rsp + 128], xmm8
    movaps [rsp + 144], xmm9
    movaps [rsp + 160], xmm10
    movaps [rsp + 176], xmm11
    movaps [rsp + 192], xmm12
    movaps [rsp + 208], xmm13
    movaps [rsp + 224], xmm14
    movaps [rsp + 240], xmm15
    stmxcsr [rsp + 408]
    mov dword ptr [rsp + 412], 0
    fnstcw [rsp + 412]
    ldmxcsr [rip + casemate_rt_mxcsr]
.endm

# A rewritten system call, from its trampoline. RCX: where it returns to, RAX: its number; R11 is free, all else is
# the application's. DF, AC and ID are cleared.
.globl casemate_rt_fast
.type casemate_rt_fast,@function
casemate_rt_fast:
    mov r11, gs:[{CTX}]
    mov [r11 + 312], rsp
    mov rsp, r11
    pushfq
    pop qword ptr [r11 + 392]
    mov [r11 + 256], rax
    mov [r11 + 264], rbx
    mov [r11 + 272], rcx
    mov [r11 + 280], rdx
    mov [r11 + 288], rsi
    mov [r11 + 296], rdi
    mov [r11 + 304], rbp
    mov [r11 + 320], r8
    mov [r11 + 328], r9
    mov [r11 + 336], r10
    mov [r11 + 352], r12
    mov [r11 + 360], r13
    mov [r11 + 368], r14
    mov [r11 + 376], r15
    mov [r11 + 384], rcx
    mov rax, [r11 + 392]
    mov [r11 + 344], rax
    rdfsbase rcx
    mov [r11 + 400], rcx
    test eax, 0x240400
    je 1f
    push 2
    popfq
1:  inc qword ptr gs:[{FAST_CALLS}]
    SAVE_VECTORS
    mov rdi, rsp
    call casemate_rt_fast_call
    jmp casemate_rt_return

# Stage 2. Runs at CSSA 0 on the kernel stack; the application's vector registers are live.
casemate_rt_stage2:
    SAVE_VECTORS
    mov rdi, rsp
    call casemate_rt_trap

# Back to the application with the thread's Context. Restartable up to its last instruction: all state is in
# memory. The x87 unit is not touched: the runtime has not used it.
.globl casemate_rt_return
.type casemate_rt_return,@function
casemate_rt_return:
    mov rsp, gs:[{CTX}]
    cmp qword ptr gs:[{EVENT}], 0
    jne casemate_rt_return_event
    movaps xmm0, [rsp + 0]
    movaps xmm1, [rsp + 16]
    movaps xmm2, [rsp + 32]
    movaps xmm3, [rsp + 48]
    movaps xmm4, [rsp + 64]
    movaps xmm5, [rsp + 80]
    movaps xmm6, [rsp + 96]
    movaps xmm7, [rsp + 112]
    movaps xmm8, [rsp + 128]
    movaps xmm9, [rsp + 144]
    movaps xmm10, [rsp + 160]
    movaps xmm11, [rsp + 176]
    movaps xmm12, [rsp + 192]
    movaps xmm13, [rsp + 208]
    movaps xmm14, [rsp + 224]
    movaps xmm15, [rsp + 240]
    ldmxcsr [rsp + 408]
    mov rax, [rsp + 400]
    rdfsbase rcx
    cmp rax, rcx
    je 1f
    wrfsbase rax
1:  mov rax, [rsp + 384]
    mov gs:[{USER_RIP}], rax
    mov rax, [rsp + 312]
    mov gs:[{USER_RSP}], rax
    # POPFQ is slow: without DF, AC and ID, LAHF's flags and OF are all there is.
    mov rax, [rsp + 392]
    test eax, 0x240400
    jne 2f
    mov ecx, eax
    shr ecx, 11
    and ecx, 1
    mov ah, al
    add cl, 0x7f
    sahf
    jmp 3f
2:  push rax
    popfq
3:  mov rax, [rsp + 256]
    mov rbx, [rsp + 264]
    mov rcx, [rsp + 272]
    mov rdx, [rsp + 280]
    mov rsi, [rsp + 288]
    mov rdi, [rsp + 296]
    mov rbp, [rsp + 304]
    mov r8, [rsp + 320]
    mov r9, [rsp + 328]
    mov r10, [rsp + 336]
    mov r11, [rsp + 344]
    mov r12, [rsp + 352]
    mov r13, [rsp + 360]
    mov r14, [rsp + 368]
    mov r15, [rsp + 376]
    mov rsp, gs:[{USER_RSP}]
    jmp gs:[{USER_RIP}]
casemate_rt_return_end:

casemate_rt_return_event:
    xor esi, esi
    xchg gs:[{EVENT}], rsi
    mov rdi, rsp
    call casemate_rt_event
    jmp casemate_rt_return

# RDI: to. RSI: from. RDX: bytes. Returns the bytes not copied.
.globl casemate_rt_copy
.type casemate_rt_copy,@function
casemate_rt_copy:
    mov rcx, rdx
casemate_rt_copy_at:
    rep movsb
casemate_rt_copy_done:
    mov rax, rcx
    ret

# RDI: to. RSI: bytes. Returns the bytes not zeroed.
.globl casemate_rt_zero
.type casemate_rt_zero,@function
casemate_rt_zero:
    mov rcx, rsi
    xor eax, eax
casemate_rt_zero_at:
    rep stosb
casemate_rt_zero_done:
    mov rax, rcx
    ret

# RDI, RSI: the ranges. RDX: bytes, a multiple of 64.
.globl casemate_rt_exchange
.type casemate_rt_exchange,@function
casemate_rt_exchange:
    add rdx, rdi
1:  cmp rdi, rdx
    jae 2f
    movaps xmm0, [rdi]
    movaps xmm1, [rdi + 16]
    movaps xmm2, [rdi + 32]
    movaps xmm3, [rdi + 48]
    movaps xmm4, [rsi]
    movaps xmm5, [rsi + 16]
    movaps xmm6, [rsi + 32]
    movaps xmm7, [rsi + 48]
    movaps [rsi], xmm0
    movaps [rsi + 16], xmm1
    movaps [rsi + 32], xmm2
    movaps [rsi + 48], xmm3
    movaps [rdi], xmm4
    movaps [rdi + 16], xmm5
    movaps [rdi + 32], xmm6
    movaps [rdi + 48], xmm7
    add rdi, 64
    add rsi, 64
    jmp 1b
2:  ret

# RDI: from. RSI: out.
.globl casemate_rt_load_u32
.type casemate_rt_load_u32,@function
casemate_rt_load_u32:
casemate_rt_load_at:
    mov eax, [rdi]
    mov [rsi], eax
    xor eax, eax
    ret
casemate_rt_word_fault:
    mov eax, 1
    ret

# RDI: at. ESI: expected. EDX: new. RCX: out.
.globl casemate_rt_compare_exchange_u32
.type casemate_rt_compare_exchange_u32,@function
casemate_rt_compare_exchange_u32:
    mov eax, esi
casemate_rt_cas_at:
    lock cmpxchg dword ptr [rdi], edx
    mov [rcx], eax
    xor eax, eax
    ret

# RDI: leaf. RSI, RDX, RCX: its RBX, RCX, RDX. Returns RAX, or all ones when an operand page faulted.
.globl casemate_rt_enclu
.type casemate_rt_enclu,@function
casemate_rt_enclu:
    push rbx
    mov eax, edi
    mov rbx, rsi
    mov r8, rcx
    mov rcx, rdx
    mov rdx, r8
    ENCLU_SITE casemate_rt_site_leaf
    pop rbx
    ret
casemate_rt_leaf_fault:
    mov rax, {LEAF_FAULT}
    pop rbx
    ret
