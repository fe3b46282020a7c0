"""The log keepers of guests, and what they wrote: whether it is what the flooding guest printed, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.support.guests import FLOOD_LINE

_NOTE = re.compile(rb"(\n?)\[virtctl: (\d+) bytes lost: ([^\]\n]*)\]\n")
_LINE = re.compile(rb"counter (\d{8})\r\n")
_LENGTH = len(FLOOD_LINE % 0)


def keepers(root: Path) -> Sequence[int]:
    """The processes that write logs for guests of the state below `root`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"/logkeeper.py\0" in (process / "cmdline").read_bytes():
                words = (process / "fd/2").readlink()
                found += [int(process.name)] if words.is_relative_to(root.resolve()) else []
        except OSError:
            continue
    return found


def kept(log: Path) -> bytes:
    """What there is of a log, oldest first."""
    older = sorted(log.parent.glob(f"{log.name}.[0-9]"), reverse=True)
    return b"".join(path.read_bytes() for path in (*older, log) if path.exists())


def size_of(log: Path) -> int:
    """How many bytes the log has on the host, in all its files."""
    total = 0
    for name in (log.name, *(f"{log.name}.{number}" for number in range(10))):
        try:
            total += log.with_name(name).stat().st_size
        except FileNotFoundError:
            continue
    return total


def printed(start: int, size: int) -> bytes:
    """So many bytes of what the flooding guest prints, from byte `start` on."""
    first = start // _LENGTH
    text = b"".join(FLOOD_LINE % (number + 1) for number in range(first, (start + size) // _LENGTH + 1))
    return text[start - first * _LENGTH :][:size]


def losses(text: bytes) -> list[tuple[int, str]]:
    """Each loss that the text of a flood tells of: how many bytes, why. Fails where any byte stands that the guest did
    not print at that place, counting what is said to be lost.
    """
    pieces = _NOTE.split(text)
    place = None  # known from the first whole line on: what was before may be the oldest, which went
    found = []
    for index in range(0, len(pieces), 4):
        piece = pieces[index]
        line = _LINE.search(piece)
        if place is None and line is not None:
            place = (int(line[1]) - 1) * _LENGTH - line.start()
        if place is not None:
            assert piece == printed(place, len(piece)), f"other bytes than were printed from byte {place} on"
            place += len(piece)
        if index + 1 < len(pieces):
            _torn, lost, why = pieces[index + 1 : index + 4]
            place = None if place is None else place + int(lost)
            found.append((int(lost), why.decode()))
    return found
