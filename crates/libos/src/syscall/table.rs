//! Every x86-64 system call number: how far it goes, or why it does not.
//!
//! Names and numbers are those of `asm/unistd_64.h`. `docs/reference/syscalls.md` is generated from here.

use alloc::{format, string::String};

use super::{
    Call, children, descriptor, file_io, futex, ids, ioctl, itimers, links, memory, message, meta,
    misc, open, readiness, signals, socket, socket_option, threads, timers,
};
use crate::errno::{Errno, Result};

pub(crate) type Handler = fn(&mut Call<'_>) -> Result<u64>;

/// How far a system call goes.
#[derive(Clone, Copy)]
pub(crate) enum Support {
    /// As its man page says.
    Implemented(Handler),
    /// In part; the note says which.
    Partial(Handler, &'static str),
    /// Not at all: the errno, and why.
    Refused(Errno, &'static str),
}

/// A system call.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) number: u64,
    pub(crate) name: &'static str,
    pub(crate) support: Support,
}

macro_rules! rows {
    ($($number:literal $name:literal $kind:ident($($argument:expr),*);)*) => {
        &[$(Row { number: $number, name: $name, support: Support::$kind($($argument),*) }),*]
    };
}

/// By ascending number.
pub(crate) const ROWS: &[Row] = rows! {
    0 "read" Implemented(file_io::sys_read);
    1 "write" Implemented(file_io::sys_write);
    2 "open" Partial(open::sys_open, "O_TMPFILE files are in memory; opening a FIFO does not wait");
    3 "close" Implemented(descriptor::sys_close);
    4 "stat" Implemented(meta::sys_stat);
    5 "fstat" Implemented(meta::sys_fstat);
    6 "lstat" Implemented(meta::sys_lstat);
    7 "poll" Implemented(readiness::sys_poll);
    8 "lseek" Implemented(file_io::sys_lseek);
    9 "mmap" Partial(memory::sys_mmap, "what write(2) changes later does not show in a MAP_SHARED mapping");
    10 "mprotect" Partial(memory::sys_mprotect, "PROT_NONE on pages in use leaves them readable");
    11 "munmap" Implemented(memory::sys_munmap);
    12 "brk" Implemented(memory::sys_brk);
    13 "rt_sigaction" Implemented(signals::sys_rt_sigaction);
    14 "rt_sigprocmask" Implemented(signals::sys_rt_sigprocmask);
    15 "rt_sigreturn" Implemented(signals::sys_rt_sigreturn);
    16 "ioctl" Partial(ioctl::sys_ioctl, "terminals, FIONREAD, FIONBIO, FIOCLEX");
    17 "pread64" Implemented(file_io::sys_pread64);
    18 "pwrite64" Implemented(file_io::sys_pwrite64);
    19 "readv" Implemented(file_io::sys_readv);
    20 "writev" Implemented(file_io::sys_writev);
    21 "access" Implemented(meta::sys_access);
    22 "pipe" Implemented(descriptor::sys_pipe);
    23 "select" Implemented(readiness::sys_select);
    24 "sched_yield" Partial(threads::sys_sched_yield, "a short park on the host");
    25 "mremap" Partial(memory::sys_mremap, "no MREMAP_DONTUNMAP");
    26 "msync" Implemented(memory::sys_msync);
    27 "mincore" Implemented(memory::sys_mincore);
    28 "madvise" Partial(memory::sys_madvise, "only MADV_DONTNEED has an effect");
    29 "shmget" Refused(Errno::ENOSYS, "System V IPC is planned");
    30 "shmat" Refused(Errno::ENOSYS, "System V IPC is planned");
    31 "shmctl" Refused(Errno::ENOSYS, "System V IPC is planned");
    32 "dup" Implemented(descriptor::sys_dup);
    33 "dup2" Implemented(descriptor::sys_dup2);
    34 "pause" Implemented(signals::sys_pause);
    35 "nanosleep" Implemented(timers::sys_nanosleep);
    36 "getitimer" Implemented(itimers::sys_getitimer);
    37 "alarm" Implemented(itimers::sys_alarm);
    38 "setitimer" Partial(itimers::sys_setitimer, "ITIMER_VIRTUAL and ITIMER_PROF can only be turned off");
    39 "getpid" Implemented(ids::sys_getpid);
    40 "sendfile" Implemented(file_io::sys_sendfile);
    41 "socket" Partial(socket::sys_socket, "TCP and UDP over IPv4 and IPv6, UNIX");
    42 "connect" Implemented(socket::sys_connect);
    43 "accept" Implemented(socket::sys_accept);
    44 "sendto" Implemented(socket::sys_sendto);
    45 "recvfrom" Implemented(socket::sys_recvfrom);
    46 "sendmsg" Partial(message::sys_sendmsg, "control messages other than descriptors have no effect");
    47 "recvmsg" Partial(message::sys_recvmsg, "control messages of UNIX sockets only");
    48 "shutdown" Implemented(socket::sys_shutdown);
    49 "bind" Implemented(socket::sys_bind);
    50 "listen" Implemented(socket::sys_listen);
    51 "getsockname" Implemented(socket::sys_getsockname);
    52 "getpeername" Implemented(socket::sys_getpeername);
    53 "socketpair" Implemented(socket::sys_socketpair);
    54 "setsockopt" Implemented(socket_option::sys_setsockopt);
    55 "getsockopt" Implemented(socket_option::sys_getsockopt);
    56 "clone" Partial(children::sys_clone, "descriptors, directories and handlers are shared by threads only; no namespaces");
    57 "fork" Implemented(children::sys_fork);
    58 "vfork" Implemented(children::sys_vfork);
    59 "execve" Implemented(children::sys_execve);
    60 "exit" Implemented(threads::sys_exit);
    61 "wait4" Implemented(children::sys_wait4);
    62 "kill" Partial(signals::sys_kill, "signals do not interrupt another thread in application code until it enters the library OS");
    63 "uname" Partial(misc::sys_uname, "release 6.1.0");
    64 "semget" Refused(Errno::ENOSYS, "System V IPC is planned");
    65 "semop" Refused(Errno::ENOSYS, "System V IPC is planned");
    66 "semctl" Refused(Errno::ENOSYS, "System V IPC is planned");
    67 "shmdt" Refused(Errno::ENOSYS, "System V IPC is planned");
    68 "msgget" Refused(Errno::ENOSYS, "System V IPC is planned");
    69 "msgsnd" Refused(Errno::ENOSYS, "System V IPC is planned");
    70 "msgrcv" Refused(Errno::ENOSYS, "System V IPC is planned");
    71 "msgctl" Refused(Errno::ENOSYS, "System V IPC is planned");
    72 "fcntl" Partial(descriptor::sys_fcntl, "record locks never conflict; no leases or signals");
    73 "flock" Partial(descriptor::sys_flock, "never conflicts: one process");
    74 "fsync" Implemented(file_io::sys_fsync);
    75 "fdatasync" Implemented(file_io::sys_fsync);
    76 "truncate" Implemented(links::sys_truncate);
    77 "ftruncate" Implemented(file_io::sys_ftruncate);
    78 "getdents" Implemented(meta::sys_getdents);
    79 "getcwd" Implemented(open::sys_getcwd);
    80 "chdir" Implemented(open::sys_chdir);
    81 "fchdir" Implemented(open::sys_fchdir);
    82 "rename" Implemented(links::sys_rename);
    83 "mkdir" Implemented(links::sys_mkdir);
    84 "rmdir" Implemented(links::sys_rmdir);
    85 "creat" Implemented(open::sys_creat);
    86 "link" Implemented(links::sys_link);
    87 "unlink" Implemented(links::sys_unlink);
    88 "symlink" Implemented(links::sys_symlink);
    89 "readlink" Implemented(open::sys_readlink);
    90 "chmod" Implemented(links::sys_chmod);
    91 "fchmod" Implemented(links::sys_fchmod);
    92 "chown" Implemented(links::sys_chown);
    93 "fchown" Implemented(links::sys_fchown);
    94 "lchown" Implemented(links::sys_lchown);
    95 "umask" Implemented(open::sys_umask);
    96 "gettimeofday" Implemented(timers::sys_gettimeofday);
    97 "getrlimit" Implemented(misc::sys_getrlimit);
    98 "getrusage" Partial(misc::sys_getrusage, "times and resident size; all time is user time");
    99 "sysinfo" Implemented(misc::sys_sysinfo);
    100 "times" Partial(timers::sys_times, "all time is user time");
    101 "ptrace" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    102 "getuid" Implemented(ids::sys_getuid);
    103 "syslog" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    104 "getgid" Implemented(ids::sys_getgid);
    105 "setuid" Implemented(ids::sys_setuid);
    106 "setgid" Implemented(ids::sys_setgid);
    107 "geteuid" Implemented(ids::sys_geteuid);
    108 "getegid" Implemented(ids::sys_getegid);
    109 "setpgid" Implemented(ids::sys_setpgid);
    110 "getppid" Implemented(ids::sys_getppid);
    111 "getpgrp" Implemented(ids::sys_getpgrp);
    112 "setsid" Implemented(ids::sys_setsid);
    113 "setreuid" Implemented(ids::sys_setreuid);
    114 "setregid" Implemented(ids::sys_setregid);
    115 "getgroups" Implemented(ids::sys_getgroups);
    116 "setgroups" Implemented(ids::sys_setgroups);
    117 "setresuid" Implemented(ids::sys_setresuid);
    118 "getresuid" Implemented(ids::sys_getresuid);
    119 "setresgid" Implemented(ids::sys_setresgid);
    120 "getresgid" Implemented(ids::sys_getresgid);
    121 "getpgid" Implemented(ids::sys_getpgid);
    122 "setfsuid" Implemented(ids::sys_setfsuid);
    123 "setfsgid" Implemented(ids::sys_setfsgid);
    124 "getsid" Implemented(ids::sys_getsid);
    125 "capget" Implemented(ids::sys_capget);
    126 "capset" Partial(misc::sys_accepted, "accepted, no effect");
    127 "rt_sigpending" Implemented(signals::sys_rt_sigpending);
    128 "rt_sigtimedwait" Implemented(signals::sys_rt_sigtimedwait);
    129 "rt_sigqueueinfo" Partial(signals::sys_rt_sigqueueinfo, "see kill");
    130 "rt_sigsuspend" Implemented(signals::sys_rt_sigsuspend);
    131 "sigaltstack" Implemented(signals::sys_sigaltstack);
    132 "utime" Implemented(links::sys_utime);
    133 "mknod" Partial(links::sys_mknod, "regular files, FIFOs and socket names");
    134 "uselib" Refused(Errno::ENOSYS, "removed from Linux or never there");
    135 "personality" Partial(misc::sys_personality, "only PER_LINUX");
    136 "ustat" Refused(Errno::ENOSYS, "removed from Linux or never there");
    137 "statfs" Partial(meta::sys_statfs, "every file system looks like a tmpfs");
    138 "fstatfs" Partial(meta::sys_fstatfs, "every file system looks like a tmpfs");
    139 "sysfs" Refused(Errno::ENOSYS, "removed from Linux or never there");
    140 "getpriority" Partial(misc::sys_getpriority, "always 0");
    141 "setpriority" Partial(misc::sys_accepted, "accepted, no effect");
    142 "sched_setparam" Partial(misc::sys_accepted, "accepted, no effect");
    143 "sched_getparam" Partial(threads::sys_sched_getparam, "always 0");
    144 "sched_setscheduler" Partial(misc::sys_accepted, "accepted, no effect");
    145 "sched_getscheduler" Partial(threads::sys_sched_getscheduler, "always SCHED_OTHER");
    146 "sched_get_priority_max" Implemented(threads::sys_sched_get_priority_max);
    147 "sched_get_priority_min" Implemented(threads::sys_sched_get_priority_min);
    148 "sched_rr_get_interval" Refused(Errno::ENOSYS, "not needed yet");
    149 "mlock" Partial(memory::sys_mlock, "checks the range only");
    150 "munlock" Partial(memory::sys_mlock, "checks the range only");
    151 "mlockall" Partial(misc::sys_accepted, "accepted, no effect");
    152 "munlockall" Partial(misc::sys_accepted, "accepted, no effect");
    153 "vhangup" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    154 "modify_ldt" Refused(Errno::ENOSYS, "removed from Linux or never there");
    155 "pivot_root" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    156 "_sysctl" Refused(Errno::ENOSYS, "removed from Linux or never there");
    157 "prctl" Partial(threads::sys_prctl, "names, dumpable, no_new_privs, parent death signal (accepted)");
    158 "arch_prctl" Implemented(threads::sys_arch_prctl);
    159 "adjtimex" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    160 "setrlimit" Implemented(misc::sys_setrlimit);
    161 "chroot" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    162 "sync" Implemented(file_io::sys_nothing);
    163 "acct" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    164 "settimeofday" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    165 "mount" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    166 "umount2" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    167 "swapon" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    168 "swapoff" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    169 "reboot" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    170 "sethostname" Implemented(misc::sys_sethostname);
    171 "setdomainname" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    172 "iopl" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    173 "ioperm" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    174 "create_module" Refused(Errno::ENOSYS, "removed from Linux or never there");
    175 "init_module" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    176 "delete_module" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    177 "get_kernel_syms" Refused(Errno::ENOSYS, "removed from Linux or never there");
    178 "query_module" Refused(Errno::ENOSYS, "removed from Linux or never there");
    179 "quotactl" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    180 "nfsservctl" Refused(Errno::ENOSYS, "removed from Linux or never there");
    181 "getpmsg" Refused(Errno::ENOSYS, "removed from Linux or never there");
    182 "putpmsg" Refused(Errno::ENOSYS, "removed from Linux or never there");
    183 "afs_syscall" Refused(Errno::ENOSYS, "removed from Linux or never there");
    184 "tuxcall" Refused(Errno::ENOSYS, "removed from Linux or never there");
    185 "security" Refused(Errno::ENOSYS, "removed from Linux or never there");
    186 "gettid" Implemented(threads::sys_gettid);
    187 "readahead" Partial(file_io::sys_nothing, "accepted, no effect");
    188 "setxattr" Refused(Errno::EOPNOTSUPP, "no extended attributes");
    189 "lsetxattr" Refused(Errno::EOPNOTSUPP, "no extended attributes");
    190 "fsetxattr" Refused(Errno::EOPNOTSUPP, "no extended attributes");
    191 "getxattr" Refused(Errno::EOPNOTSUPP, "no extended attributes");
    192 "lgetxattr" Refused(Errno::EOPNOTSUPP, "no extended attributes");
    193 "fgetxattr" Refused(Errno::EOPNOTSUPP, "no extended attributes");
    194 "listxattr" Refused(Errno::EOPNOTSUPP, "no extended attributes");
    195 "llistxattr" Refused(Errno::EOPNOTSUPP, "no extended attributes");
    196 "flistxattr" Refused(Errno::EOPNOTSUPP, "no extended attributes");
    197 "removexattr" Refused(Errno::EOPNOTSUPP, "no extended attributes");
    198 "lremovexattr" Refused(Errno::EOPNOTSUPP, "no extended attributes");
    199 "fremovexattr" Refused(Errno::EOPNOTSUPP, "no extended attributes");
    200 "tkill" Partial(signals::sys_tkill, "see kill");
    201 "time" Implemented(timers::sys_time);
    202 "futex" Partial(futex::sys_futex, "no priority inheritance");
    203 "sched_setaffinity" Partial(threads::sys_sched_setaffinity, "accepted, the host decides");
    204 "sched_getaffinity" Implemented(threads::sys_sched_getaffinity);
    205 "set_thread_area" Refused(Errno::ENOSYS, "removed from Linux or never there");
    206 "io_setup" Refused(Errno::ENOSYS, "asynchronous I/O is not offered; programs fall back");
    207 "io_destroy" Refused(Errno::ENOSYS, "asynchronous I/O is not offered; programs fall back");
    208 "io_getevents" Refused(Errno::ENOSYS, "asynchronous I/O is not offered; programs fall back");
    209 "io_submit" Refused(Errno::ENOSYS, "asynchronous I/O is not offered; programs fall back");
    210 "io_cancel" Refused(Errno::ENOSYS, "asynchronous I/O is not offered; programs fall back");
    211 "get_thread_area" Refused(Errno::ENOSYS, "removed from Linux or never there");
    212 "lookup_dcookie" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    213 "epoll_create" Implemented(descriptor::sys_epoll_create);
    214 "epoll_ctl_old" Refused(Errno::ENOSYS, "removed from Linux or never there");
    215 "epoll_wait_old" Refused(Errno::ENOSYS, "removed from Linux or never there");
    216 "remap_file_pages" Refused(Errno::ENOSYS, "removed from Linux or never there");
    217 "getdents64" Implemented(meta::sys_getdents64);
    218 "set_tid_address" Implemented(threads::sys_set_tid_address);
    219 "restart_syscall" Refused(Errno::ENOSYS, "planned");
    220 "semtimedop" Refused(Errno::ENOSYS, "System V IPC is planned");
    221 "fadvise64" Partial(file_io::sys_nothing, "accepted, no effect");
    222 "timer_create" Partial(itimers::sys_timer_create, "not on processor time");
    223 "timer_settime" Implemented(itimers::sys_timer_settime);
    224 "timer_gettime" Implemented(itimers::sys_timer_gettime);
    225 "timer_getoverrun" Implemented(itimers::sys_timer_getoverrun);
    226 "timer_delete" Implemented(itimers::sys_timer_delete);
    227 "clock_settime" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    228 "clock_gettime" Implemented(timers::sys_clock_gettime);
    229 "clock_getres" Partial(timers::sys_clock_getres, "always a nanosecond");
    230 "clock_nanosleep" Implemented(timers::sys_clock_nanosleep);
    231 "exit_group" Implemented(threads::sys_exit_group);
    232 "epoll_wait" Partial(readiness::sys_epoll_wait, "edges of host descriptors follow reads and writes of the program");
    233 "epoll_ctl" Implemented(readiness::sys_epoll_ctl);
    234 "tgkill" Partial(signals::sys_tgkill, "see kill");
    235 "utimes" Implemented(links::sys_utimes);
    236 "vserver" Refused(Errno::ENOSYS, "removed from Linux or never there");
    237 "mbind" Refused(Errno::ENOSYS, "no NUMA or page migration");
    238 "set_mempolicy" Refused(Errno::ENOSYS, "no NUMA or page migration");
    239 "get_mempolicy" Refused(Errno::ENOSYS, "no NUMA or page migration");
    240 "mq_open" Refused(Errno::ENOSYS, "POSIX message queues are not planned");
    241 "mq_unlink" Refused(Errno::ENOSYS, "POSIX message queues are not planned");
    242 "mq_timedsend" Refused(Errno::ENOSYS, "POSIX message queues are not planned");
    243 "mq_timedreceive" Refused(Errno::ENOSYS, "POSIX message queues are not planned");
    244 "mq_notify" Refused(Errno::ENOSYS, "POSIX message queues are not planned");
    245 "mq_getsetattr" Refused(Errno::ENOSYS, "POSIX message queues are not planned");
    246 "kexec_load" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    247 "waitid" Implemented(children::sys_waitid);
    248 "add_key" Refused(Errno::ENOSYS, "no keyrings");
    249 "request_key" Refused(Errno::ENOSYS, "no keyrings");
    250 "keyctl" Refused(Errno::ENOSYS, "no keyrings");
    251 "ioprio_set" Partial(misc::sys_accepted, "accepted, no effect");
    252 "ioprio_get" Refused(Errno::ENOSYS, "not needed yet");
    253 "inotify_init" Refused(Errno::ENOSYS, "planned");
    254 "inotify_add_watch" Refused(Errno::ENOSYS, "planned");
    255 "inotify_rm_watch" Refused(Errno::ENOSYS, "planned");
    256 "migrate_pages" Refused(Errno::ENOSYS, "no NUMA or page migration");
    257 "openat" Partial(open::sys_openat, "see open");
    258 "mkdirat" Implemented(links::sys_mkdirat);
    259 "mknodat" Partial(links::sys_mknodat, "see mknod");
    260 "fchownat" Implemented(links::sys_fchownat);
    261 "futimesat" Implemented(links::sys_futimesat);
    262 "newfstatat" Implemented(meta::sys_newfstatat);
    263 "unlinkat" Implemented(links::sys_unlinkat);
    264 "renameat" Implemented(links::sys_renameat);
    265 "linkat" Implemented(links::sys_linkat);
    266 "symlinkat" Implemented(links::sys_symlinkat);
    267 "readlinkat" Implemented(open::sys_readlinkat);
    268 "fchmodat" Implemented(links::sys_fchmodat);
    269 "faccessat" Implemented(meta::sys_faccessat);
    270 "pselect6" Implemented(readiness::sys_pselect6);
    271 "ppoll" Implemented(readiness::sys_ppoll);
    272 "unshare" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    273 "set_robust_list" Implemented(threads::sys_set_robust_list);
    274 "get_robust_list" Implemented(threads::sys_get_robust_list);
    275 "splice" Refused(Errno::ENOSYS, "planned");
    276 "tee" Refused(Errno::ENOSYS, "planned");
    277 "sync_file_range" Refused(Errno::ENOSYS, "planned");
    278 "vmsplice" Refused(Errno::ENOSYS, "planned");
    279 "move_pages" Refused(Errno::ENOSYS, "no NUMA or page migration");
    280 "utimensat" Implemented(links::sys_utimensat);
    281 "epoll_pwait" Partial(readiness::sys_epoll_pwait, "see epoll_wait");
    282 "signalfd" Refused(Errno::ENOSYS, "timers with signals are planned");
    283 "timerfd_create" Refused(Errno::ENOSYS, "timers with signals are planned");
    284 "eventfd" Implemented(descriptor::sys_eventfd);
    285 "fallocate" Partial(file_io::sys_fallocate, "mode 0 and FALLOC_FL_KEEP_SIZE");
    286 "timerfd_settime" Refused(Errno::ENOSYS, "timers with signals are planned");
    287 "timerfd_gettime" Refused(Errno::ENOSYS, "timers with signals are planned");
    288 "accept4" Implemented(socket::sys_accept4);
    289 "signalfd4" Refused(Errno::ENOSYS, "timers with signals are planned");
    290 "eventfd2" Implemented(descriptor::sys_eventfd2);
    291 "epoll_create1" Implemented(descriptor::sys_epoll_create1);
    292 "dup3" Implemented(descriptor::sys_dup3);
    293 "pipe2" Implemented(descriptor::sys_pipe2);
    294 "inotify_init1" Refused(Errno::ENOSYS, "planned");
    295 "preadv" Implemented(file_io::sys_preadv);
    296 "pwritev" Implemented(file_io::sys_pwritev);
    297 "rt_tgsigqueueinfo" Partial(signals::sys_rt_tgsigqueueinfo, "see kill");
    298 "perf_event_open" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    299 "recvmmsg" Partial(message::sys_recvmmsg, "see recvmsg");
    300 "fanotify_init" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    301 "fanotify_mark" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    302 "prlimit64" Partial(misc::sys_prlimit64, "the calling process");
    303 "name_to_handle_at" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    304 "open_by_handle_at" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    305 "clock_adjtime" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    306 "syncfs" Implemented(file_io::sys_nothing);
    307 "sendmmsg" Partial(message::sys_sendmmsg, "see sendmsg");
    308 "setns" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    309 "getcpu" Partial(threads::sys_getcpu, "always processor 0");
    310 "process_vm_readv" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    311 "process_vm_writev" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    312 "kcmp" Refused(Errno::ENOSYS, "planned");
    313 "finit_module" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    314 "sched_setattr" Refused(Errno::ENOSYS, "planned");
    315 "sched_getattr" Refused(Errno::ENOSYS, "planned");
    316 "renameat2" Implemented(links::sys_renameat2);
    317 "seccomp" Refused(Errno::ENOSYS, "no seccomp or Landlock inside");
    318 "getrandom" Implemented(misc::sys_getrandom);
    319 "memfd_create" Partial(descriptor::sys_memfd_create, "no seals, not mappable for shared writing");
    320 "kexec_file_load" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    321 "bpf" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    322 "execveat" Refused(Errno::ENOSYS, "processes are planned");
    323 "userfaultfd" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    324 "membarrier" Partial(threads::sys_membarrier, "MEMBARRIER_CMD_QUERY, which names nothing");
    325 "mlock2" Partial(memory::sys_mlock, "checks the range only");
    326 "copy_file_range" Partial(file_io::sys_copy_file_range, "regular files");
    327 "preadv2" Partial(file_io::sys_preadv2, "no flags");
    328 "pwritev2" Partial(file_io::sys_pwritev2, "no flags");
    329 "pkey_mprotect" Refused(Errno::ENOSYS, "no memory protection keys");
    330 "pkey_alloc" Refused(Errno::ENOSYS, "no memory protection keys");
    331 "pkey_free" Refused(Errno::ENOSYS, "no memory protection keys");
    332 "statx" Implemented(meta::sys_statx);
    333 "io_pgetevents" Refused(Errno::ENOSYS, "asynchronous I/O is not offered; programs fall back");
    334 "rseq" Refused(Errno::ENOSYS, "restartable sequences are planned");
    424 "pidfd_send_signal" Implemented(signals::sys_pidfd_send_signal);
    425 "io_uring_setup" Refused(Errno::ENOSYS, "asynchronous I/O is not offered; programs fall back");
    426 "io_uring_enter" Refused(Errno::ENOSYS, "asynchronous I/O is not offered; programs fall back");
    427 "io_uring_register" Refused(Errno::ENOSYS, "asynchronous I/O is not offered; programs fall back");
    428 "open_tree" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    429 "move_mount" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    430 "fsopen" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    431 "fsconfig" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    432 "fsmount" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    433 "fspick" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    434 "pidfd_open" Implemented(children::sys_pidfd_open);
    435 "clone3" Partial(children::sys_clone3, "see clone; no set_tid, no cgroups");
    436 "close_range" Implemented(descriptor::sys_close_range);
    437 "openat2" Refused(Errno::ENOSYS, "planned");
    438 "pidfd_getfd" Refused(Errno::ENOSYS, "planned");
    439 "faccessat2" Implemented(meta::sys_faccessat2);
    440 "process_madvise" Refused(Errno::ENOSYS, "planned");
    441 "epoll_pwait2" Partial(readiness::sys_epoll_pwait2, "see epoll_wait");
    442 "mount_setattr" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    443 "quotactl_fd" Refused(Errno::EPERM, "needs a privilege nobody has inside an enclave");
    444 "landlock_create_ruleset" Refused(Errno::ENOSYS, "no seccomp or Landlock inside");
    445 "landlock_add_rule" Refused(Errno::ENOSYS, "no seccomp or Landlock inside");
    446 "landlock_restrict_self" Refused(Errno::ENOSYS, "no seccomp or Landlock inside");
    447 "memfd_secret" Refused(Errno::ENOSYS, "no seccomp or Landlock inside");
    448 "process_mrelease" Refused(Errno::ENOSYS, "not needed yet");
    449 "futex_waitv" Refused(Errno::ENOSYS, "planned");
    450 "set_mempolicy_home_node" Refused(Errno::ENOSYS, "no NUMA or page migration");
    451 "cachestat" Refused(Errno::ENOSYS, "newer than the release we report");
    452 "fchmodat2" Refused(Errno::ENOSYS, "newer than the release we report");
    453 "map_shadow_stack" Refused(Errno::ENOSYS, "newer than the release we report");
    454 "futex_wake" Refused(Errno::ENOSYS, "newer than the release we report");
    455 "futex_wait" Refused(Errno::ENOSYS, "newer than the release we report");
    456 "futex_requeue" Refused(Errno::ENOSYS, "newer than the release we report");
    457 "statmount" Refused(Errno::ENOSYS, "newer than the release we report");
    458 "listmount" Refused(Errno::ENOSYS, "newer than the release we report");
    459 "lsm_get_self_attr" Refused(Errno::ENOSYS, "newer than the release we report");
    460 "lsm_set_self_attr" Refused(Errno::ENOSYS, "newer than the release we report");
    461 "lsm_list_modules" Refused(Errno::ENOSYS, "newer than the release we report");
    462 "mseal" Refused(Errno::ENOSYS, "newer than the release we report");
};

/// The row of a number.
pub(crate) fn row(number: u64) -> Option<&'static Row> {
    // Most rows are at their number.
    let there = usize::try_from(number).ok().and_then(|at| ROWS.get(at));
    there.filter(|row| row.number == number).or_else(|| {
        ROWS.binary_search_by_key(&number, |row| row.number).ok().and_then(|at| ROWS.get(at))
    })
}

/// The page `docs/reference/syscalls.md`.
#[must_use]
pub fn markdown() -> String {
    let count = |wanted: fn(&Support) -> bool| ROWS.iter().filter(|r| wanted(&r.support)).count();
    let mut page = format!(
        "# System calls\n\nGenerated from the table in crate `libos`; do not edit. {} implemented, {} in part, {} refused.\n\n\
         | number | name | state | note |\n|---|---|---|---|\n",
        count(|s| matches!(s, Support::Implemented(_))),
        count(|s| matches!(s, Support::Partial(..))),
        count(|s| matches!(s, Support::Refused(..))),
    );
    for row in ROWS {
        let (state, note) = match row.support {
            Support::Implemented(_) => ("implemented", String::new()),
            Support::Partial(_, note) => ("partial", note.into()),
            Support::Refused(errno, reason) => ("refused", format!("{}: {reason}", errno.name())),
        };
        page.push_str(&format!("| {} | {} | {state} | {note} |\n", row.number, row.name));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_names_are_unique() {
        assert!(ROWS.windows(2).all(|w| w[0].number < w[1].number));
        let names: std::collections::BTreeSet<_> = ROWS.iter().map(|r| r.name).collect();
        assert_eq!(names.len(), ROWS.len());
        assert_eq!(row(1).map(|r| r.name), Some("write"));
        assert!(row(100_000).is_none());
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the page lies beside the sources")]
    fn the_reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/syscalls.md");
        if std::env::var_os("CASEMATE_BLESS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap();
        assert!(
            found == markdown(),
            "run with CASEMATE_BLESS=1 to renew docs/reference/syscalls.md"
        );
    }
}
