"""A qcow2 image with any number of internal snapshots, which `qemu-img` would need minutes to make."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from virtctl.qemu.images import create

_CLUSTER = 65536
_COUNT = 60  # where the header has the number of snapshots; their table's offset is behind it


def write_snapshots(path: Path, tags: Sequence[str]) -> None:
    """Makes an image of 1 MiB that lists snapshots of these names, all of them empty; it may be read, not written."""
    create(path, "qcow2", 1 << 20)
    with path.open("r+b") as image:
        image.seek(40)
        (table,) = struct.unpack(">Q", image.read(8))  # of the active image: every snapshot has the same
        end = -(-path.stat().st_size // _CLUSTER) * _CLUSTER
        image.seek(end)
        for number, tag in enumerate(tags, 1):
            image.write(_entry(table, str(number).encode(), tag.encode()))
        image.truncate(-(-image.tell() // _CLUSTER) * _CLUSTER)
        image.seek(_COUNT)
        image.write(struct.pack(">IQ", len(tags), end))


def _entry(table: int, number: bytes, tag: bytes) -> bytes:
    extra = struct.pack(">QQ", 1 << 20, 1 << 20)  # size of the memory, size of the disk
    head = struct.pack(">QIHHIIQII", table, 1, len(number), len(tag), 1700000000, 0, 0, 1 << 20, len(extra))
    entry = head + extra + number + tag
    return entry + bytes(-len(entry) % 8)
