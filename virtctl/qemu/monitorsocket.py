"""The socket of the machine-readable monitor: bound by us where no cleaner of /run reaches, handed to QEMU listening.

QEMU gets a descriptor, so neither the length of the path nor the rights of the user that it runs as matter. The
runtime folder has a link to it, which is made anew when that folder was wiped.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from virtctl.errors import SystemFault
from virtctl.paths import Paths
from virtctl.qemu.qmp import SOCKET
from virtctl.state.atomic import make_dir

_MAX_ADDRESS = 107  # bytes


def place(paths: Paths, uuid: str) -> Path:
    """Where the socket of a guest is."""
    return paths.monitors / f"{uuid}.sock"


def listen(paths: Paths, uuid: str, runtime: Path) -> int:
    """Makes the socket and the link to it; the descriptor is the caller's to close. Raises `SystemFault`."""
    path = place(paths, uuid)
    make_dir(paths.monitors)
    folder = -1
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(door.fileno(), stat.S_IRUSR | stat.S_IWUSR)  # the mode that its file gets
        path.unlink(missing_ok=True)
        name = os.fsencode(path)
        if len(name) > _MAX_ADDRESS:  # then QEMU cannot remove it when it ends, and the next command does
            folder = os.open(paths.monitors, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            name = f"/proc/self/fd/{folder}/{path.name}".encode()
        door.bind(name)
        door.listen(1)
        link(paths, uuid, runtime)
        return fcntl.fcntl(door.fileno(), fcntl.F_DUPFD_CLOEXEC, 3)  # 0, 1 and 2 cannot be passed on
    except OSError as cause:
        raise SystemFault(f"cannot listen on '{path}'", cause) from cause
    finally:
        door.close()
        if folder >= 0:
            os.close(folder)


def link(paths: Paths, uuid: str, runtime: Path) -> None:
    """Makes the runtime folder's link to the socket."""
    with suppress(FileNotFoundError):
        (runtime / SOCKET).unlink()
    (runtime / SOCKET).symlink_to(place(paths, uuid).absolute())
