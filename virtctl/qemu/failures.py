"""QEMU's words about a start that failed, where they need a translation: who uses the image that it could not lock."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from virtctl.errors import QemuFailed, ResourceBusy, VirtctlError
from virtctl.paths import Paths

_LOCKED = re.compile(r'Failed to get (?:shared )?"[^"]*" lock')
_IMAGE = re.compile(r"Is another process using the image \[(.*?)\]\?")


@contextmanager
def explained(paths: Paths) -> Iterator[None]:
    """Turns what QEMU says of a lock into who holds it."""
    try:
        yield
    except QemuFailed as error:
        raise explain(error, paths) from error


def explain(error: QemuFailed, paths: Paths) -> VirtctlError:
    """A clearer error where there is one, else the same."""
    found = _IMAGE.search(error.message)
    if not _LOCKED.search(error.message) or found is None:
        return error
    image = found.group(1)
    owners = [owner for owner in users_of(Path(image)) if owner != os.getpid()]
    if not owners:
        return ResourceBusy(f"image '{image}' is in use by another process", hint=error.message)
    names = ", ".join(f"{_called(pid, paths)} (process {pid})" for pid in owners)
    return ResourceBusy(f"image '{image}' is in use by {names}",
                        hint="two guests can share an image only when it is <shareable/> and raw, or <readonly/>")


def users_of(image: Path) -> list[int]:
    """The processes that have the file open, by any of its names."""
    try:
        wanted = image.stat()
    except OSError:
        return []
    found = []
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.path.samestat(wanted, entry.stat()) for entry in folder.iterdir()):
                found.append(int(folder.parent.name))
        except OSError:
            continue
    return sorted(found)


def _called(pid: int, paths: Paths) -> str:
    """The guest whose QEMU it is, or the program's name."""
    from virtctl.state.status import all_statuses

    for status in all_statuses(paths):
        if status.pid == pid:
            return f"domain '{status.name}'"
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "a process"
    for word in words:
        if word.startswith(b"guest="):
            name = word[6:].replace(b",,", b"\0").partition(b",")[0].replace(b"\0", b",")
            return f"guest '{name.decode(errors='replace')}'"
    return f"'{os.fsdecode(words[0])}'"
