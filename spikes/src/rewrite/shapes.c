/* Makes system call 102 (getuid) at sites of every shape, with known values in all registers, in
 * the flags and in the red zone, and prints what it finds afterwards. Run natively and rewritten,
 * the output must be the same. */
#include <stdio.h>

extern unsigned long found[20];
extern const char after_mov_eax[], after_mov_rax[], after_memory[], after_two[], after_jump[];
void mov_eax(void), mov_rax(void), memory(void), two(void), jump(void);

#define SHAPE(name, ...) \
    ".type " #name ", @function\n" #name ":\n" \
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n" \
    "mov $0x1101, %rbx; mov $0x1202, %rbp; mov $0x1303, %rsi; mov $0x1404, %rdi\n" \
    "mov $0x1505, %r8; mov $0x1606, %r9; mov $0x1707, %r10; mov $0x1808, %r12\n" \
    "mov $0x1909, %r13; mov $0x1a0a, %r14; mov $0x1b0b, %r15; mov $0x1c0c, %rdx\n" \
    "movq $0x2101, -8(%rsp); movq $0x2202, -128(%rsp)\n" \
    "mov %rsp, found+144(%rip)\n" \
    "mov $0x7f, %al; add $1, %al; stc\n" /* OF, SF, AF and CF set */ \
    __VA_ARGS__ \
    ".globl after_" #name "\nafter_" #name ":\n" \
    "mov %rax, found(%rip); lahf; seto %al; movzwl %ax, %eax; mov %rax, found+8(%rip)\n" \
    "mov %rbx, found+16(%rip); mov %rbp, found+24(%rip); mov %rsi, found+32(%rip)\n" \
    "mov %rdi, found+40(%rip); mov %r8, found+48(%rip); mov %r9, found+56(%rip)\n" \
    "mov %r10, found+64(%rip); mov %r12, found+72(%rip); mov %r13, found+80(%rip)\n" \
    "mov %r14, found+88(%rip); mov %r15, found+96(%rip); mov %rdx, found+104(%rip)\n" \
    "mov %rcx, found+112(%rip); mov %r11, found+120(%rip)\n" \
    "mov -8(%rsp), %rax; mov %rax, found+128(%rip)\n" \
    "mov -128(%rsp), %rax; mov %rax, found+136(%rip)\n" \
    "sub %rsp, found+144(%rip)\n" \
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n" \
    ".size " #name ", . - " #name "\n"

__asm__(".data\n.globl found\nfound: .fill 20, 8\nnumber: .quad 102\n.text\n"
        SHAPE(mov_eax, "mov $102, %eax; syscall\n")
        SHAPE(mov_rax, "mov $102, %rax; syscall\n")
        SHAPE(memory, "mov number(%rip), %rax; syscall\n")
        SHAPE(two, "mov $102, %al; movzbl %al, %eax; syscall\n")
        SHAPE(jump, "mov $102, %rax; jmp 1f; mov $0, %eax; 1: syscall\n"));

static void show(const char *name, void (*call)(void), const char *after) {
    call();
    found[14] -= (unsigned long)after;
    found[15] &= 0x8d5;
    printf("%s:", name);
    for (int i = 0; i < 19; i++) printf(" %lx", found[i]);
    printf("\n");
}

int main(void) {
    show("mov eax", mov_eax, after_mov_eax);
    show("mov rax", mov_rax, after_mov_rax);
    show("memory", memory, after_memory);
    show("two", two, after_two);
    show("jump to the site", jump, after_jump);
    return 0;
}
