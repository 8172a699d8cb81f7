/* A library to preload: it counts the calls that change a watched folder, and breaks the n-th of them.
 *
 * Python, torch (C++) and safetensors (Rust) all write through these functions of the C library. A call counts if its
 * path, or the path of its file descriptor, lies in the folder. The test process drives it with ctypes:
 *
 *     shim_trap()                 also see renames that bypass the C library, for the rest of this process
 *     shim_watch(folder)          which folder, as an absolute path; NULL counts nothing
 *     shim_arm(n, action, error)  break the n-th call from now on (1 is the next); n = 0 only records
 *     shim_count(), shim_fired()  calls since then; whether the fault happened
 *     shim_trace()                these calls, one per line: name, path, second path, flags or bytes; tab separated
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/ucontext.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PASS, FAIL, FILL, SHORTEN, KILL_BEFORE, KILL_AFTER, KILL_HALFWAY, LOSE };
/* FAIL: the call fails once. FILL: this call and every later one that needs space fail.
 * SHORTEN: a write writes half, the next one fails. KILL_*: SIGKILL; KILL_HALFWAY after half of a write.
 * LOSE: closing a file fails and half of its bytes are gone, as on a network share that is full. */

static char folder[PATH_MAX];
static size_t folder_length;
static long calls, target;
static int action, error_code, fired, next_write_fails;
static char trace[1 << 22];
static size_t trace_length;

void shim_watch(const char *path) {
    folder_length = path ? strlen(path) : 0;
    if (path) strncpy(folder, path, sizeof folder - 1);
}

void shim_arm(long n, int what, int error) {
    calls = 0, target = n, action = what, error_code = error, fired = 0, next_write_fails = 0;
    trace_length = 0, trace[0] = 0;
}

long shim_count(void) { return calls; }
int shim_fired(void) { return fired; }
const char *shim_trace(void) { return trace; }

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static void path_of_descriptor(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
}

static void absolute(int base, const char *name, char *path) {
    path[0] = 0;
    if (!name) return;
    if (name[0] != '/') {
        if (base == AT_FDCWD) syscall(SYS_getcwd, path, PATH_MAX);
        else path_of_descriptor(base, path);
        strncat(path, "/", PATH_MAX - strlen(path) - 1);
    }
    strncat(path, name, PATH_MAX - strlen(path) - 1);
}

static int is_watched(const char *path) {
    return folder_length && !strncmp(path, folder, folder_length) &&
           (path[folder_length] == '/' || path[folder_length] == 0);
}

/* What to do with this call. `needs_space`: a full disk refuses it. */
static int decide(const char *name, const char *path, const char *other, long detail, int needs_space, int is_write) {
    if (!folder_length || !(is_watched(path) || is_watched(other))) return PASS;
    calls++;
    if (trace_length < sizeof trace - 3 * PATH_MAX)
        trace_length += sprintf(trace + trace_length, "%s\t%s\t%s\t%ld\n", name, path, other, detail);
    if (next_write_fails && is_write) return next_write_fails = 0, FAIL;
    if (fired) return action == FILL && needs_space ? FAIL : PASS;
    if (calls != target) return PASS;
    fired = 1;
    if (action == FILL) return FAIL;
    if (action == SHORTEN && (!is_write || detail < 2)) return FAIL;
    if (action == KILL_HALFWAY && !is_write) return KILL_BEFORE;
    return action;
}

static int decide_path(const char *name, int base, const char *path, long detail, int needs_space) {
    char full[PATH_MAX];
    int saved = errno;
    if (!folder_length) return PASS;
    absolute(base, path, full);
    errno = saved;
    return decide(name, full, "", detail, needs_space, 0);
}

static int decide_paths(const char *name, int base, const char *path, int other_base, const char *other) {
    char full[PATH_MAX], other_full[PATH_MAX];
    if (!folder_length) return PASS;
    absolute(base, path, full);
    absolute(other_base, other, other_full);
    return decide(name, full, other_full, 0, 0, 0);
}

static int decide_descriptor(const char *name, int descriptor, long detail, int needs_space, int is_write) {
    char full[PATH_MAX];
    int saved = errno;
    if (!folder_length) return PASS;
    path_of_descriptor(descriptor, full);
    errno = saved;
    return decide(name, full, "", detail, needs_space, is_write);
}

#define REAL(result, name, ...)                                   \
    static result (*real)(__VA_ARGS__);                           \
    if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* The call itself: `failed` is what it returns on an error. */
