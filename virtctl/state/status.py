"""What is known of each running guest: `status.json` in its runtime folder, and how a guest ended.

The truth is the QEMU process; this file says which process that is. Whoever reads it asks `is_running` before believing
it: the host may have rebooted, the pid may be another's by now. Writing takes the domain's lock, reading none.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from virtctl.errors import OperationFailed, SystemFault, VirtctlError
from virtctl.paths import Paths
from virtctl.state import liveness
from virtctl.state.atomic import make_dir, read_file, write_file

FORMAT = 1
FILE = "status.json"
PIDFILE = "qemu.pid"
ENDING = "ending"
WITNESS = "running.sock"  # in the working folder of a QEMU that may not see where its pidfile would be
_MAX_STATUS = 1024 * 1024


class Status(NamedTuple):
    """A running guest. Times are in seconds since 1970, except `start_time`, which is the kernel's (ticks since boot).

    `state` and `reason` are libvirt's words as last seen (`running`, `booted`); `facts` holds what later steps add,
    as JSON values (`starting` is true until the guest is up: one that ends before has failed, not crashed).
    """

    name: str
    uuid: str
    id: int
    pid: int
    start_time: int
    boot_id: str
    pty: str = ""
    state: str = "running"
    reason: str = "booted"
    persistent: bool = True
    emulator: str = ""
    qemu_version: str = ""
    started_at: float = 0.0
    monitor: str = ""
    qmp: str = ""
    autodestroy: bool = False
    facts: dict[str, Any] = {}


class Ended(NamedTuple):
    """How a guest ended: `state` and `reason` in libvirt's words, as `domstate --reason` prints them."""

    state: str
    reason: str


UNKNOWN = Ended("shut off", "unknown")
SHUTDOWN = Ended("shut off", "shutdown")
CRASHED = Ended("shut off", "crashed")
DESTROYED = Ended("shut off", "destroyed")
SAVED = Ended("shut off", "saved")
FAILED = Ended("shut off", "failed")


def folder(paths: Paths, uuid: str) -> Path:
    """The runtime folder of a guest."""
    return paths.runtime / uuid


def work(paths: Paths, uuid: str) -> Path:
    """The working folder of a QEMU that runs as another user; nothing in it is ever believed."""
    return paths.work / uuid


def save(paths: Paths, status: Status) -> None:
    """Writes what is known of a guest, making its runtime folder; a reader sees the old or the new. `SystemFault`."""
    make_dir(paths.runtime)
    place = folder(paths, status.uuid)
    make_dir(place)
    record = json.dumps({"format": FORMAT, **status._asdict()}, indent=1).encode() + b"\n"
    write_file(place / FILE, record, sync=False)
    if status.pid:
        _keep_copy(kept_copy(paths, status.uuid), record)


def kept_copy(paths: Paths, uuid: str) -> Path:
    """Where a copy of a running guest's record lies that survives a wiped runtime folder."""
    return paths.running / f"{uuid}.json"


def _keep_copy(path: Path, record: bytes) -> None:
    """Nothing depends on the copy while the record itself is there; but an outdated one would mislead."""
    try:
        make_dir(path.parent)
        write_file(path, record, sync=False)
    except VirtctlError:
        with suppress(OSError):
            path.unlink()


def load_copy(paths: Paths, uuid: str, pid: int, start_time: int) -> Status | None:
    """What was known of the guest that is this process, when its runtime folder is gone."""
    path = kept_copy(paths, uuid)
    with suppress(OSError, VirtctlError):
        status = _parse(path, read_file(path, _MAX_STATUS), uuid)
        if (status.pid, status.start_time, status.boot_id) == (pid, start_time, liveness.boot_id()):
            return status
    return None


def load(paths: Paths, uuid: str) -> Status | None:
    """What is known of a guest, None when nothing is. Raises `OperationFailed` for a broken or newer record."""
    path = folder(paths, uuid) / FILE
    try:
        data = read_file(path, _MAX_STATUS)
    except FileNotFoundError:
        return None
    return _parse(path, data, uuid)


