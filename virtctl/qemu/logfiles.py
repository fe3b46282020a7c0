"""The files that QEMU prints to: made by us, mode 0600, never through a link, before QEMU runs.

A log of the guest's devices is written by the log keeper or, where there is none, by QEMU, which is handed the open
descriptor, so that nobody can put another file in its place in between. QEMU's own words go straight to theirs.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from virtctl.domain.devices.chardev_source import Chardev
from virtctl.errors import SystemFault, UnsupportedConfig, VirtctlError
from virtctl.paths import Paths
from virtctl.qemu.logkeeper import BUFFER, open_plain, rotate
from virtctl.state.atomic import write_all
from virtctl.state.settings import load_settings


def open_log(path: str, *, append: bool) -> int:
    """A descriptor for writing `path`, a log of one of the guest's devices.

    Raises SystemFault naming the path: the folder is missing, read-only, full; the path is a link, a directory, a
    FIFO or has a second name.
    """
    if not path.startswith("/"):
        raise UnsupportedConfig(f"chardev file path '{path}' is not absolute")
    fd = -1
    try:
        fd = open_plain(path, os.O_APPEND if append else 0, devices=True)
        if not append and stat.S_ISREG(os.fstat(fd).st_mode):
            os.ftruncate(fd, 0)
    except OSError as error:
        if fd >= 0:
            os.close(fd)
        raise SystemFault(f"Unable to pre-create chardev file '{path}'", error) from error
    return fd


def open_own_log(path: Path) -> int:
    """A descriptor of 3 or above for appending to a log of a program's own words. Raises SystemFault."""
    try:
        low = open_plain(str(path), os.O_APPEND)
        try:
            fd = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 3)  # 0, 1 or 2 may be free and would be in the way
        finally:
            os.close(low)
    except OSError as cause:
        raise SystemFault(f"cannot open log file '{path}'", cause) from cause
    try:
        os.fchmod(fd, 0o600)
    except OSError as cause:
        os.close(fd)
        raise SystemFault(f"cannot change the mode of log file '{path}'", cause) from cause
    return fd


def trim_own_log(paths: Paths, name: str) -> None:
    """Cuts the log of QEMU's own words when it has become too long: its end becomes NAME.log.0.

    A QEMU that runs keeps writing to the same file, so it is copied and emptied; a line that comes just between is
    lost. What cannot be cut stays: the guest's owner is not kept waiting for that.
    """
    path = paths.logs / f"{name}.log"
    with suppress(OSError, VirtctlError):
        settings = load_settings(paths)
        if 0 < settings.max_log_size <= path.lstat().st_size:
            _cut(path, settings.max_log_size, settings.max_log_backups)


def _cut(path: Path, limit: int, backups: int) -> None:
    """Keeps the last `limit` bytes in a backup. Raises OSError, VirtctlError."""
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = os.fstat(fd).st_size
        if size < limit:  # somebody else was first
            return
        if backups:
            older = path.with_name(f".{path.name}.cut")
            older.unlink(missing_ok=True)
            _copy(fd, max(0, size - limit), older)
            rotate(os.fsencode(path), backups, os.fsencode(older))
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def _copy(fd: int, offset: int, target: Path) -> None:
    copy = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        while data := os.pread(fd, BUFFER, offset):
            write_all(copy, data)
            offset += len(data)
    finally:
        os.close(copy)


def make_way(chardev: Chardev) -> None:
    """A socket that a dead guest left behind would stop QEMU from listening; one that answers stays."""
    source = chardev.source
    if source is None or source.mode != "bind" or source.path is None:
        return
    path = Path(source.path)
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(source.path)
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                return
