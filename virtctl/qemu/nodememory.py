"""The host's memory: by NUMA cell and altogether, in KiB."""

from __future__ import annotations

import re
from pathlib import Path

from virtctl.errors import InternalError, SystemFault, VirtctlError
from virtctl.values import MemoryStats

NODES = Path("/sys/devices/system/node")


def cells() -> list[int]:
    """The numbers of the cells; a host without NUMA has cell 0."""
    return sorted(int(path.name[4:]) for path in NODES.glob("node[0-9]*")) or [0]


def total(cell: int) -> int:
    """All memory of a cell."""
    return _figures(cell).get("MemTotal", 0)


def free(cell: int | None = None) -> int:
    """The free memory of a cell, or of the whole host. Raises InternalError for a cell that is not there."""
    last = cells()[-1]
    if cell is not None and cell > last:
        raise InternalError(f"start cell {cell} out of range (0-{last})")
    return sum(_figures(one).get("MemFree", 0) for one in ([cell] if cell is not None else cells()))


def stats(cell: int | None = None) -> MemoryStats:
    """`nodememstats`. Raises VirtctlError for a cell that is not there."""
    last = cells()[-1]
    if cell is not None and cell > last:
        raise VirtctlError(f"cellNum in virHostMemGetStats must be less than or equal to {last}")
    found = _figures(cell)
    whole = cell is None
    return MemoryStats(found.get("MemTotal", 0), found.get("MemFree", 0), found.get("Buffers", 0) if whole else None,
                       found.get("Cached", 0) if whole else None)


def _figures(cell: int | None) -> dict[str, int]:
    path = Path("/proc/meminfo")
    if cell is not None and (NODES / f"node{cell}" / "meminfo").exists():
        path = NODES / f"node{cell}" / "meminfo"
    try:
        text = path.read_text(encoding="ascii")
    except OSError as cause:
        raise SystemFault(f"cannot read '{path}'", cause) from cause
    return {name: int(value) for name, value in re.findall(r"^(?:Node \d+ )?(\w+):\s+(\d+) kB", text, re.MULTILINE)}