def _parse(path: Path, data: bytes, uuid: str) -> Status:
    try:
        record = json.loads(data)
        if record.pop("format") > FORMAT:
            raise OperationFailed(f"'{path}' was written by a newer virtctl", hint="use that version for this domain")
        known = {field: record[field] for field in Status._fields if field in record}
        status = Status(**known)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as cause:
        raise OperationFailed(f"status file '{path}' is broken: {cause}") from cause
    numbers = (status.id, status.pid, status.start_time)
    if not all(isinstance(number, int) and number >= 0 for number in numbers) or status.uuid != uuid:
        raise OperationFailed(f"status file '{path}' is broken: it describes no process of this guest")
    return status


def all_statuses(paths: Paths, problems: list[str] | None = None) -> list[Status]:
    """Every guest of which something is recorded, dead ones included, sorted by id.

    A file that cannot be used is told in `problems` and does not hide the other guests.
    """
    found = []
    for uuid in _folders(paths):
        try:
            status = load(paths, uuid)
        except VirtctlError as error:
            if problems is not None:
                problems.append(str(error))
            continue
        if status is not None:
            found.append(status)
    return sorted(found, key=lambda status: status.id)


def lost(paths: Paths, known: set[str]) -> list[str]:
    """The uuids of guests that were started and never concluded, and of which the runtime folder knows nothing."""
    try:
        names = os.listdir(paths.running)  # noqa: PTH208 - names only, for every command's start
    except OSError:
        return []
    return [name.removesuffix(".xml") for name in names if name.endswith(".xml") and name[:-4] not in known]


def _folders(paths: Paths) -> list[str]:
    try:
        return os.listdir(paths.runtime)  # noqa: PTH208 - names only, for every command's start
    except FileNotFoundError:
        return []
    except OSError as cause:
        raise SystemFault(f"cannot read folder '{paths.runtime}'", cause) from cause


def is_running(status: Status) -> bool:
    """Whether the recorded process is still that process: same boot, same pid, same start time."""
    return liveness.is_alive(status.pid, status.start_time, status.boot_id)


def allocate_id(paths: Paths) -> int:
    """The next domain id: never given twice in one boot, and above every id that is in use."""
    make_dir(paths.run)
    path = paths.run / "next-id"
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # held for these few lines only, by nobody else
            words = os.pread(fd, 64, 0).split()
            last = int(words[0]) if words and words[0].isdigit() else 0
            used = max((status.id for status in all_statuses(paths)), default=0)
            number = max(last, used) + 1
            os.pwrite(fd, b"%-20d\n" % number, 0)
        finally:
            os.close(fd)
    except OSError as cause:
        raise SystemFault(f"cannot allocate a domain id in '{path}'", cause) from cause
    return number


# How a guest ended


def expect_end(paths: Paths, uuid: str, ended: Ended | None) -> None:
    """Records, before a guest is ended by us, how that end is to be called; None takes it back."""
    path = folder(paths, uuid) / ENDING
    if ended is None:
        with suppress(OSError):
            path.unlink()
        return
    write_file(path, json.dumps(ended).encode(), sync=False)


def how_ended(paths: Paths, status: Status) -> Ended:
    """How a guest that no longer runs came to its end, told from what it left. Changes nothing.

    Our own command recorded its reason first. QEMU removes its pidfile when it ends in good order, and leaves it,
    unlocked, when it was killed or crashed; one that runs as another user has a socket in its place. An end before the
    host's reboot was seen by nobody.
    """
    if status.boot_id != liveness.boot_id():
        return UNKNOWN
    place = folder(paths, status.uuid)
    ending = _read_ended(place / ENDING)
    if ending is not None:
        return ending
    if not place.is_dir():
        return UNKNOWN
    if status.facts.get("starting"):
        return FAILED
    if not status.facts.get("account"):
        return CRASHED if os.path.lexists(place / PIDFILE) else SHUTDOWN
    if not work(paths, status.uuid).is_dir():
        return UNKNOWN
    return CRASHED if os.path.lexists(work(paths, status.uuid) / WITNESS) else SHUTDOWN


