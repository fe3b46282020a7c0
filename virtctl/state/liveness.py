"""Whether a process that a file names is still that process: pid, start time and boot together, never the pid alone.

A pid is reused within seconds on a busy host, and a file under a folder that survives a reboot may name a process
of an earlier boot. The kernel's start time (field 22 of `/proc/PID/stat`, in clock ticks since the boot) and the
boot's own id tell them apart.
"""

from __future__ import annotations

import time
from pathlib import Path

from virtctl.errors import SystemFault

ENDING = 1.0  # seconds for which a process that is on its way out is waited for
_DEAD = (b"Z", b"X", b"x")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """The random id that the kernel drew at this boot, or "" where /proc does not say. Raises `SystemFault`."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except FileNotFoundError:
        return ""
    except OSError as cause:  # not to know is not to say that everything ended
        raise SystemFault(f"cannot read '{_BOOT_ID}'", cause) from cause


def start_time(pid: int) -> int | None:
    """When process `pid` started, in clock ticks since the boot; None when it is gone or only a zombie is left.

    A process whose first thread has ended holds its files and their locks until the others have: that is waited for,
    up to `ENDING` seconds. Raises `SystemFault` where it cannot be found out, for want of descriptors for one.
    """
    limit = time.monotonic() + ENDING
    while (fields := _fields(pid)) is not None and fields[0] in _DEAD:
        if int(fields[17]) <= 1:  # its threads
            return None
        if time.monotonic() > limit:
            break
        time.sleep(0.001)
    return None if fields is None else int(fields[19])


def _fields(pid: int) -> list[bytes] | None:
    """The fields of /proc/PID/stat from the third on, the state; None when there is no such process."""
    if pid <= 0:
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError as cause:
        raise SystemFault(f"cannot read '/proc/{pid}/stat'", cause) from cause
    fields = stat[stat.rfind(b")") + 2 :].split()  # the command name before it may hold blanks and brackets
    return fields if len(fields) >= 20 else None


def is_alive(pid: int, started: int, boot: str) -> bool:
    """Whether the process that was `pid` since `started` in the boot `boot` still runs."""
    return bool(boot) and boot == boot_id() and started == start_time(pid)
