"""The life of one QEMU process: know it again, signal it, find it, tell how it ended.

A process is known by its pid, its start time and the boot it runs in; a pid alone is never trusted. Nothing here
needs more than the standard library's light modules, because `list` asks `alive` of every guest.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from virtctl.errors import SystemFault
from virtctl.state.liveness import boot_id, start_time

_FREEZERS = ("__refrigerator", "do_freezer_trap")  # where a frozen process waits, in the kernel's first and second way


class ProcessId(NamedTuple):
    """Who a process is: `start_time` is field 22 of /proc/PID/stat, `boot_id` the kernel's name of this boot."""

    pid: int
    start_time: int
    boot_id: str


class Stray(NamedTuple):
    """A running QEMU of ours that was found by looking at processes instead of records."""

    identity: ProcessId
    uuid: str
    folder: str


def _stat(pid: int) -> tuple[str, int] | None:
    """State letter and start time, or None when there is no such process."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        text = os.read(fd, 4096)
    except ProcessLookupError:
        return None
    finally:
        os.close(fd)
    fields = text[text.rindex(b")") + 2 :].split()  # the command name before may hold spaces and brackets
    return fields[0].decode(), int(fields[19])


def identify(pid: int) -> ProcessId:
    """The identity of a process that runs now. Raises ProcessLookupError when there is none."""
    found = _stat(pid)
    if found is None:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    return ProcessId(pid, found[1], boot_id())


def alive(identity: ProcessId) -> bool:
    """Whether this very process still runs: not a later one with its pid, not one of an earlier boot, not a zombie."""
    if identity.pid <= 1 or identity.boot_id != boot_id():
        return False
    return start_time(identity.pid) == identity.start_time


def standing_still(identity: ProcessId) -> str:
    """Why the process cannot answer: `stopped` by a signal or a debugger, `frozen` with its cgroup; "" when it can."""
    found = _stat(identity.pid)
    if found is None or found[1] != identity.start_time:
        return ""
    if found[0] in "Tt":
        return "stopped"
    with contextlib.suppress(OSError):
        if found[0] in "DS" and Path(f"/proc/{identity.pid}/wchan").read_text() in _FREEZERS:
            return "frozen"
    return ""


@contextlib.contextmanager
def _grip(identity: ProcessId) -> Iterator[int | None]:
    """A pidfd on exactly this process, or None when it is gone: what holds a pidfd cannot hit a stranger."""
    pidfd: int | None = None
    try:
        if identity.pid > 1:
            with contextlib.suppress(ProcessLookupError):
                pidfd = os.pidfd_open(identity.pid)
        yield pidfd if pidfd is not None and alive(identity) else None
    finally:
        if pidfd is not None:
            os.close(pidfd)
        with contextlib.suppress(ChildProcessError):  # reap it where it was our own child
            os.waitpid(identity.pid, os.WNOHANG)


def send_signal(identity: ProcessId, number: signal.Signals) -> bool:
    """Sends a signal to exactly this process; False when it is gone already."""
    with _grip(identity) as pidfd:
        return pidfd is not None and _send(pidfd, number, identity.pid)


def _send(pidfd: int, number: signal.Signals, pid: int) -> bool:
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    except OSError as cause:
        raise SystemFault(f"Failed to terminate process {pid} with {number.name}", cause) from cause
    return True


def wait_end(identity: ProcessId, deadline: float) -> bool:
    """Waits up to `deadline` seconds for the process to end; True when it has."""
    with _grip(identity) as pidfd:
        return pidfd is None or ended_within(pidfd, deadline)


def ended_within(pidfd: int, seconds: float) -> bool:
    """Waits up to `seconds` for the process of a pidfd to end; True when it has."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(max(0.0, seconds) * 1000))


def terminate(identity: ProcessId, *, graceful: bool = False, deadline: float = 15.0) -> signal.Signals | None:
    """Ends the process: SIGTERM, and unless `graceful` SIGKILL after two thirds of `deadline` seconds.

    A stopped or frozen process cannot hear SIGTERM and is killed at once. Returns the signal that ended it, None when
    it was gone before. Raises SystemFault ("Failed to terminate process N with SIGKILL: Device or resource busy") when
    it outlives the deadline.
    """
    limit = time.monotonic() + deadline
    with _grip(identity) as pidfd:
        if pidfd is None or not _send(pidfd, signal.SIGTERM, identity.pid):
            return None
        if _await_term(pidfd, identity, deadline if graceful else deadline * 2 / 3, impatient=not graceful):
            return signal.SIGTERM
        last = signal.SIGTERM
        if not graceful:
            last = signal.SIGKILL
            _send(pidfd, last, identity.pid)
            if ended_within(pidfd, limit - time.monotonic()):
                return last
    busy = OSError(errno.EBUSY, os.strerror(errno.EBUSY))
    raise SystemFault(f"Failed to terminate process {identity.pid} with {last.name}", busy)


