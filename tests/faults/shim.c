/* Fails, or kills at, the n-th state-changing call of this process. Loaded with LD_PRELOAD into the Python that forks the
 * attempts and armed in the child, by ctypes; or into a program, armed by VIRTCTL_FAULT=number:code[:victim]. Number 0
 * only counts. The code is an errno, KILL_BEFORE, KILL_AFTER, KILL_VICTIM (the process whose pid is in the file that is
 * called victim), SIGNAL - n, for a signal to ourselves, or FREEZE - n: the victim stands still for n milliseconds.
 * fault_kinds(WAITS) counts the calls that wait or read instead, CLOSES those that close a
 * file which was open for writing, and close it all the same. VIRTCTL_SHORT=n lets no write take more than n bytes.
 * A file whose fsync was made to fail and that is synced once more ends the process by SIGABRT: the second would lie. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_BEFORE = 0, KILL_AFTER = -1, KILL_VICTIM = -2, SIGNAL = -100, FREEZE = -1000 };
enum { CHANGES = 1, WAITS = 2, CLOSES = 4 };
static long target = -1, seen;
static int code, kinds = CHANGES;
static size_t most = -1;
static struct statx unsynced;
static char victim[4096];

void fault_arm(long number, int what) { seen = 0; code = what; target = number; }
long fault_seen(void) { return seen; }
void fault_kinds(int which) { kinds = which; }
void fault_victim(const char *pidfile) { snprintf(victim, sizeof victim, "%s", pidfile); }

__attribute__((constructor)) static void from_environment(void) {
    const char *words = getenv("VIRTCTL_FAULT");
    if (words)
        sscanf(words, "%ld:%d:%4095s", &target, &code, victim);
    if ((words = getenv("VIRTCTL_SHORT")))
        most = atol(words);
}

static void tell_victim(int what) {
    FILE *file = fopen(victim, "r");
    int pid = 0;
    if (file && fscanf(file, "%d", &pid) == 1 && pid > 1)
        kill(pid, what);
    if (file)
        fclose(file);
}

static void freeze_victim(int milliseconds) {
    tell_victim(SIGSTOP);
    if (fork())
        return;
    usleep(milliseconds * 1000);
    tell_victim(SIGCONT);
    _exit(0);
}

/* 1: the call fails with errno set; -1: it is made, then we die. */
static int strikes(int kind) {
    if (target < 0 || !(kind & kinds) || ++seen != target)
        return 0;
    if (code == KILL_BEFORE)
        kill(getpid(), SIGKILL);
    if (code == KILL_AFTER)
        return -1;
    if (code == KILL_VICTIM)
        tell_victim(SIGKILL);
    if (code <= FREEZE)
        freeze_victim(FREEZE - code);
    else if (code <= SIGNAL)
        kill(getpid(), SIGNAL - code);
    if (code < 0)
        return 0;
    errno = code;
    return 1;
}

static int is_unsynced(int fd) {
    struct statx now;
    return unsynced.stx_ino && !statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &now) &&
           now.stx_ino == unsynced.stx_ino && now.stx_btime.tv_sec == unsynced.stx_btime.tv_sec &&
           now.stx_btime.tv_nsec == unsynced.stx_btime.tv_nsec;
}

/* What is written anew after a failed sync may be synced. */
static size_t some(int fd, size_t size) {
    if (is_unsynced(fd))
        unsynced.stx_ino = 0;
    return size < most ? size : most;
}

/* The kernel says EAGAIN of no file. */
static int reads(int fd) {
    struct stat found;
    return code == EAGAIN && !fstat(fd, &found) && S_ISREG(found.st_mode) ? 0 : WAITS;
}

/* After a sync that was made to fail; a folder may be synced again, for other names. */
static void no_second_sync(int fd, int struck) {
    struct statx now;
    int error = errno;
    if (struck > 0 && error != EINTR && !statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &now) &&
        S_ISREG(now.stx_mode))
        unsynced = now;
    else if (struck <= 0 && is_unsynced(fd))
        abort();
    errno = error;
}

