"""Starting the log keeper of a guest, and starting another when it has ended before its guest.

The pipes have no names: QEMU's own descriptors in /proc lead to them, which no cleaner of /run reaches and nobody else
can open. Whether a keeper still reads is asked of the pipe itself.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from virtctl.errors import OperationFailed, SystemFault, VirtctlError
from virtctl.qemu import logkeeper
from virtctl.qemu.context import Context
from virtctl.qemu.logfiles import open_own_log
from virtctl.qemu.process import descriptors, ended_within
from virtctl.state import logreport
from virtctl.state import status as statuses
from virtctl.state.settings import load_settings
from virtctl.state.status import Status

FACT = "logs"  # in a guest's record: what `facts` gives
PIPE_SIZE = 1 << 20  # bytes that QEMU can print while the keeper is stopped
UP_DEADLINE = 10.0
_NO_LIMIT = 1 << 62
_REPORT = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEAF = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)  # its guest's end is its own


class KeptLog(NamedTuple):
    """A log and the two ends of its pipe: QEMU writes to `fd`, the keeper reads `source`."""

    key: str
    path: str
    fd: int
    source: int


def pipe_for(key: str, path: str, undo: ExitStack) -> KeptLog:
    """The pipe of a log. Raises SystemFault."""
    try:
        source, fd = os.pipe2(os.O_CLOEXEC)
    except OSError as error:
        raise SystemFault(f"cannot make a pipe for log file '{path}'", error) from error
    undo.callback(os.close, source)
    undo.callback(os.close, fd)
    with suppress(OSError):  # a user may have only so many; the usual size does as well
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    return KeptLog(key, path, fd, source)


class Beginning:
    """A keeper that is being started: the process that goes when all is under way."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def await_up(self) -> None:
        """Waits until the keeper has what it needs, which it mostly has long before QEMU.

        Raises OperationFailed, SystemFault.
        """
        try:
            pidfd = os.pidfd_open(self._pid)
        except OSError as error:
            raise SystemFault("cannot watch the log keeper start", error) from error
        try:
            if not ended_within(pidfd, UP_DEADLINE):
                raise OperationFailed("the log keeper did not start")
        finally:
            os.close(pidfd)
        pid, self._pid = self._pid, 0
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status != 0:
            raise OperationFailed(f"the log keeper ended with status {status}", hint="its words are in QEMU's log")

    def close(self) -> None:
        """Lets it go: where the start failed it finds the pipes closed and ends."""
        if self._pid:
            with suppress(VirtctlError):
                self.await_up()


def start(context: Context, uuid: str, name: str, logs: Sequence[KeptLog], *, again: bool = False) -> Beginning:
    """Starts the keeper without waiting for it. `again`: another has ended before.

    Raises SystemFault, ConfigSyntaxError.
    """
    settings = load_settings(context.paths)
    folder = statuses.folder(context.paths, uuid)
    known = logreport.lost(folder) if again else {}
    kept = [(log.key, os.fsencode(log.path), log.source, settings.max_log_size or _NO_LIMIT, settings.max_log_backups,
             logkeeper.ENDED if again else 0, known.get(log.key, ("", 0))[1]) for log in logs]
    with ExitStack() as done:
        words = open_own_log(context.paths.logs / f"{name}.log")
        done.callback(os.close, words)
        try:
            report = os.open(folder / logreport.FILE, _REPORT, 0o600)
            done.callback(os.close, report)
            spec = os.memfd_create("logs")
            done.callback(os.close, spec)
            os.write(spec, marshal.dumps((report, kept)))
            os.lseek(spec, 0, os.SEEK_SET)
            return Beginning(_spawn(name, spec, words, [report, *(log.source for log in logs)]))
        except OSError as error:
            raise SystemFault(f"cannot start the log keeper of domain '{name}'", error) from error


def _spawn(name: str, spec: int, words: int, shared: list[int]) -> int:
    """Its guest's name is for whoever looks at the processes. Raises OSError."""
    argv = [sys.executable, "-I", "-S", str(Path(logkeeper.__file__).resolve()), name]
    return os.posix_spawn(argv[0], argv, {"LC_ALL": "C"}, setsid=True, setsigmask=_DEAF, file_actions=[
        *((os.POSIX_SPAWN_DUP2, fd, fd) for fd in shared),  # onto itself: clears close-on-exec
        (os.POSIX_SPAWN_DUP2, spec, 0), (os.POSIX_SPAWN_DUP2, words, 1), (os.POSIX_SPAWN_DUP2, words, 2)])


def facts(logs: Sequence[KeptLog]) -> dict[str, tuple[str, int]]:
    """What the record of the guest keeps: for each log its path and its pipe's number."""
    return {log.key: (log.path, os.fstat(log.fd).st_ino) for log in logs}


def unkept(status: Status) -> dict[str, str]:
    """Logs whose pipes nobody reads, because the keeper has ended before its guest: the way to each pipe."""
    known = status.facts.get(FACT, {})
    if not known:
        return {}
    try:
        ends = descriptors(status.pid)
    except PermissionError:
        return {}
    ways = {key: ends.get(f"pipe:[{pipe}]") for key, (_, pipe) in known.items()}
    return {key: way for key, way in ways.items() if way is not None and not _is_read(way)}


def _is_read(way: str) -> bool:
    try:
        fd = os.open(way, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # what cannot be asked is taken for well
        return True
    try:
        poller = select.poll()
        poller.register(fd, 0)
        return not any(events & select.POLLERR for _, events in poller.poll(0))
    finally:
        os.close(fd)


def revive(context: Context, status: Status) -> None:
    """Starts a new keeper for the logs that have none. The caller holds the domain's lock; a failure is a warning."""
    ways = unkept(status)
    if not ways:
        return
    with ExitStack() as done:
        try:
            logs = []
            for key, way in ways.items():
                source = os.open(way, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                done.callback(os.close, source)
                os.set_blocking(source, True)
                logs.append(KeptLog(key, status.facts[FACT][key][0], -1, source))
            start(context, status.uuid, status.name, logs, again=True).await_up()
        except (VirtctlError, OSError) as error:
            context.warn(f"the log keeper of domain '{status.name}' has ended, and no other could be started: {error}")
            return
    context.warn(f"the log keeper of domain '{status.name}' had ended and was started again; what the guest printed "
                 "meanwhile is lost")