def _await_term(pidfd: int, identity: ProcessId, seconds: float, *, impatient: bool) -> bool:
    limit = time.monotonic() + seconds
    while not (impatient and standing_still(identity)):
        left = limit - time.monotonic()
        if ended_within(pidfd, min(left, 0.5)):
            return True
        if left <= 0:
            break
    return False


def _links(pid: int) -> Iterator[tuple[str, str]]:
    """Every open descriptor of a process: its number and what it points to. PermissionError for another user's."""
    folder = f"/proc/{pid}/fd"
    try:
        numbers = os.listdir(folder)  # noqa: PTH208 - the numbers are wanted, not paths
    except (FileNotFoundError, ProcessLookupError):
        return
    for number in numbers:
        with contextlib.suppress(OSError):
            yield number, os.readlink(f"{folder}/{number}")  # noqa: PTH115 - a string, cheaply


def _is_own(pid: int) -> bool:
    """Whether the process has our user in all four places."""
    for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
        if line.startswith("Uid:"):
            return set(line.split()[1:]) == {str(os.geteuid())}
    return False


def _is_in(pid: int, folder: str) -> bool:
    """Whether the process is in the folder that we see there, not in one of that name in a place of its own."""
    return os.path.samestat(os.stat(f"/proc/{pid}/cwd"), os.stat(folder))  # noqa: PTH116 - of /proc


def pty_belongs_to(pid: int, pts: str) -> bool:
    """Whether process `pid` holds the master side of /dev/pts/N: the node is reused as soon as a QEMU dies."""
    wanted = f"tty-index:\t{pts.rpartition('/')[2]}\n"
    for number, target in _links(pid):
        if target.endswith("/ptmx"):
            with contextlib.suppress(OSError):
                if wanted in Path(f"/proc/{pid}/fdinfo/{number}").read_text():
                    return True
    return False


def ptys(pid: int) -> list[str]:
    """The slave sides of all ptys whose master side process `pid` holds."""
    found = []
    for number, target in _links(pid):
        if target.endswith("/ptmx"):
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/fdinfo/{number}").read_text().splitlines():
                    if line.startswith("tty-index:"):
                        found.append(f"/dev/pts/{line.split()[1]}")
    return found


def slave_of(pid: int, pts: str) -> str:
    """A path to the slave side of a pty of process `pid`: its own descriptor of it, or the node where it sees it.

    Where we are, /dev/pts may be another file system by now, and the node of that number a stranger's.
    """
    for number, target in _links(pid):
        if target == pts:
            return f"/proc/{pid}/fd/{number}"
    return f"/proc/{pid}/root{pts}"


def descriptors(pid: int) -> dict[str, str]:
    """The ways to what a process has open, by what that is. PermissionError for another user's."""
    return {target: f"/proc/{pid}/fd/{number}" for number, target in _links(pid)}


def holds_open(pid: int, path: str) -> bool:
    """Whether process `pid` has `path` itself open."""
    return any(target == path for _, target in _links(pid))


def find_strays(runtime: Path, uuid: str | None = None, *, work: Path | None = None) -> list[Stray]:
    """Running QEMUs whose working folder is `runtime`/UUID, the folder deleted or not; of one guest, or of all.

    Those have our own user; one of another user is ours when its folder is the very one in `work`, which nobody else
    can enter. What a process of a stranger says of itself counts for nothing.
    """
    found = []
    folders = (os.path.realpath(runtime), os.path.realpath(work) if work is not None else None)
    for entry in os.listdir("/proc"):  # noqa: PTH208 - the numbers are wanted, not paths
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError):
                stray = _stray(int(entry), *folders)
                if stray is not None and uuid in (None, stray.uuid):
                    found.append(stray)
    return found


def _stray(pid: int, runtime: str, work: str | None) -> Stray | None:
    folder = os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)")  # noqa: PTH115 - a string, cheaply
    parent, _, uuid = folder.rpartition("/")
    if parent not in (runtime, work) or not (_is_own(pid) if parent == runtime else _is_in(pid, folder)):
        return None
    identity = identify(pid)
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    if b"-uuid" not in words or words[words.index(b"-uuid") + 1].decode() != uuid or not alive(identity):
        return None
    return Stray(identity, uuid, folder)
