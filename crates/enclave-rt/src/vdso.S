# The vDSO: a shared object of one page that answers clock_gettime, gettimeofday, time and getcpu in the application.
# It is mapped into application memory, so a signal finds its address there. libc looks its symbols up by name and
# version (vdso(7)).

.macro DYNAMIC tag, value
    .quad \tag, \value
.endm
.macro SYMBOL name, code
    .long \name - vdso_strings
    .byte 0x12, 0
    .short 1
    .quad \code - casemate_rt_vdso, \code\()_end - \code
.endm

.section .rodata.casemate_vdso,"a",@progbits
.p2align 12
.globl casemate_rt_vdso
casemate_rt_vdso:
    .byte 0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0
    .zero 8
    .short 3, 62
    .long 1
    .quad 0, 64, 0
    .long 0
    .short 64, 56, 2, 64, 0, 0
# PT_LOAD, then PT_DYNAMIC.
    .long 1, 5
    .quad 0, 0, 0, vdso_end - casemate_rt_vdso, vdso_end - casemate_rt_vdso, 4096
    .long 2, 4
    .quad vdso_dynamic - casemate_rt_vdso, vdso_dynamic - casemate_rt_vdso
    .quad vdso_dynamic - casemate_rt_vdso
    .quad vdso_dynamic_end - vdso_dynamic, vdso_dynamic_end - vdso_dynamic, 8

# Address of the clocks; the library OS fills it in. Each clock: sequence, counter, nanoseconds, nanoseconds per tick
# with 32 fraction bits, ticks it is good for.
.globl casemate_rt_vdso_clocks
casemate_rt_vdso_clocks:
    .quad 0

vdso_dynamic:
    DYNAMIC 4, vdso_hash-casemate_rt_vdso
    DYNAMIC 5, vdso_strings-casemate_rt_vdso
    DYNAMIC 6, vdso_symbols-casemate_rt_vdso
    DYNAMIC 10, vdso_strings_end-vdso_strings
    DYNAMIC 11, 24
    DYNAMIC 14, vdso_name-vdso_strings
    DYNAMIC 0x6ffffff0, vdso_versions-casemate_rt_vdso
    DYNAMIC 0x6ffffffc, vdso_defined-casemate_rt_vdso
    DYNAMIC 0x6ffffffd, 2
    DYNAMIC 0, 0
vdso_dynamic_end:

# One bucket; every symbol but the last is followed by the next.
vdso_hash:
    .long 1, 6, 1, 0, 2, 3, 4, 5, 0

.p2align 3
vdso_symbols:
    .zero 24
    SYMBOL vdso_name_clock_gettime, vdso_clock_gettime
    SYMBOL vdso_name_gettimeofday, vdso_gettimeofday
    SYMBOL vdso_name_time, vdso_time
    SYMBOL vdso_name_getcpu, vdso_getcpu
    SYMBOL vdso_name_clock_getres, vdso_clock_getres

vdso_versions:
    .short 0, 2, 2, 2, 2, 2
.p2align 2
vdso_defined:
    .short 1, 1, 1, 1
    .long 0, 20, 28, vdso_name - vdso_strings, 0
    .short 1, 0, 2, 1
    .long 0x3ae75f6, 20, 0, vdso_name_version - vdso_strings, 0

vdso_strings:
    .byte 0
vdso_name: .asciz "linux-vdso.so.1"
vdso_name_version: .asciz "LINUX_2.6"
vdso_name_clock_gettime: .asciz "__vdso_clock_gettime"
vdso_name_gettimeofday: .asciz "__vdso_gettimeofday"
vdso_name_time: .asciz "__vdso_time"
vdso_name_getcpu: .asciz "__vdso_getcpu"
vdso_name_clock_getres: .asciz "__vdso_clock_getres"
vdso_strings_end:

# A system call that enters the library OS without a trap. One that is to run again does trap.
.macro CALL_LIBRARY_OS number
    mov eax, \number
    lea rcx, [rip + 8f]
    jmp gs:[{ENTRY}]
    syscall
8:  ret
.endm

# RAX: the time of the clock at R8 in nanoseconds. Goes to `otherwise` when the clock does not say. Clobbers RCX, RDX,
# R9.
.macro READ_CLOCK otherwise
1:  mov r9, [r8]
    test r9d, 1
    jne 2f
    mov rcx, [r8 + 24]
    test rcx, rcx
    je \otherwise
    lfence
    rdtsc
    shl rdx, 32
    or rax, rdx
    sub rax, [r8 + 8]
    jb \otherwise
    cmp rax, [r8 + 32]
    ja \otherwise
    mul rcx
    shrd rax, rdx, 32
    add rax, [r8 + 16]
    cmp r9, [r8]
    je 3f
2:  pause
    jmp 1b
3:
.endm

.p2align 4
vdso_clock_gettime:
    cmp edi, 7
    ja 9f
    mov ecx, edi
    mov r8, [rip + casemate_rt_vdso_clocks]
    mov eax, {REAL_CLOCKS}
    bt eax, ecx
    jc 4f
    mov eax, {MONOTONIC_CLOCKS}
    bt eax, ecx
    jnc 9f
    add r8, 64
4:  READ_CLOCK 9f
    mov ecx, 1000000000
    xor edx, edx
    div rcx
    mov [rsi], rax
    mov [rsi + 8], rdx
    xor eax, eax
    ret
9:  CALL_LIBRARY_OS 228
vdso_clock_gettime_end:

.p2align 4
vdso_gettimeofday:
    test rsi, rsi
    jne 9f
    test rdi, rdi
    je 9f
    mov r8, [rip + casemate_rt_vdso_clocks]
    READ_CLOCK 9f
    mov ecx, 1000000000
    xor edx, edx
    div rcx
    mov [rdi], rax
    mov eax, edx
    mov ecx, 1000
    xor edx, edx
    div ecx
    mov [rdi + 8], rax
    xor eax, eax
    ret
9:  CALL_LIBRARY_OS 96
vdso_gettimeofday_end:

.p2align 4
vdso_time:
    mov r8, [rip + casemate_rt_vdso_clocks]
    READ_CLOCK 9f
    mov ecx, 1000000000
    xor edx, edx
    div rcx
    test rdi, rdi
    je 4f
    mov [rdi], rax
4:  ret
9:  CALL_LIBRARY_OS 201
vdso_time_end:

.p2align 4
vdso_getcpu:
    CALL_LIBRARY_OS 309
vdso_getcpu_end:

.p2align 4
vdso_clock_getres:
    CALL_LIBRARY_OS 229
vdso_clock_getres_end:
vdso_end:
.globl casemate_rt_vdso_end
casemate_rt_vdso_end:
.text
