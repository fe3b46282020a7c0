"""Files that a guest's character devices write: made by us, mode 0600, never through a link, before QEMU runs.

QEMU is handed the open descriptor (an fd set), so that nobody can put another file in its place in between.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from virtctl.domain.devices.chardev_source import Chardev
from virtctl.errors import SystemFault, UnsupportedConfig


def _refuse(path: str, why: str) -> OSError:
    return OSError(errno.EINVAL, f"{why}, which is not written to")


def _inspect(fd: int, path: str) -> None:
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        if status.st_nlink > 1:
            raise _refuse(path, "the file has another name (a hard link)")
    elif not stat.S_ISCHR(status.st_mode):
        raise _refuse(path, "it is neither a file nor a character device")


def open_log(path: str, *, append: bool) -> int:
    """An inheritable descriptor for writing `path`.

    Raises SystemFault naming the path: the folder is missing, read-only, full; the path is a link, a directory, a
    FIFO or has a second name.
    """
    if not path.startswith("/"):
        raise UnsupportedConfig(f"chardev file path '{path}' is not absolute")
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        fd = os.open(path, flags | (os.O_APPEND if append else 0), 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            error = OSError(errno.ELOOP, "it is a symbolic link, which is not followed")
        raise SystemFault(f"Unable to pre-create chardev file '{path}'", error) from error
    try:
        _inspect(fd, path)
        os.set_blocking(fd, True)
        if not append and stat.S_ISREG(os.fstat(fd).st_mode):
            os.ftruncate(fd, 0)
    except OSError as error:
        os.close(fd)
        raise SystemFault(f"Unable to pre-create chardev file '{path}'", error) from error
    return fd


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
