"""QEMU's words about an image that it could not lock, translated: who uses the image; and what cures want of memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from virtctl.errors import InternalError, ResourceBusy, VirtctlError
from virtctl.paths import Paths

_LOCKED = re.compile(r'Failed to get (?:shared )?"[^"]*" lock')
_IMAGE = re.compile(r"Is another process using the image \[(.*?)\]\?")
_DRIVE = re.compile(r"-drive \S*?\bfile=((?:[^,]|,,)*),")  # QEMU does not always say which image; then its option does
_HINT = "two guests can share an image only when it is <shareable/> and raw, or <readonly/>"


@contextmanager
def explained(paths: Paths, *, image: str | None = None, asker: int = 0) -> Iterator[None]:
    """Turns what QEMU says of a lock into who holds it: see `explain`."""
    try:
        yield
    except InternalError as error:
        raise explain(error, paths, image=image, asker=asker) from error


def explain(error: VirtctlError, paths: Paths, *, image: str | None = None, asker: int = 0) -> VirtctlError:
    """A clearer error where there is one, else the same. `image` is which one it is about if QEMU does not say so;
    `asker`, the process of the guest that was refused, is named only when nobody else has the image open.
    """
    refused = _LOCKED.search(error.message)
    image = _named_in(error.message) or image
    if refused is None or image is None:
        error.hint = error.hint or _memory_cure(error.message)
        return error
    users = [user for user in users_of(Path(image)) if user != os.getpid()]
    users = [user for user in users if user != asker] or users
    names = ", ".join(f"{_called(pid, paths)} (process {pid})" for pid in users) or "another process"
    return ResourceBusy(f"{refused[0]}: image '{image}' is in use by {names}", hint=_HINT if users else error.message)


def _memory_cure(message: str) -> str | None:
    """What to do where QEMU could not get the guest's memory."""
    if "Cannot allocate memory" not in message:
        return None
    if "backing store" in message:
        free = re.search(r"HugePages_Free:\s*(\d+)", Path("/proc/meminfo").read_text())
        return (f"the host has {free[1] if free else 'no'} free huge pages: write more to /proc/sys/vm/nr_hugepages, "
                "or remove <hugepages/>")
    if "guest memory" in message:
        have = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
        return f"the host has {have} MiB of memory: give the guest less with setmaxmem"
    return None


def _named_in(message: str) -> str | None:
    said = _IMAGE.search(message)
    if said is not None:
        return said[1]
    option = _DRIVE.search(message)
    return option[1].replace(",,", ",") if option is not None else None


def users_of(image: Path) -> list[int]:
    """The processes that have the file open, by any of its names."""
    try:
        wanted = image.stat()
    except OSError:
        return []
    return sorted(int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _has_open(folder, wanted))


def _has_open(process: Path, wanted: os.stat_result) -> bool:
    with suppress(OSError):
        for entry in (process / "fd").iterdir():
            with suppress(OSError):  # closed since
                if os.path.samestat(wanted, entry.stat()):
                    return True
    return False


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
