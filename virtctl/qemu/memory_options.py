"""`-m`, memory backends and NUMA cells. The blocks are named as libvirt names them, so that saved images fit."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.domain import Domain
from virtctl.domain.memory import MemoryBacking
from virtctl.domain.numa import Cell, Numa
from virtctl.schema.types import CpuSet

HUGETLBFS = "/dev/hugepages"


def memory_options(domain: Domain) -> Iterator[Opt]:
    """Everything about the guest's memory."""
    size = domain.memory or 0
    if domain.max_memory is not None:
        slots: list[tuple[str, Value]] = [("slots", domain.max_memory_slots), ("maxmem", f"{domain.max_memory}k")]
        yield Opt("m", props(None, [("size", f"{size}k"), *slots]))
    else:
        yield Opt("m", props(None, [("size", f"{size}k")]))
    numa = domain.cpu.numa if domain.cpu else None
    if numa is not None and numa.cells:
        yield from _cells(domain, numa)
    else:
        yield _backend(domain, "pc.ram", size, None, None)
    locked = bool(domain.memory_backing and domain.memory_backing.locked)
    yield Opt("overcommit", props(None, [("mem-lock", locked)]))


def _cells(domain: Domain, numa: Numa) -> Iterator[Opt]:
    for index, cell in enumerate(numa.cells):
        number = cell.id if cell.id is not None else index
        yield _backend(domain, f"ram-node{number}", cell.memory or 0, cell, number)
        cpus: list[tuple[str, Value]] = [("cpus", part) for part in CpuSet().format(cell.cpus).split(",")] if (
            cell.cpus) else []
        yield Opt("numa", props("node", [("nodeid", number), *cpus, ("memdev", f"ram-node{number}")]))
    for index, cell in enumerate(numa.cells):
        for far in cell.distances:
            yield Opt("numa", props("dist", [("src", cell.id if cell.id is not None else index), ("dst", far.id),
                                             ("val", far.value)]))


def _backend(domain: Domain, name: str, size: int, cell: Cell | None, number: int | None) -> Opt:
    backing = domain.memory_backing or MemoryBacking()
    shared = (cell.access if cell and cell.access else backing.access) == "shared"
    prealloc = True if backing.allocation == "immediate" else None
    head, pairs = "memory-backend-ram", list[tuple[str, Value]]()
    if backing.source == "memfd":
        head = "memory-backend-memfd"
        pairs = [("hugetlb", True if backing.hugepages else None)]
    elif backing.hugepages:
        head, pairs, prealloc = "memory-backend-file", [("mem-path", HUGETLBFS)], True
    elif backing.source == "file":
        head, pairs = "memory-backend-file", [("mem-path", "/dev/shm")]
    nodes = _host_nodes(domain, number)
    return Opt("object", props(head, [("id", name), *pairs, ("share", True if shared else None), ("size", size * 1024),
                                      ("prealloc", prealloc), ("prealloc-threads", backing.threads), *nodes]))


def _host_nodes(domain: Domain, number: int | None) -> list[tuple[str, Value]]:
    tune = domain.numatune
    if tune is None:
        return []
    nodeset, mode = tune.nodeset, tune.mode or "strict"
    for node in tune.nodes:
        if node.cellid == number and number is not None:
            nodeset, mode = node.nodeset, node.mode or "strict"
    policy = {"strict": "bind", "preferred": "preferred", "interleave": "interleave"}.get(mode)
    if not nodeset or policy is None:
        return []
    parts: list[tuple[str, Value]] = [("host-nodes", part) for part in CpuSet().format(nodeset).split(",")]
    return [*parts, ("policy", policy)]
