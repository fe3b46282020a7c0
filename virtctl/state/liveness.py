"""Whether a process that a file names is still that process: pid, start time and boot together, never the pid alone.

A pid is reused within seconds on a busy host, and a file under a folder that survives a reboot may name a process
of an earlier boot. The kernel's start time (field 22 of `/proc/PID/stat`, in clock ticks since the boot) and the
boot's own id tell them apart.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_FLOCK = struct.Struct("@hhqqi0q")  # struct flock of a 64-bit Linux: type, whence, start, length, pid


def boot_id() -> str:
    """The random id that the kernel drew at this boot, or "" where /proc does not say."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def start_time(pid: int) -> int | None:
    """When process `pid` started, in clock ticks since the boot; None when it is gone or only a zombie is left."""
    if pid <= 0:
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rfind(b")") + 2 :].split()  # the command name before it may hold blanks and brackets
    if len(fields) < 20 or fields[0] in (b"Z", b"X", b"x"):
        return None
    return int(fields[19])


def is_alive(pid: int, started: int, boot: str) -> bool:
    """Whether the process that was `pid` since `started` in the boot `boot` still runs."""
    return bool(boot) and boot == boot_id() and started == start_time(pid)


def lock_owner(path: Path) -> int | None:
    """The pid that holds a POSIX lock on `path`, which is how QEMU keeps its pidfile; None when nobody does.

    QEMU holds it for its whole life and the kernel drops it at its death, so an unlocked pidfile is a dead QEMU's.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        answer = fcntl.fcntl(fd, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError:
        return None
    finally:
        os.close(fd)
    kind, _whence, _start, _length, pid = _FLOCK.unpack(answer)
    return int(pid) if kind != fcntl.F_UNLCK and pid > 0 else None


def find_guest(uuid: str) -> tuple[int, int] | None:
    """The pid and start time of a process that was started with `-uuid UUID`, for a guest whose runtime folder is gone.

    Reads the command line of every process, so it is for the rare case only.
    """
    wanted = b"\0-uuid\0" + uuid.encode() + b"\0"
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    for pid in sorted(pids):
        try:
            found = wanted in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        started = start_time(pid) if found else None
        if started is not None:
            return pid, started
    return None
