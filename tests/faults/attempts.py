"""Attempts: one verb in a forked child, with one fault at its n-th state-changing call.

This process runs under LD_PRELOAD of shim.c; everything is imported once and each attempt costs a fork. The child is
the program as far as the kernel can tell: killed, it leaves what a killed virtctl leaves.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from virtctl.cli.root import INTERRUPTED, heed_signals
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import VirtctlError

FAULTS = {"KILL": 0, "KILL-AFTER": -1, "EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EROFS": errno.EROFS,
          "EDQUOT": errno.EDQUOT, "EINTR": errno.EINTR, "QEMU": -2}  # the last: QEMU is killed, we are not
FREEZES = {"FREEZE": -1200, "STALL": -5500}  # QEMU stands still for 0.2 seconds, or longer than an answer is waited for
CHANGES, WAITS, CLOSES = 1, 2, 4  # which calls are counted, see shim.c
UUID = "7d4f1f0e-0f0a-4c4b-9a55-1c5f0f9b2a11"  # of the one domain
DEADLINE = 60.0
SUCCEEDED, REFUSED, CRASHED = 0, 1, 3


class Outcome(NamedTuple):
    """How an attempt ended: `status` 0, 1 (an error of ours), 3 (another exception), negative for a signal."""

    status: int
    seen: int
    text: str

    @property
    def killed(self) -> bool:
        """Whether the fault was death."""
        return self.status == -signal.SIGKILL


def attempt(driver: QemuDriver, act: Callable[[QemuDriver], object], number: int, fault: str,
            kinds: int = CHANGES) -> Outcome:
    """Runs `act` in a child; `number` 0 only counts the calls. `fault` is one of FAULTS, or the name of an errno or
    of a signal that tells the child to end, as it may tell the program.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        ctypes.CDLL(None).fault_kinds(kinds)
        ours = VirtctlError if kinds == CHANGES else (VirtctlError, OSError)
        os._exit(_child(driver, act, number, _code(fault), writer, ours))
    os.close(writer)
    return _watch(pid, reader)


def _code(fault: str) -> int:
    """As shim.c has it."""
    if fault.startswith("SIG"):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        heed_signals()
        return -100 - getattr(signal, fault)
    known = {**FAULTS, **FREEZES}
    return known[fault] if fault in known else getattr(errno, fault)


def _child(driver: QemuDriver, act: Callable[[QemuDriver], object], number: int, code: int, writer: int,
           ours: type[Exception] | tuple[type[Exception], ...]) -> int:
    shim = ctypes.CDLL(None)
    shim.fault_victim(os.fsencode(driver.context.paths.runtime / UUID / "qemu.pid"))
    os.setsid()
    status, text = SUCCEEDED, ""
    shim.fault_arm(ctypes.c_long(number), code)
    try:
        act(driver)
    except ours as error:  # of what waits or closes, any error of the system is printed in one line
        status, text = REFUSED, f"{error} [{getattr(error, 'hint', None)}]"
    except SystemExit as leaving:
        status = int(leaving.code or 0)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BaseException as error:
        import traceback

        status, text = CRASHED, "".join(traceback.format_exception(error))
    seen = shim.fault_seen()
    shim.fault_arm(ctypes.c_long(-1), 0)
    os.write(writer, f"{seen}\n{text}".encode(errors="backslashreplace")[:60000])
    return status


def _watch(pid: int, reader: int) -> Outcome:
    limit = time.monotonic() + DEADLINE
    pidfd = os.pidfd_open(pid)
    import select

    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    if not poller.poll(max(0.0, limit - time.monotonic()) * 1000):
        os.kill(pid, signal.SIGKILL)
    _, raw = os.waitpid(pid, 0)
    os.close(pidfd)
    os.set_blocking(reader, False)
    try:
        data = os.read(reader, 65536).decode()
    except BlockingIOError:
        data = ""
    os.close(reader)
    seen, _, text = data.partition("\n")
    return Outcome(os.waitstatus_to_exitcode(raw), int(seen or 0), text)


def build_shim(folder: Path) -> Path:
    """Compiles shim.c."""
    import subprocess

    made = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run(["gcc", "-O1", "-fPIC", "-shared", "-o", made, source, "-ldl"], check=True, capture_output=True)
    return made
