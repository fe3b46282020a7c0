"""Definitions that were overwritten or undefined, kept in a bounded folder until they are brought back or pushed out.

A file's name is `TIME-UUID[-autostart].xml`: nanoseconds since 1970, so that names sort by age.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from virtctl.errors import SystemFault, VirtctlError
from virtctl.paths import Paths
from virtctl.state.atomic import make_dir, sync_folder, write_file
from virtctl.state.names import SUFFIX, read_definition

PER_DOMAIN, IN_ALL = 10, 1000
_MARK = "-autostart"


class Discarded(NamedTuple):
    """A definition in the trash. `stamp` is in nanoseconds since 1970."""

    path: Path
    uuid: str
    stamp: int
    autostart: bool


def _read_name(path: Path) -> Discarded | None:
    stem = path.name.removesuffix(SUFFIX)
    when, _, rest = stem.partition("-")
    if not when.isdigit() or not path.name.endswith(SUFFIX):
        return None
    return Discarded(path, rest.removesuffix(_MARK), int(when), rest.endswith(_MARK))


def contents(paths: Paths) -> list[Discarded]:
    """What the trash holds, newest first."""
    try:
        names = sorted(os.listdir(paths.trash), reverse=True)  # noqa: PTH208 - names only: the folder is read often
    except FileNotFoundError:
        return []
    except OSError as cause:
        raise SystemFault(f"cannot read folder '{paths.trash}'", cause) from cause
    found = (_read_name(paths.trash / name) for name in names)
    return [entry for entry in found if entry is not None]


def keep(paths: Paths, definition: Path, uuid: str, *, autostart: bool = False) -> Path:
    """Puts a definition into the trash, durably, and leaves it where it is; gives the name in the trash.

    A hard link costs no space, so that this works on a full disk; between two file systems it is a copy.
    """
    make_dir(paths.trash)
    newest = next((entry.stamp for entry in contents(paths)), 0)
    stamp = max(time.time_ns(), newest + 1)  # a clock that was set back must not make this the older one
    target = paths.trash / f"{stamp:020d}-{uuid}{_MARK if autostart else ''}{SUFFIX}"
    try:
        target.hardlink_to(definition)
    except OSError as cause:
        if cause.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            raise SystemFault(f"cannot keep the old definition as '{target}'", cause) from cause
        write_file(target, read_definition(definition))
    else:
        sync_folder(paths.trash)
    _push_out(paths)
    return target


def drop(path: Path) -> None:
    """Removes one file of the trash; that it stays is no failure."""
    with suppress(OSError):
        path.unlink()


def _push_out(paths: Paths) -> None:
    """Removes what is beyond the bounds, oldest first."""
    seen: dict[str, int] = {}
    with suppress(VirtctlError):
        for count, entry in enumerate(contents(paths)):
            seen[entry.uuid] = seen.get(entry.uuid, 0) + 1
            if seen[entry.uuid] > PER_DOMAIN or count >= IN_ALL:
                drop(entry.path)
