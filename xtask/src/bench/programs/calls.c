// calls NAME: nanoseconds of one operation, best of 5 loops. Linked with the system's own libc.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int zero, null, file, ends[2];
static char buffer[4096];
static int word;
static volatile long sink;

static void op_getpid(void) { sink = getpid(); }
static void op_clock_gettime(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    sink = now.tv_nsec;
}
static void op_read(void) { sink = read(zero, buffer, 1); }
static void op_write_1(void) { sink = write(null, buffer, 1); }
static void op_write_4k(void) { sink = write(null, buffer, sizeof buffer); }
static void op_stat(void) {
    struct stat found;
    sink = stat("/etc/passwd", &found);
}
static void op_fstat(void) {
    struct stat found;
    sink = fstat(zero, &found);
}
static void op_open_close(void) { close(open("/etc/passwd", O_RDONLY)); }
static void op_pread(void) { sink = pread(file, buffer, 1, 0); }
static void op_mmap(void) {
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page, 4096);
}
static void op_mmap_touch(void) {
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *page = 1;
    munmap(page, 4096);
}
static void op_pipe(void) {
    sink = write(ends[1], buffer, 1);
    sink = read(ends[0], buffer, 1);
}
static void op_futex_wake(void) {
    sink = syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static const struct {
    const char *name;
    void (*run)(void);
    long count;
} operations[] = {
    {"getpid", op_getpid, 100000},   {"clock_gettime", op_clock_gettime, 100000},
    {"read", op_read, 50000},        {"write-1", op_write_1, 50000},
    {"write-4k", op_write_4k, 50000}, {"stat", op_stat, 20000},
    {"fstat", op_fstat, 50000},      {"open-close", op_open_close, 2000},
    {"pread", op_pread, 5000},       {"mmap", op_mmap, 2000},
    {"mmap-touch", op_mmap_touch, 2000}, {"pipe", op_pipe, 20000},
    {"futex-wake", op_futex_wake, 50000},
};

static double once(void (*run)(void), long count) {
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long i = 0; i < count; i++) run();
    clock_gettime(CLOCK_MONOTONIC, &to);
    return ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / count;
}

int main(int argc, char **argv) {
    zero = open("/dev/zero", O_RDONLY);
    null = open("/dev/null", O_WRONLY);
    file = open("/etc/passwd", O_RDONLY);
    if (argc != 2 || zero < 0 || null < 0 || file < 0 || pipe(ends) != 0) return 2;
    int all = strcmp(argv[1], "all") == 0, found = 0;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (!all && strcmp(argv[1], operations[i].name) != 0) continue;
        double best = 1e12;
        for (int round = 0; round < 5; round++) {
            double ns = once(operations[i].run, operations[i].count);
            if (ns < best) best = ns;
        }
        if (all) printf("%-14s ", operations[i].name);
        printf("%.1f\n", best);
        found = 1;
    }
    return found ? 0 : 2;
}
