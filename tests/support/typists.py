"""Who else types on a guest's monitor: processes that were killed in the middle of a line."""

from __future__ import annotations

import ctypes
import os
import select
import time
from pathlib import Path
from typing import Self

from tests.fakes.guests import Guest

_PIDFD_GETFD = 438


class Leaver:
    """Leaves bytes on the monitor's line as a process does that is killed while it types: `leaver(b"qui")`.

    It looks at QEMU's own side of the pty, to see that they have been taken and stand on QEMU's line.
    """

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self._master = _master_of(guest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._master)

    def __call__(self, data: bytes, *, taken: bool = True) -> None:
        fd = os.open(self.guest.pts, os.O_RDWR | os.O_NOCTTY)
        try:
            os.write(fd, data)
            limit = time.monotonic() + 30
            while taken and select.select([self._master], [], [], 0)[0]:
                assert time.monotonic() < limit, f"QEMU does not take {data[:40]!r}"
                os.sched_yield()
        finally:
            os.close(fd)


def _master_of(guest: Guest) -> int:
    """A duplicate of QEMU's descriptor of the pty."""
    folder = Path(f"/proc/{guest.identity.pid}/fdinfo")
    wanted = f"tty-index:\t{guest.pts.rpartition('/')[2]}\n"
    number = next(int(one.name) for one in folder.iterdir() if wanted in one.read_text())
    pidfd = os.pidfd_open(guest.identity.pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        master = int(libc.syscall(_PIDFD_GETFD, pidfd, number, 0))
    finally:
        os.close(pidfd)
    if master < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    os.set_inheritable(master, False)
    return master