#define CALL(kind, type, name, params, args, first)                                 \
    type name params {                                                              \
        static type(*real) params;                                                  \
        if (!real)                                                                  \
            real = dlsym(RTLD_NEXT, #name);                                         \
        int struck = strikes(kind);                                                 \
        first                                                                       \
        if (struck > 0)                                                             \
            return -1;                                                              \
        type result = real args;                                                    \
        if (struck < 0)                                                             \
            kill(getpid(), SIGKILL);                                                \
        return result;                                                              \
    }

CALL(CHANGES, ssize_t, write, (int fd, const void *data, size_t size), (fd, data, some(fd, size)), )
CALL(CHANGES, ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, some(fd, size), at), )
CALL(CHANGES, ssize_t, pwrite64, (int fd, const void *data, size_t size, off_t at), (fd, data, some(fd, size), at), )
CALL(CHANGES, int, fsync, (int fd), (fd), no_second_sync(fd, struck);)
CALL(CHANGES, int, fdatasync, (int fd), (fd), no_second_sync(fd, struck);)
CALL(CHANGES, int, rename, (const char *from, const char *to), (from, to), )
CALL(CHANGES, int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), )
CALL(CHANGES, int, unlink, (const char *path), (path), )
CALL(CHANGES, int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), )
CALL(CHANGES, int, rmdir, (const char *path), (path), )
CALL(CHANGES, int, mkdir, (const char *path, mode_t mode), (path, mode), )
CALL(CHANGES, int, symlink, (const char *to, const char *path), (to, path), )
CALL(CHANGES, int, symlinkat, (const char *to, int fd, const char *path), (to, fd, path), )
CALL(CHANGES, int, link, (const char *from, const char *to), (from, to), )
CALL(CHANGES, int, ftruncate, (int fd, off_t size), (fd, size), )
CALL(CHANGES, int, ftruncate64, (int fd, off_t size), (fd, size), )
CALL(CHANGES, int, fchmod, (int fd, mode_t mode), (fd, mode), )
CALL(CHANGES, int, bind, (int fd, const struct sockaddr *name, socklen_t size), (fd, name, size), )
CALL(CHANGES, int, connect, (int fd, const struct sockaddr *name, socklen_t size), (fd, name, size), )

CALL(reads(fd), ssize_t, read, (int fd, void *data, size_t size), (fd, data, size), )
CALL(WAITS, ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags), )
CALL(WAITS, int, accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags), (fd, from, size, flags), )
CALL(WAITS, int, flock, (int fd, int what), (fd, what), )
CALL(WAITS, int, poll, (struct pollfd *which, nfds_t count, int time), (which, count, time), )
CALL(WAITS, int, select, (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *time), (n, r, w, e, time), )
CALL(WAITS, pid_t, waitpid, (pid_t pid, int *status, int flags), (pid, status, flags), )

int close(int fd) {
    static int (*real)(int);
    if (!real)
        real = dlsym(RTLD_NEXT, "close");
    struct stat found;
    int written = kinds & CLOSES && !fstat(fd, &found) && S_ISREG(found.st_mode) && fcntl(fd, F_GETFL) & O_ACCMODE;
    int struck = strikes(written ? CLOSES : 0), error = errno;
    int result = real(fd);
    errno = struck > 0 ? error : errno;
    return struck > 0 ? -1 : result;
}

#define OPEN(name)                                                                  \
    int name(const char *path, int flags, ...) {                                    \
        static int (*real)(const char *, int, ...);                                 \
        if (!real)                                                                  \
            real = dlsym(RTLD_NEXT, #name);                                         \
        va_list list;                                                               \
        va_start(list, flags);                                                      \
        mode_t mode = va_arg(list, mode_t);                                         \
        va_end(list);                                                               \
        int struck = (flags & (O_CREAT | O_WRONLY | O_RDWR)) ? strikes(CHANGES) : 0; \
        if (struck > 0)                                                             \
            return -1;                                                              \
        int result = real(path, flags, mode);                                       \
        if (struck < 0)                                                             \
            kill(getpid(), SIGKILL);                                                \
        return result;                                                              \
    }

OPEN(open)
OPEN(open64)
