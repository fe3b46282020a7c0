"""Files that were given to the user that QEMU runs as: whose they were before, until they are given back.

`Paths.owners` has one record per guest. It is on the disk before a file changes hands and survives a reboot, so that
whoever concludes the guest gives back what it had. A file that two guests use stays given until the last one ends.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from virtctl.errors import SystemFault
from virtctl.paths import Paths
from virtctl.state.atomic import make_dir, read_file, remove_file, write_file
from virtctl.state.lock import FileLock

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENODEV)


class Owner(NamedTuple):
    """Whom a file belongs to."""

    uid: int
    gid: int


class Given(NamedTuple):
    """One file: which it is, whose it was, whose it is now."""

    path: str
    device: int
    inode: int
    before: Owner
    now: Owner

    @property
    def file(self) -> tuple[int, int]:
        """What stays the same when it gets another name."""
        return self.device, self.inode


def record_path(paths: Paths, uuid: str) -> Path:
    """Where it is recorded what a guest was given."""
    return paths.owners / f"{uuid}.json"


def give(paths: Paths, uuid: str, path: str, to: Owner) -> None:
    """Makes a file `to`'s for as long as the guest runs. Raises OSError of the change itself, else `SystemFault`.

    A file that belonged to that user from the beginning is not recorded.
    """
    fd = _open(path)
    try:
        with _turn(paths):
            found = os.fstat(fd)
            mine = [one for one in _load(paths, uuid) if one.file != (found.st_dev, found.st_ino)]
            owner = Owner(found.st_uid, found.st_gid)
            first = next((one.before for one in _of_all(paths) if one.file == (found.st_dev, found.st_ino)
                          and one.now == owner), owner)
            if first == to:
                return
            _save(paths, uuid, [*mine, Given(path, found.st_dev, found.st_ino, first, to)])
            if owner != to:
                os.fchown(fd, *to)
    finally:
        os.close(fd)


def give_back(paths: Paths, uuid: str) -> list[str]:
    """Gives back what a guest that has ended was given, a line for each file where that failed; these are tried again.

    What has another owner by now, is another file, or is used by another guest, stays as it is.
    """
    if not record_path(paths, uuid).exists():
        return []
    failed: list[Given] = []
    told: list[str] = []
    with _turn(paths):
        mine = _load(paths, uuid)
        used = {one.file for one in _of_all(paths, but=uuid)}
        for one in mine:
            if one.file in used:
                continue
            try:
                _return(one)
            except OSError as error:
                failed.append(one)
                told.append(f"'{one.path}' could not be given back to its owner {one.before.uid}:{one.before.gid}: "
                            f"{error.strerror}")
        if failed != mine:
            _save(paths, uuid, failed)
    return told


def records(paths: Paths) -> list[str]:
    """The uuids of the guests that were given anything."""
    with suppress(OSError):
        return sorted(name.removesuffix(".json") for name in os.listdir(paths.owners)  # noqa: PTH208 - names only
                      if name.endswith(".json"))
    return []


def _return(one: Given) -> None:
    try:
        fd = _open(one.path)
    except OSError as error:
        if error.errno in _GONE:
            return
        raise
    try:
        found = os.fstat(fd)
        if (found.st_dev, found.st_ino) == one.file and Owner(found.st_uid, found.st_gid) == one.now:
            os.fchown(fd, *one.before)
    finally:
        os.close(fd)


def _open(path: str) -> int:
    """The file itself, so that it cannot be another one a moment later."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode) or stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "neither a file nor a device")


def _turn(paths: Paths) -> FileLock:
    return FileLock(paths.locks / "owners.lock")


def _of_all(paths: Paths, but: str = "") -> list[Given]:
    return [one for uuid in records(paths) if uuid != but for one in _load(paths, uuid)]


def _load(paths: Paths, uuid: str) -> list[Given]:
    path = record_path(paths, uuid)
    try:
        rows = json.loads(read_file(path))
        return [Given(str(row[0]), int(row[1]), int(row[2]), Owner(*map(int, row[3])), Owner(*map(int, row[4])))
                for row in rows]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, LookupError, RecursionError) as cause:
        raise SystemFault(f"record '{path}' of the owners of files is broken", OSError(errno.EINVAL, str(cause))
                          ) from cause


def _save(paths: Paths, uuid: str, given: list[Given]) -> None:
    path = record_path(paths, uuid)
    if given:
        make_dir(paths.owners)
        write_file(path, json.dumps(given).encode())
    else:
        remove_file(path)