#define RUN(type, decision, failed, call)                         \
    int what = decision;                                          \
    if (what == KILL_BEFORE) die();                               \
    if (what == FAIL) return errno = error_code, failed;          \
    type result = call;                                           \
    if (what == KILL_AFTER) die();                                \
    return result

/* ------------------------------------------------------------------------------------------------- opening a file */

#define MODE                                                      \
    mode_t mode = 0;                                              \
    if (flags & (O_CREAT | O_TMPFILE)) {                          \
        va_list rest;                                             \
        va_start(rest, flags);                                    \
        mode = va_arg(rest, mode_t);                              \
        va_end(rest);                                             \
    }

#define OPEN(symbol)                                                                          \
    int symbol(const char *path, int flags, ...) {                                            \
        MODE REAL(int, #symbol, const char *, int, ...);                                      \
        RUN(int, decide_path("open", AT_FDCWD, path, flags, flags & O_CREAT), -1, real(path, flags, mode)); \
    }
#define OPENAT(symbol)                                                                        \
    int symbol(int base, const char *path, int flags, ...) {                                  \
        MODE REAL(int, #symbol, int, const char *, int, ...);                                 \
        RUN(int, decide_path("open", base, path, flags, flags & O_CREAT), -1, real(base, path, flags, mode)); \
    }
#define CREATE(symbol)                                                                        \
    int symbol(const char *path, mode_t mode) {                                               \
        REAL(int, #symbol, const char *, mode_t);                                             \
        RUN(int, decide_path("open", AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, 1), -1, real(path, mode)); \
    }
#define FOPEN(symbol)                                                                         \
    FILE *symbol(const char *path, const char *mode) {                                        \
        REAL(FILE *, #symbol, const char *, const char *);                                    \
        int creates = mode[0] != 'r';                                                         \
        int flags = creates ? O_CREAT | O_WRONLY | O_TRUNC : O_RDONLY;                        \
        RUN(FILE *, decide_path("open", AT_FDCWD, path, flags, creates), NULL, real(path, mode)); \
    }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64) CREATE(creat) CREATE(creat64) FOPEN(fopen) FOPEN(fopen64)

/* What compilers put in place of `open` where they check the arguments. */
#define CHECKED(symbol)                                                                       \
    int symbol(const char *path, int flags) {                                                 \
        REAL(int, #symbol, const char *, int);                                                \
        RUN(int, decide_path("open", AT_FDCWD, path, flags, 0), -1, real(path, flags));       \
    }
#define CHECKED_AT(symbol)                                                                    \
    int symbol(int base, const char *path, int flags) {                                       \
        REAL(int, #symbol, int, const char *, int);                                           \
        RUN(int, decide_path("open", base, path, flags, 0), -1, real(base, path, flags));     \
    }
CHECKED(__open_2) CHECKED(__open64_2) CHECKED_AT(__openat_2) CHECKED_AT(__openat64_2)

/* -------------------------------------------------------------------------------------------------------- writing */

#define WRITE(name, descriptor, size, half, call)                                             \
    int what = decide_descriptor(name, descriptor, size, 1, 1);                               \
    if (what == KILL_BEFORE) die();                                                           \
    if (what == FAIL) return errno = error_code, -1;                                          \
    if (what == KILL_HALFWAY || what == SHORTEN) {                                            \
        ssize_t written = half;                                                               \
        if (what == KILL_HALFWAY) die();                                                      \
        next_write_fails = 1;                                                                 \
        return written;                                                                       \
    }                                                                                         \
    ssize_t result = call;                                                                    \
    if (what == KILL_AFTER) die();                                                            \
    return result

ssize_t write(int descriptor, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    WRITE("write", descriptor, size, real(descriptor, data, size / 2), real(descriptor, data, size));
}

#define PWRITE(symbol, type)                                                                  \
    ssize_t symbol(int descriptor, const void *data, size_t size, type offset) {              \
        REAL(ssize_t, #symbol, int, const void *, size_t, type);                              \
        WRITE("write", descriptor, size, real(descriptor, data, size / 2, offset), real(descriptor, data, size, offset)); \
    }
PWRITE(pwrite, off_t) PWRITE(pwrite64, off64_t)

static long bytes_of(const struct iovec *parts, int count) {
    long size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    return size;
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    struct iovec first = parts[0];
    if (count == 1) first.iov_len /= 2;
    WRITE("write", descriptor, bytes_of(parts, count), real(descriptor, &first, 1), real(descriptor, parts, count));
}

#define DESCRIPTOR(symbol, name, needs_space)                                                 \
    int symbol(int descriptor) {                                                              \
        REAL(int, #symbol, int);                                                              \
        RUN(int, decide_descriptor(name, descriptor, 0, needs_space, 0), -1, real(descriptor)); \
    }
DESCRIPTOR(fsync, "fsync", 1) DESCRIPTOR(fdatasync, "fsync", 1) DESCRIPTOR(syncfs, "fsync", 1)

#define TRUNCATE(symbol, type)                                                                \
    int symbol(int descriptor, type length) {                                                 \
        REAL(int, #symbol, int, type);                                                        \
        RUN(int, decide_descriptor("truncate", descriptor, length, 1, 0), -1, real(descriptor, length)); \
    }
TRUNCATE(ftruncate, off_t) TRUNCATE(ftruncate64, off64_t)

#define ALLOCATE(symbol, type)                                                                \
    int symbol(int descriptor, int mode, type offset, type length) {                          \
        REAL(int, #symbol, int, int, type, type);                                             \
        RUN(int, decide_descriptor("truncate", descriptor, length, 1, 0), -1, real(descriptor, mode, offset, length)); \
    }
ALLOCATE(fallocate, off_t) ALLOCATE(fallocate64, off64_t)

#define POSIX_ALLOCATE(symbol, type) /* returns the error */                                  \
    int symbol(int descriptor, type offset, type length) {                                    \
        REAL(int, #symbol, int, type, type);                                                  \
        RUN(int, decide_descriptor("truncate", descriptor, length, 1, 0), error_code, real(descriptor, offset, length)); \
    }
POSIX_ALLOCATE(posix_fallocate, off_t) POSIX_ALLOCATE(posix_fallocate64, off64_t)

ssize_t copy_file_range(int from, off64_t *start, int to, off64_t *offset, size_t size, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    WRITE("write", to, size, real(from, start, to, offset, size / 2, flags), real(from, start, to, offset, size, flags));
}

#define SENDFILE(symbol, type)                                                                \
    ssize_t symbol(int to, int from, type *start, size_t size) {                              \
        REAL(ssize_t, #symbol, int, int, type *, size_t);                                     \
        WRITE("write", to, size, real(to, from, start, size / 2), real(to, from, start, size)); \
    }
SENDFILE(sendfile, off_t) SENDFILE(sendfile64, off64_t)

/* A mapping has no path here: the call counts where a folder is watched at all. */
int msync(void *start, size_t size, int flags) {
    REAL(int, "msync", void *, size_t, int);
    RUN(int, folder_length ? decide("fsync", folder, "", size, 1, 0) : PASS, -1, real(start, size, flags));
}

/* Closing reports errors of earlier writes; a descriptor for reading has none. */
static int closing(int descriptor) {
    int mode = fcntl(descriptor, F_GETFL) & O_ACCMODE;
    int what = decide_descriptor("close", descriptor, mode, 0, 0);
    if (mode == O_RDONLY && (what == FAIL || what == LOSE)) return PASS;
    if (what == LOSE && ftruncate(descriptor, lseek(descriptor, 0, SEEK_END) / 2)) return FAIL;
    return what == LOSE ? FAIL : what;
}

/* A descriptor is closed even where closing reports an error. */
int close(int descriptor) {
    REAL(int, "close", int);
    int what = closing(descriptor);
    if (what == KILL_BEFORE) die();
    int result = real(descriptor);
    if (what == KILL_AFTER) die();
    return what == FAIL ? (errno = error_code, -1) : result;
}

int fclose(FILE *stream) {
    REAL(int, "fclose", FILE *);
    int what = closing(fileno(stream));
    if (what == KILL_BEFORE) die();
    int result = real(stream);
    if (what == KILL_AFTER) die();
    return what == FAIL ? (errno = error_code, EOF) : result;
}

/* ------------------------------------------------------------------------------------------------- names in a folder */

DIR *opendir(const char *path) {
    REAL(DIR *, "opendir", const char *);
    RUN(DIR *, decide_path("open", AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0), NULL, real(path));
}

int closedir(DIR *names) {
    REAL(int, "closedir", DIR *);
    int what = closing(dirfd(names));
    if (what == KILL_BEFORE) die();
    int result = real(names);
    if (what == KILL_AFTER) die();
    return what == FAIL ? (errno = error_code, -1) : result;
}

/* Renames and links are done with a sixth argument, which the kernel ignores: `shim_trap` lets these pass. */
#define OURS 0x5a17c0deL

static int rename_or_link(const char *name, long number, int base, const char *from, int other, const char *to, int flags) {
    RUN(int, decide_paths(name, base, from, other, to), -1, syscall(number, base, from, other, to, flags, OURS));
}

int rename(const char *from, const char *to) {
    return rename_or_link("rename", SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int base, const char *from, int other, const char *to) {
    return rename_or_link("rename", SYS_renameat2, base, from, other, to, 0);
}

int renameat2(int base, const char *from, int other, const char *to, unsigned flags) {
    return rename_or_link("rename", SYS_renameat2, base, from, other, to, flags);
}

int link(const char *from, const char *to) {
    return rename_or_link("link", SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int base, const char *from, int other, const char *to, int flags) {
    return rename_or_link("link", SYS_linkat, base, from, other, to, flags);
}

/* safetensors renames its file with a system call of its own, past the C library. The kernel sends SIGSYS for it. */
#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define ARGUMENT(i) context->uc_mcontext.gregs[((int[]){REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8})[i]]
#define RESULT context->uc_mcontext.gregs[REG_RAX]
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define ARGUMENT(i) context->uc_mcontext.regs[i]
#define RESULT context->uc_mcontext.regs[0]
#endif

#ifdef ARCHITECTURE
static void on_trap(int number, siginfo_t *info, void *state) {
    ucontext_t *context = state;
    int saved = errno, result;
    switch (info->si_syscall) {
#ifdef SYS_rename
    case SYS_rename: result = rename((char *)ARGUMENT(0), (char *)ARGUMENT(1)); break;
    case SYS_link: result = link((char *)ARGUMENT(0), (char *)ARGUMENT(1)); break;
#endif
#ifdef SYS_renameat
    case SYS_renameat:
        result = renameat(ARGUMENT(0), (char *)ARGUMENT(1), ARGUMENT(2), (char *)ARGUMENT(3));
        break;
#endif
    case SYS_renameat2:
        result = renameat2(ARGUMENT(0), (char *)ARGUMENT(1), ARGUMENT(2), (char *)ARGUMENT(3), ARGUMENT(4));
        break;
    default: result = linkat(ARGUMENT(0), (char *)ARGUMENT(1), ARGUMENT(2), (char *)ARGUMENT(3), ARGUMENT(4));
    }
    RESULT = result < 0 ? -errno : result;
    errno = saved;
}

#define TRAP(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),                       \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),               \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OURS, 1, 0),                                          \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)

/* Returns 0 where it works. */
int shim_trap(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_rename
        TRAP(SYS_rename), TRAP(SYS_link),
#endif
#ifdef SYS_renameat
        TRAP(SYS_renameat),
#endif
        TRAP(SYS_renameat2), TRAP(SYS_linkat),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (sigaction(SIGSYS, &trap, NULL)) return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
#else
int shim_trap(void) { return -1; }
#endif

#define NAMED(symbol, name)                                                                   \
    int symbol(const char *path) {                                                            \
        REAL(int, #symbol, const char *);                                                     \
        RUN(int, decide_path(name, AT_FDCWD, path, 0, 0), -1, real(path));                    \
    }
NAMED(unlink, "unlink") NAMED(rmdir, "rmdir") NAMED(remove, "unlink")

int unlinkat(int base, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    RUN(int, decide_path(flags & AT_REMOVEDIR ? "rmdir" : "unlink", base, path, 0, 0), -1, real(base, path, flags));
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    RUN(int, decide_path("mkdir", AT_FDCWD, path, mode, 1), -1, real(path, mode));
}

int mkdirat(int base, const char *path, mode_t mode) {
    REAL(int, "mkdirat", int, const char *, mode_t);
    RUN(int, decide_path("mkdir", base, path, mode, 1), -1, real(base, path, mode));
}

int chmod(const char *path, mode_t mode) {
    REAL(int, "chmod", const char *, mode_t);
    RUN(int, decide_path("chmod", AT_FDCWD, path, mode, 0), -1, real(path, mode));
}

int fchmod(int descriptor, mode_t mode) {
    REAL(int, "fchmod", int, mode_t);
    RUN(int, decide_descriptor("chmod", descriptor, mode, 0, 0), -1, real(descriptor, mode));
}

int fchmodat(int base, const char *path, mode_t mode, int flags) {
    REAL(int, "fchmodat", int, const char *, mode_t, int);
    RUN(int, decide_path("chmod", base, path, mode, 0), -1, real(base, path, mode, flags));
}
