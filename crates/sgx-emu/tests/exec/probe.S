# A small enclave. RDI selects what it does; RSI and RDX are its arguments; RDI returns the result.
.macro ENCLU_SITE
    .byte 0x0f, 0x01, 0xd7, 0x0f, 0x1f, 0x44, 0x00, 0x00
.endm

.section .text.probe,"ax",@progbits
.globl probe_start
probe_start:
    test rax, rax
    jne probe_event
    cmp rdi, 9
    ja probe_exit
    lea r10, [rip + probe_table]
    movsxd r11, dword ptr [r10 + rdi * 4]
    add r10, r11
    jmp r10
probe_table:
    .long probe_add - probe_table
    .long probe_leaf - probe_table
    .long probe_storm - probe_table
    .long probe_fault - probe_table
    .long probe_syscall - probe_table
    .long probe_cpuid - probe_table
    .long probe_spin - probe_table
    .long probe_touch - probe_table
    .long probe_poke - probe_table
    .long probe_storm_syscall - probe_table

# CSSA 1: counts, and skips the faulting instruction: 2 bytes if RDI is 11, else as many as RSI says.
probe_event:
    inc qword ptr [{DATA} + 0x4020]
    mov r10d, [{SSA} + 0x4000 - 184 + 160]
    mov [{DATA} + 0x4028], r10
    mov r10, [{SSA} + 0x4000 - 184 - 16]
    mov [{DATA} + 0x4030], r10
    cmp rdi, 11
    jne 1f
    mov esi, 2
1:  add [{SSA} + 0x4000 - 184 + 136], rsi
    mov edi, 2
probe_exit:
    mov rbx, rcx
    mov eax, 4
.globl probe_site_exit
probe_site_exit:
    ENCLU_SITE
    ud2

# RSI + RDX.
probe_add:
    lea rdi, [rsi + rdx]
    jmp probe_exit

# ENCLU with the RAX, RBX, RCX, RDX at DATA + 0x4040; RAX returned.
probe_leaf:
    mov r12, rcx
    mov rax, [{DATA} + 0x4040]
    mov rbx, [{DATA} + 0x4048]
    mov rcx, [{DATA} + 0x4050]
    mov rdx, [{DATA} + 0x4058]
.globl probe_site_leaf
probe_site_leaf:
    ENCLU_SITE
    mov rdi, rax
    mov rcx, r12
    jmp probe_exit

# RSI rounds of: load every register, spin RDX times, compare every register. 0, or the step that failed.
# Between loading and comparing, a system call in the second variant; it may change RCX and R11.
.macro STORM between
    mov [{DATA} + 0x4000], rsp
    mov [{DATA} + 0x4008], rbp
    mov [{DATA} + 0x4010], rcx
    mov [{DATA} + 0x4018], rsi
    mov [{DATA} + 0x4038], rdx
    mov eax, -1
    mov edx, -1
    xrstor64 [{DATA}]
    xsave64 [{DATA}]
1:  mov eax, -1
    mov edx, -1
    xrstor64 [{DATA}]
    mov rax, [{DATA} + 0x5000]
    mov rbx, [{DATA} + 0x5008]
    mov rdx, [{DATA} + 0x5010]
    mov rsi, [{DATA} + 0x5018]
    mov rdi, [{DATA} + 0x5020]
    mov rbp, [{DATA} + 0x5028]
    mov rsp, [{DATA} + 0x5030]
    mov r8, [{DATA} + 0x5038]
    mov r9, [{DATA} + 0x5040]
    mov r10, [{DATA} + 0x5048]
    mov r11, [{DATA} + 0x5050]
    mov r12, [{DATA} + 0x5058]
    mov r13, [{DATA} + 0x5060]
    mov r14, [{DATA} + 0x5068]
    mov r15, [{DATA} + 0x5070]
    wrfsbase r15
    mov rcx, [{DATA} + 0x4038]
    std
2:  dec rcx
    jnz 2b
    \between
    jnz probe_storm_flags
    cmp rax, [{DATA} + 0x5000]
    jne probe_storm_gpr
    cmp rbx, [{DATA} + 0x5008]
    jne probe_storm_gpr
    cmp rdx, [{DATA} + 0x5010]
    jne probe_storm_gpr
    cmp rsi, [{DATA} + 0x5018]
    jne probe_storm_gpr
    cmp rdi, [{DATA} + 0x5020]
    jne probe_storm_gpr
    cmp rbp, [{DATA} + 0x5028]
    jne probe_storm_gpr
    cmp rsp, [{DATA} + 0x5030]
    jne probe_storm_gpr
    cmp r8, [{DATA} + 0x5038]
    jne probe_storm_gpr
    cmp r9, [{DATA} + 0x5040]
    jne probe_storm_gpr
    cmp r10, [{DATA} + 0x5048]
    jne probe_storm_gpr
    cmp r11, [{DATA} + 0x5050]
    jne probe_storm_gpr
    cmp r12, [{DATA} + 0x5058]
    jne probe_storm_gpr
    cmp r13, [{DATA} + 0x5060]
    jne probe_storm_gpr
    cmp r14, [{DATA} + 0x5068]
    jne probe_storm_gpr
    cmp r15, [{DATA} + 0x5070]
    jne probe_storm_gpr
    rdfsbase rax
    cmp rax, r15
    jne probe_storm_segment
    rdgsbase rax
    cmp rax, {TCB}
    jne probe_storm_segment
    cld
    mov eax, -1
    mov edx, -1
    xsave64 [{DATA} + 0x2000]
    mov esi, {DATA}
    mov edi, {DATA} + 0x2000
    mov ecx, [{DATA} + 0x5078]
    repe cmpsb
    jne probe_storm_vector
    dec qword ptr [{DATA} + 0x4018]
    jnz 1b
    xor edi, edi
    jmp probe_storm_out
.endm
.macro SYSTEM_CALL
    syscall
    mov r11, [{DATA} + 0x5058 - 8]
.endm
probe_storm:
    STORM
probe_storm_syscall:
    STORM SYSTEM_CALL
probe_storm_out:
    cld
    mov rsp, [{DATA} + 0x4000]
    mov rbp, [{DATA} + 0x4008]
    mov rcx, [{DATA} + 0x4010]
    jmp probe_exit
probe_storm_flags:
    mov edi, 1
    jmp probe_storm_out
probe_storm_gpr:
    mov edi, 2
    jmp probe_storm_out
probe_storm_segment:
    mov edi, 3
    jmp probe_storm_out
probe_storm_vector:
    mov edi, 4
    jmp probe_storm_out

# Reads address RSI, 3 bytes of code; RDI: what was read, or RDX if the instruction was skipped.
probe_fault:
    mov rdi, rdx
    mov rdi, [rsi]
    jmp probe_exit

# A system call.
probe_syscall:
    mov r12, rcx
    mov eax, 39
    syscall
    mov rcx, r12
    mov rdi, rax
    jmp probe_exit

probe_cpuid:
    mov r12, rcx
    xor eax, eax
    cpuid
    mov rcx, r12
    mov rdi, rax
    jmp probe_exit

# Runs until DATA + 0x4060 is not zero.
probe_spin:
    cmp qword ptr [{DATA} + 0x4060], 0
    je probe_spin
    mov rdi, [{DATA} + 0x4020]
    jmp probe_exit

# Writes RDX to RSI and reads it back.
probe_touch:
    mov [rsi], rdx
    mov rdi, [rsi]
    jmp probe_exit

# Writes RDX to RSI.
probe_poke:
    mov [rsi], rdx
    jmp probe_exit
.globl probe_end
probe_end:
.text
