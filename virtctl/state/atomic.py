"""Files that are old or new, never between: temporary file beside it, sync, rename, sync of the folder.

Nothing here follows a symbolic link in the last component, and nothing is ever readable by others, whatever the umask.
A failed fsync is never tried again: after one, Linux marks the pages clean, and a second would succeed over lost data.
"""

from __future__ import annotations

import os
import signal
import stat
from contextlib import suppress
from pathlib import Path

from virtctl.errors import OperationFailed, SystemFault
from virtctl.state.liveness import start_time

MAX_READ = 16 * 1024 * 1024
TEMP = ".tmp-"  # how the names of files that are not whole yet begin
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_own: tuple[int, int] = (0, 0)  # our pid and start time; read once, and again after a fork


def _myself() -> tuple[int, int]:
    global _own
    pid = os.getpid()
    if _own[0] != pid:
        _own = (pid, 0)
        with suppress(SystemFault):  # then `reap` spares what bears our pid
            _own = (pid, start_time(pid) or 0)
    return _own


def temp_beside(path: Path) -> Path:
    """A name in the folder of `path` that nobody can foresee and that tells who made it, for `reap`."""
    pid, started = _myself()
    return path.with_name(f"{TEMP}{pid}-{started}-{os.urandom(8).hex()}")


def create_temp(path: Path, mode: int = 0o600) -> tuple[int, Path]:
    """A new, empty file beside `path`, open for reading and writing: descriptor and name. Raises `SystemFault`.

    A signal that would end us is heard when the file is there and can be removed again.
    """
    temp = temp_beside(path)
    fd = -1
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        try:
            fd = os.open(temp, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
            os.fchmod(fd, mode)  # a umask of 777 would leave a file that its owner cannot read
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    except BaseException as cause:
        if fd >= 0:
            discard(fd, temp)
        if isinstance(cause, OSError):
            raise SystemFault(f"cannot create file '{path}'", cause) from cause
        raise
    return fd, temp


def discard(fd: int, temp: Path) -> None:
    """Closes and removes a temporary file; an error here never hides the one that led here."""
    with suppress(OSError):
        os.close(fd)
    with suppress(OSError):
        temp.unlink()


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Writes every byte, however short the single writes are. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` durable. Raises `SystemFault`."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as cause:
        raise SystemFault(f"cannot sync folder '{folder}'", cause) from cause


def write_file(path: Path, data: bytes, mode: int = 0o600, *, sync: bool = True) -> None:
    """Makes `data` the whole content of `path`, or leaves the old content and raises `SystemFault`.

    `sync=False` is for what need not survive a power loss (the runtime folder): old or new for every reader, but no
    waiting for the disk.
    """
    fd, temp = create_temp(path, mode)
    try:
        try:
            write_all(fd, data)
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)
        temp.rename(path)
    except BaseException as cause:  # an interrupt leaves nothing behind either
        with suppress(OSError):
            temp.unlink()
        if isinstance(cause, OSError):
            raise SystemFault(f"cannot write file '{path}'", cause) from cause
        raise
    if sync:
        sync_folder(path.parent)


def read_file(path: Path, limit: int = MAX_READ) -> bytes:
    """The content of a regular file of ours; never blocks on a FIFO, never follows a link.

    Raises FileNotFoundError when there is none, `SystemFault` when the system refuses, and `OperationFailed` when it
    is no regular file, is larger than `limit` bytes, or could have been written by somebody else.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _read_checked(fd, path, limit)
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise
    except OSError as cause:
        raise SystemFault(f"cannot read file '{path}'", cause) from cause


def _read_checked(fd: int, path: Path, limit: int) -> bytes:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise OperationFailed(f"'{path}' is not a regular file")
    if found.st_uid not in (os.geteuid(), 0):
        raise OperationFailed(f"'{path}' belongs to user {found.st_uid}, it is not read")
    if found.st_mode & 0o022:
        raise OperationFailed(f"'{path}' can be written by others, it is not read", hint=f"chmod 600 '{path}'")
    if found.st_size > limit:
        raise OperationFailed(f"'{path}' is larger than {limit} bytes")
    data = b""
    while len(data) <= limit and (chunk := os.read(fd, max(found.st_size - len(data), 0) + 1)):
        data += chunk
    return data[:limit]


def make_dir(path: Path) -> None:
    """Makes sure that `path` is a folder of ours with mode 0700, creating it and its parents.

    Raises `SystemFault` when it cannot be made and `OperationFailed` when what stands there is a symbolic link, is no
    folder, or belongs to somebody else.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        _create_dir(path)
        return
    except OSError as cause:
        raise SystemFault(f"cannot look at folder '{path}'", cause) from cause
    if not stat.S_ISDIR(found.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "not a folder"
        raise OperationFailed(f"'{path}' is {kind}, a folder is needed there")
    if found.st_uid != os.geteuid():
        raise OperationFailed(f"folder '{path}' belongs to user {found.st_uid}, not to user {os.geteuid()}")
    if found.st_mode & 0o077:
        _restrict(path)


def _create_dir(path: Path) -> None:
    if not path.parent.exists():
        make_dir(path.parent)
    try:
        path.mkdir(0o700)
        path.chmod(0o700)  # a umask of 777 leaves a folder that its owner cannot open
    except FileExistsError:
        make_dir(path)  # another process was first; what it made is checked like any other
        return
    except OSError as cause:
        raise SystemFault(f"cannot create folder '{path}'", cause) from cause
    _restrict(path)
    sync_folder(path.parent)


def _restrict(path: Path) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as cause:
        raise SystemFault(f"cannot open folder '{path}'", cause) from cause
    try:
        os.fchmod(fd, 0o700)
    except OSError as cause:
        raise SystemFault(f"cannot change the mode of folder '{path}'", cause) from cause
    finally:
        os.close(fd)


def remove_file(path: Path, *, sync: bool = True) -> bool:
    """Removes a file for good; says whether there was one. Raises `SystemFault`."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as cause:
        raise SystemFault(f"cannot remove file '{path}'", cause) from cause
    if sync:
        sync_folder(path.parent)
    return True


def reap(folder: Path) -> list[Path]:
    """Removes the temporary files of writers that are dead, and says which. Never fails: it only tidies."""
    removed = []
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(TEMP)]
    except OSError:
        return []
    for name in names:
        pid, _, rest = name.removeprefix(TEMP).partition("-")
        started, _, _ = rest.partition("-")
        if not (pid.isdigit() and started.isdigit()) or _writes_on(int(pid), int(started)):
            continue
        with suppress(OSError):
            (folder / name).unlink()
            removed.append(folder / name)
    return removed


def _writes_on(pid: int, started: int) -> bool:
    """Whether that writer lives, or may live; 0 stands for a start time that could not be read."""
    try:
        now = start_time(pid)
    except SystemFault:
        return True
    return now is not None and started in (now, 0)
