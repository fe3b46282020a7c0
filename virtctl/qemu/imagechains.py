"""The images below an image, read from their headers before QEMU opens any: what cannot be used is told by name.

QEMU itself would wait at a FIFO, call a loop a lock, and read zeros where a qcow2 image was cut off behind its header.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from typing import NamedTuple

from virtctl.errors import InvalidOperation, OperationFailed, SystemFault, UnsupportedConfig

_MAGIC = b"QFI\xfb"
_HEAD = struct.Struct(">4sI QI I QI IQ")  # magic, version; backing name; cluster bits; size, encryption; first table
_FORMAT_EXTENSION = 0xE2792ACA
_MOST_BYTES = 65536  # of the first cluster: header, extensions and the name of the image below
_PROTOCOL = re.compile(r"[^/]*?:")


class _Below(NamedTuple):
    """The image that a header names; `format` is None where the header does not tell."""

    path: str
    format: str | None


def check_chain(path: str, format: str | None, what: str, *, deep: bool = True) -> list[str]:
    """Looks at an image and, if `deep`, at all those below it that are local files. `what` names the disk in messages.
    Their paths, the image's own first.

    Raises SystemFault or UnsupportedConfig for one that cannot be opened, OperationFailed for one that is damaged, not
    of its format, or below itself, InvalidOperation for one whose format nobody wrote down.
    """
    seen: set[tuple[int, int]] = set()
    paths: list[str] = []
    image, above = _Below(path, format or "raw"), ""
    while True:
        fd = _open(image.path, above, what)
        try:
            found = os.fstat(fd)
            if (found.st_dev, found.st_ino) in seen:
                raise OperationFailed(f"{what}: the backing chain of image '{path}' leads back to '{image.path}'")
            seen.add((found.st_dev, found.st_ino))
            paths.append(image.path)
            below = _look(fd, image, above, what)
        finally:
            os.close(fd)
        if below is None or not deep:
            return paths
        image, above = below, image.path


def _open(path: str, above: str, what: str) -> int:
    named = f"backing file '{path}' of storage file '{above}'" if above else f"storage file '{path}'"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        cause = error if isinstance(error, OSError) else OSError(22, "Invalid argument")
        raise SystemFault(f"Cannot access {named}", cause) from error
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
        return fd
    os.close(fd)
    quoted = f"'{path}'"
    kind = "a directory" if stat.S_ISDIR(mode) else "neither a file nor a device"
    raise UnsupportedConfig(f"{what}: {named if above else quoted} is {kind}")


def _look(fd: int, image: _Below, above: str, what: str) -> _Below | None:
    """The next image; None at the end, and where only QEMU can tell."""
    if image.format not in (None, "qcow2"):
        return None
    try:
        head = os.pread(fd, _MOST_BYTES, 0)
        length = os.lseek(fd, 0, os.SEEK_END)
    except OSError as error:
        raise SystemFault(f"cannot read image '{image.path}'", error) from error
    if not head.startswith(_MAGIC) and image.format is None:
        return None
    if len(head) < 72 or not head.startswith(_MAGIC):
        raise OperationFailed(f"{what}: image '{image.path}' is not in qcow2 format")
    _check_length(head, length, image, what)
    below = _named_below(head, image.path)
    if below is not None and image.format is None:
        raise InvalidOperation(f"format of backing image '{image.path}' of image '{above}' was not specified in the "
                               "image metadata", hint=f"qemu-img rebase -u -F qcow2 -b '{image.path}' '{above}'")
    return below


def _check_length(head: bytes, length: int, image: _Below, what: str) -> None:
    entries, table = _HEAD.unpack_from(head)[-2:]
    if entries and table + 8 * entries > length:
        raise OperationFailed(f"{what}: image '{image.path}' is cut short or damaged: it is {length} bytes long, "
                              f"and its table of {entries} entries should be at {table}")


def _named_below(head: bytes, path: str) -> _Below | None:
    _, version, offset, size, *_ = _HEAD.unpack_from(head)
    name = head[offset : offset + size].decode(errors="surrogateescape")
    if not offset or not name or offset + size > len(head):
        return None
    name = name.removeprefix("file:")
    if _PROTOCOL.match(name):
        return None  # json: and what is on other hosts
    start = struct.unpack_from(">I", head, 100)[0] if version > 2 and len(head) >= 104 else 72
    return _Below(os.path.join(os.path.dirname(path), name), _format_below(head, start))  # noqa: PTH118, PTH120 - text


def _format_below(head: bytes, place: int) -> str | None:
    """What the header's extension says of the format of the image below."""
    while place + 8 <= len(head):
        kind, length = struct.unpack_from(">II", head, place)
        if kind == 0:
            return None
        if kind == _FORMAT_EXTENSION:
            return head[place + 8 : place + 8 + length].decode(errors="replace")
        place += 8 + (length + 7 & ~7)
    return None
