"""Turns between processes: advisory locks on files under `Paths.locks`, released by the kernel when a holder dies.

A lock is held for a step, never for a long job. Its file says who holds it, since when and for which command; that
text only informs (a dead holder's text may stay), the kernel's lock alone decides. Descriptors are close-on-exec, so
QEMU never inherits one. A lock file that is removed while it is held still counts: whoever makes it anew looks for
processes that hold the removed one.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from virtctl.errors import OperationTimeout, SystemFault
from virtctl.paths import Paths
from virtctl.state.atomic import make_dir

DEFAULT_TIMEOUT = 30.0
_SIZE = 1024  # of the text in a lock file: a command of 100 characters fits however it is escaped
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.02
_held: dict[Path, tuple[FileLock, int]] = {}  # what this process holds: a second `with` on it only counts


class FileLock:
    """One lock file, taken by `with`. A process that already holds it enters again at once.

    `timeout` is in seconds; 0 tries once. Raises `OperationTimeout` naming the holder, `SystemFault` when the file
    cannot be used. `for_reading`: makes no folder, and works on a read-only file system too, where others are not told
    who holds it.
    """

    def __init__(self, path: Path, *, command: str = "", timeout: float = DEFAULT_TIMEOUT,
                 for_reading: bool = False) -> None:
        self.path = path
        self.command = command
        self.timeout = timeout
        self.undisturbed = False
        self._for_reading = for_reading
        self._fd = -1
        self._mark = b""

    def __enter__(self) -> FileLock:
        held, depth = _held.get(self.path, (self, 0))
        if depth == 0:
            self._acquire()
        _held[self.path] = (held, depth + 1)
        return held

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        held, depth = _held[self.path]
        if depth > 1:
            _held[self.path] = (held, depth - 1)
        else:
            del _held[self.path]
            held._release()

    def _acquire(self) -> None:
        """Takes the lock. Afterwards `undisturbed` says whether nobody else held it since this object last did."""
        deadline = time.monotonic() + self.timeout
        pause = _FIRST_PAUSE
        if not self._for_reading:
            make_dir(self.path.parent)
        while not self._try():
            left = deadline - time.monotonic()
            if left <= 0:
                raise OperationTimeout(f"cannot acquire state change lock ({describe_holder(self.path)})")
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        try:
            self._sign()
        except BaseException:
            self._release()
            raise

    def _try(self) -> bool:
        try:
            fd = self._open()
        except OSError as cause:
            if cause.errno != errno.ENOENT or self._for_reading:
                raise SystemFault(f"cannot open lock file '{self.path}'", cause) from cause
            make_dir(self.path.parent)  # the runtime folder was wiped while we waited
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is_current(fd):
                if self._for_reading or os.fstat(fd).st_size or not _removed_and_held(self.path):
                    self._fd = fd
                    return True
                self.path.unlink()  # so that the next one to come looks, too
        except BlockingIOError:
            pass
        except OSError as cause:
            os.close(fd)
            raise SystemFault(f"cannot lock file '{self.path}'", cause) from cause
        os.close(fd)
        return False

    def _open(self) -> int:
        flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | flags, 0o600)
        except OSError as cause:
            if cause.errno != errno.EROFS or not self._for_reading:
                raise
        return os.open(self.path, os.O_RDONLY | flags)

    def _is_current(self, fd: int) -> bool:
        """Whether the file that we locked is still the one of that name: it may have been removed while we waited."""
        try:
            return os.path.samestat(os.fstat(fd), self.path.lstat())
        except FileNotFoundError:
            return False

    def _sign(self) -> None:
        """Writes who holds the lock, in one size; a full disk must neither stop the work nor leave an older text."""
        facts = {"pid": os.getpid(), "since": time.time(), "token": os.urandom(8).hex(), "command": self.command[:100]}
        try:
            self.undisturbed = bool(self._mark) and os.pread(self._fd, _SIZE, 0) == self._mark
            self._mark = json.dumps(facts).encode().ljust(_SIZE)
            try:
                os.pwrite(self._fd, self._mark, 0)
            except OSError:
                if not self._for_reading:
                    os.ftruncate(self._fd, 0)
        except OSError as cause:
            raise SystemFault(f"cannot use lock file '{self.path}'", cause) from cause

    def _release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)  # a child between fork and exec may share the descriptor
        with suppress(OSError):
            os.close(fd)


def _removed_and_held(path: Path) -> bool:
    """Whether a process holds the lock of a file that had this name and was removed: asked for a new file only."""
    gone = f"{os.path.realpath(path)} (deleted)"
    for process in os.listdir("/proc"):  # noqa: PTH208 - the numbers are wanted, not paths
        if not process.isdigit():
            continue
        with suppress(OSError):
            folder = f"/proc/{process}/fd"
            for number in os.listdir(folder):  # noqa: PTH208 - the same
                with suppress(OSError):
                    if os.readlink(f"{folder}/{number}") == gone and _is_held(f"{folder}/{number}"):  # noqa: PTH115 - the same
                        return True
    return False


def _is_held(path: str) -> bool:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class DomainLock(FileLock):
    """The turn to change one domain, named by its uuid."""

    def __init__(self, paths: Paths, uuid: str, *, command: str = "", timeout: float = DEFAULT_TIMEOUT) -> None:
        super().__init__(paths.locks / f"{uuid}.lock", command=command, timeout=timeout)


class DefinitionsLock(FileLock):
    """The turn to change which names and uuids are defined. Where both are needed, the domain's lock comes first."""

    def __init__(self, paths: Paths, *, command: str = "", timeout: float = DEFAULT_TIMEOUT) -> None:
        super().__init__(paths.locks / "definitions.lock", command=command, timeout=timeout)


def describe_holder(path: Path) -> str:
    """Who holds the lock file, in words: `held by pid 4211 'virtctl save vm1' since 14:03:12`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            facts = json.loads(os.read(fd, _SIZE))
        finally:
            os.close(fd)
        since = time.strftime("%H:%M:%S", time.localtime(float(facts["since"])))
        command = str(facts["command"])
        return f"held by pid {int(facts['pid'])}{f' {command!r}' if command else ''} since {since}"
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return "held by another process"
