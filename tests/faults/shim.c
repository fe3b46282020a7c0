/* Fails, or kills at, the n-th state-changing call of this process. Loaded with LD_PRELOAD into the Python that forks the
 * attempts and armed in the child, by ctypes; or into a program, armed by VIRTCTL_FAULT=number:code[:victim]. Number 0
 * only counts. The code is an errno, KILL_BEFORE, KILL_AFTER, KILL_VICTIM (the process whose pid is in the file that is
 * called victim) or SIGNAL - n, for a signal to ourselves. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { KILL_BEFORE = 0, KILL_AFTER = -1, KILL_VICTIM = -2, SIGNAL = -100 };
static long target = -1, seen;
static int code;
static char victim[4096];

void fault_arm(long number, int what) { seen = 0; code = what; target = number; }
long fault_seen(void) { return seen; }
void fault_victim(const char *pidfile) { snprintf(victim, sizeof victim, "%s", pidfile); }

__attribute__((constructor)) static void from_environment(void) {
    const char *words = getenv("VIRTCTL_FAULT");
    if (words)
        sscanf(words, "%ld:%d:%4095s", &target, &code, victim);
}

static void kill_victim(void) {
    FILE *file = fopen(victim, "r");
    int pid = 0;
    if (file && fscanf(file, "%d", &pid) == 1 && pid > 1)
        kill(pid, SIGKILL);
    if (file)
        fclose(file);
}

/* 1: the call fails with errno set; -1: it is made, then we die. */
static int strikes(void) {
    if (target < 0 || ++seen != target)
        return 0;
    if (code == KILL_BEFORE)
        kill(getpid(), SIGKILL);
    if (code == KILL_AFTER)
        return -1;
    if (code == KILL_VICTIM)
        kill_victim();
    if (code <= SIGNAL)
        kill(getpid(), SIGNAL - code);
    if (code < 0)
        return 0;
    errno = code;
    return 1;
}

#define CALL(type, name, params, args)                                              \
    type name params {                                                              \
        static type(*real) params;                                                  \
        if (!real)                                                                  \
            real = dlsym(RTLD_NEXT, #name);                                         \
        int struck = strikes();                                                     \
        if (struck > 0)                                                             \
            return -1;                                                              \
        type result = real args;                                                    \
        if (struck < 0)                                                             \
            kill(getpid(), SIGKILL);                                                \
        return result;                                                              \
    }

CALL(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
CALL(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
CALL(ssize_t, pwrite64, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
CALL(int, fsync, (int fd), (fd))
CALL(int, fdatasync, (int fd), (fd))
CALL(int, rename, (const char *from, const char *to), (from, to))
CALL(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
CALL(int, unlink, (const char *path), (path))
CALL(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
CALL(int, rmdir, (const char *path), (path))
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode))
CALL(int, symlink, (const char *to, const char *path), (to, path))
CALL(int, symlinkat, (const char *to, int fd, const char *path), (to, fd, path))
CALL(int, link, (const char *from, const char *to), (from, to))
CALL(int, ftruncate, (int fd, off_t size), (fd, size))
CALL(int, ftruncate64, (int fd, off_t size), (fd, size))
CALL(int, fchmod, (int fd, mode_t mode), (fd, mode))
CALL(int, bind, (int fd, const struct sockaddr *name, socklen_t size), (fd, name, size))
CALL(int, connect, (int fd, const struct sockaddr *name, socklen_t size), (fd, name, size))

#define OPEN(name)                                                                  \
    int name(const char *path, int flags, ...) {                                    \
        static int (*real)(const char *, int, ...);                                 \
        if (!real)                                                                  \
            real = dlsym(RTLD_NEXT, #name);                                         \
        va_list list;                                                               \
        va_start(list, flags);                                                      \
        mode_t mode = va_arg(list, mode_t);                                         \
        va_end(list);                                                               \
        int struck = (flags & (O_CREAT | O_WRONLY | O_RDWR)) ? strikes() : 0;       \
        if (struck > 0)                                                             \
            return -1;                                                              \
        int result = real(path, flags, mode);                                       \
        if (struck < 0)                                                             \
            kill(getpid(), SIGKILL);                                                \
        return result;                                                              \
    }

OPEN(open)
OPEN(open64)