def conclude(paths: Paths, status: Status) -> Ended:
    """Keeps how a dead guest ended, for `domstate --reason`, and clears its runtime folder.

    The caller holds the domain's lock and has seen, under it, that the guest does not run.
    """
    ended = how_ended(paths, status)
    record_end(paths, status.uuid, ended)
    if status.facts.get("logs"):
        from virtctl.state import logreport

        with suppress(VirtctlError):  # the files themselves say it as well, where they could be written again
            logreport.keep(paths, status.uuid, status.name)
    clear(paths, status.uuid)
    return ended


def record_end(paths: Paths, uuid: str, ended: Ended) -> None:
    """Keeps how the last run of a guest ended, until the host reboots or the guest starts again."""
    place = paths.run / "ended"
    make_dir(place)
    write_file(place / f"{uuid}.json", json.dumps([*ended, liveness.boot_id()]).encode(), sync=False)


def last_end(paths: Paths, uuid: str) -> Ended:
    """How the last run of a guest ended; `UNKNOWN` when it never ran since the host booted."""
    return _read_ended(paths.run / "ended" / f"{uuid}.json") or UNKNOWN


def forget_end(paths: Paths, uuid: str) -> None:
    """Drops that record, for a guest that starts again or is no longer defined."""
    with suppress(OSError):
        (paths.run / "ended" / f"{uuid}.json").unlink()


def _read_ended(path: Path) -> Ended | None:
    try:
        words = json.loads(read_file(path, 4096))
        state, reason = str(words[0]), str(words[1])
    except (FileNotFoundError, VirtctlError, ValueError, LookupError, TypeError):
        return None
    return Ended(state, reason) if words[2:] in ([], [liveness.boot_id()]) else None


def clear(paths: Paths, uuid: str) -> None:
    """Removes a guest's runtime folder with what is in it: files, sockets and links, never what a link names.

    The status goes last, and with it the reason of the end, so that a crash in between is repaired by the next
    command. Raises `SystemFault`.
    """
    place = folder(paths, uuid)
    _take_leave(paths, uuid)
    for survivor in (paths.monitors / f"{uuid}.sock", kept_copy(paths, uuid), paths.running / f"{uuid}.xml"):
        with suppress(OSError):
            survivor.unlink()
    try:
        for name in os.listdir(place):  # noqa: PTH208 - names only
            if name not in (FILE, ENDING):
                with suppress(FileNotFoundError):
                    (place / name).unlink()
        with suppress(FileNotFoundError):
            (place / FILE).rename(place / ENDING)  # status and reason vanish together
        with suppress(FileNotFoundError):
            (place / ENDING).unlink()
        _remove(place)
    except FileNotFoundError:
        return
    except OSError as cause:
        raise SystemFault(f"cannot clear runtime folder '{place}'", cause) from cause


def _take_leave(paths: Paths, uuid: str) -> None:
    """A guest that ran as another user: its files go back to their owners, its working folder goes."""
    if os.path.lexists(paths.owners / f"{uuid}.json"):
        from virtctl.state.owners import give_back

        with suppress(VirtctlError):  # the record stays, and `recover` says what is the matter
            give_back(paths, uuid)
    if os.path.lexists(work(paths, uuid)):
        from shutil import rmtree

        rmtree(work(paths, uuid), ignore_errors=True)  # follows no link


def _remove(place: Path) -> None:
    """Removes the folder, in which somebody who waited for the monitor may just have made its lock file again."""
    for last in (*[False] * 50, True):
        try:
            place.rmdir()
        except OSError as cause:
            if last or cause.errno != errno.ENOTEMPTY:
                raise
            for name in os.listdir(place):  # noqa: PTH208 - names only
                with suppress(FileNotFoundError):
                    (place / name).unlink()
        else:
            return
