"""The guest's memory, from QEMU into an image: over a unix socket, which QEMU's sandbox and any file name allow."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from virtctl.domain.devices.disk import Disk
from virtctl.errors import ImageError, MonitorError, OperationAborted, OperationFailed, SystemFault, VirtctlError
from virtctl.qemu.guest import Guest
from virtctl.qemu.privilege import acting_as
from virtctl.qemu.streamdigest import BEHIND
from virtctl.values import Progress

if TYPE_CHECKING:
    from virtctl.qemu.monitor import Monitor
    from virtctl.qemu.savewriter import ImageWriter

CHUNK = 1 << 20
SOCKET = "save.sock"
ABORTED = "save.aborted"  # the file by which another command says that it ended the save
STALL = 30.0  # seconds without a byte after which a save is given up
LOOK_EVERY = 1.0  # seconds after which QEMU is asked why it does not connect
# The guest is paused by the stream's own last phase, as soon as the first pass is over: a pause that QEMU made itself
# is one that it takes back itself when the reader dies.
DOWNTIME_MS = 2000000


@contextmanager
def listening(guest: Guest, file: str) -> Iterator[tuple[socket.socket, str]]:
    """A socket for QEMU to connect to, in its folder, and QEMU's name of it; by descriptor, for a path may be long."""
    folder = os.open(guest.work, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            (guest.work / file).unlink(missing_ok=True)
            os.fchmod(door.fileno(), 0o600)  # the mode that its file gets
            with acting_as(guest.account):
                door.bind(f"/proc/self/fd/{folder}/{file}")
            door.listen(1)
        except OSError as error:
            raise SystemFault(f"cannot listen on '{guest.work / file}'", error) from error
        door.settimeout(LOOK_EVERY)
        name = guest.reach(file)
        yield door, name if name == file else f"/proc/{os.getpid()}/fd/{folder}/{file}"
    finally:
        door.close()
        os.close(folder)
        with suppress(OSError):
            (guest.work / file).unlink()


def stream(guest: Guest, writer: ImageWriter, progress: Progress | None) -> None:
    """Reads the whole memory into `writer`; back when QEMU says that it has sent all."""
    from virtctl.qemu import verbs

    with suppress(OSError):
        (guest.folder / ABORTED).unlink()
    with listening(guest, SOCKET) as (door, name):
        with guest.monitor() as monitor:
            verbs.migration(monitor)  # what will have to be understood is seen to be, before anything begins
            verbs.migrate_bandwidth(monitor, 0)
            verbs.migrate_set_parameter(monitor, "downtime-limit", str(DOWNTIME_MS))
            verbs.migrate_unix(monitor, name)
        with _accept(guest, door) as channel:
            _copy(guest, channel, writer, progress)
        _check_complete(guest)
    if progress is not None:
        progress(1, 1)


def _accept(guest: Guest, door: socket.socket) -> socket.socket:
    """QEMU's end; or why there will be none."""
    limit = time.monotonic() + STALL
    while True:
        try:
            return door.accept()[0]
        except TimeoutError as error:
            with guest.monitor() as monitor:
                found = _outcome(monitor)
            if found or time.monotonic() > limit:
                why = f": {found}" if found else ""
                raise ImageError(f"QEMU did not begin to send the guest's memory{why}") from error


def _copy(guest: Guest, channel: socket.socket, writer: ImageWriter, progress: Progress | None) -> None:
    """Everything that QEMU sends, into the image."""
    room = [memoryview(bytearray(CHUNK)) for _ in range(BEHIND)]
    number, asked = 0, 0.0
    channel.settimeout(STALL)
    while True:
        view = room[number % BEHIND]
        try:
            count = _receive(channel, view)
        except TimeoutError as error:
            raise ImageError(f"QEMU sent nothing for {STALL:g} seconds") from error
        except OSError as error:
            raise SystemFault("cannot read the guest's memory from QEMU", error) from error
        if count == 0:
            return
        writer.write(view[:count])
        number += 1
        if progress is not None and time.monotonic() - asked > 0.1:
            asked = time.monotonic()
            _report(guest, progress)


def _receive(channel: socket.socket, view: memoryview) -> int:
    """Fills the view as far as the stream goes; the fewer pieces, the less is said about each."""
    done = 0
    while done < len(view) and (count := channel.recv_into(view[done:])):
        done += count
    return done


def _report(guest: Guest, progress: Progress) -> None:
    from virtctl.qemu import verbs

    try:
        with guest.monitor(0.2) as monitor:
            found = verbs.migration(monitor, 0.2)
    except (MonitorError, VirtctlError):
        return
    if found.total:
        progress(found.total - found.remaining, found.total)


def _check_complete(guest: Guest) -> None:
    """`completed` is QEMU's word that it sent all; an end of file alone proves nothing."""
    limit = time.monotonic() + STALL
    while True:
        with guest.monitor() as monitor:
            found = _outcome(monitor)
        if found is None:
            return
        if found == "cancelled" or (found and (guest.folder / ABORTED).exists()):
            raise OperationAborted("job 'domain save' canceled by client")
        if found or time.monotonic() > limit:
            raise OperationFailed(f"QEMU did not send all of the guest's memory{': ' if found else ''}{found}"
                                  f"{_gone_images(guest)}")
        time.sleep(0.002)


def _outcome(monitor: Monitor) -> str | None:
    """None: complete. "": not over yet. Else why it failed."""
    from virtctl.qemu import verbs

    found = verbs.migration(monitor)
    if found.status == "completed":
        return None
    return (found.error or found.status) if found.status in ("failed", "cancelled", "") else ""


def _gone_images(guest: Guest) -> str:
    """What may be why: at the end of a save QEMU opens each image anew, by its name."""
    from virtctl.qemu.disks import local_path

    devices = guest.live().devices
    gone = [f"; image '{path}' of disk '{disk.target}' is not there any more" for disk in devices.all(Disk)
            if (path := local_path(disk)) is not None and not Path(path).exists()] if devices else []
    return "".join(gone)
