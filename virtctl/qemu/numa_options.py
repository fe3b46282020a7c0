"""The guest's NUMA cells on QEMU's command line: processors, memory, distances, speeds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.domain import Domain
from virtctl.domain.numa import Bandwidth, Cell, Latency, Link, Numa
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.board import machine_name
from virtctl.qemu.memory_options import Backend, round_up
from virtctl.qemu.plan import Plan
from virtctl.schema.types import CpuSet

_VERSION = re.compile(r"pc-(?:i440fx|q35)-(\d+)\.(\d+)")
_OLD_NUMA = (5, 0)  # the last machine version that takes `-numa node,mem=`
_WRITES = {"writeback": "write-back", "writethrough": "write-through"}


def numa_options(plan: Plan) -> Iterator[Opt]:
    """The guest's NUMA cells."""
    domain = plan.domain
    numa = domain.cpu.numa if domain.cpu else None
    if numa is None or not numa.cells:
        return
    backends = [Backend(plan, f"ram-node{cell.id}", round_up(cell.memory or 0), cell=cell) for cell in numa.cells]
    plain = _takes_sizes(domain) and not has_hmat(numa) and not any(backend.special for backend in backends)
    if plain and domain.memory_backing and domain.memory_backing.allocation == "immediate":
        yield Opt("mem-prealloc")
    for cell, backend in zip(numa.cells, backends, strict=True):
        if not plain:
            yield backend.option()
        yield _node(cell, numa, backend, plain=plain)
    for cell in numa.cells:
        for far in cell.distances:
            yield Opt("numa", props("dist", [("src", cell.id), ("dst", far.id), ("val", far.value)]))
    yield from _hmat(numa)


def has_hmat(numa: Numa) -> bool:
    """Whether the firmware describes how fast each cell's memory is."""
    return bool(numa.interconnects and numa.interconnects.links) or any(cell.caches for cell in numa.cells)


def _initiator(numa: Numa, cell: Cell) -> int | None:
    """The cell nearest to a cell's memory: itself where it has processors, else the one of the least latency."""
    if cell.cpus:
        return cell.id
    links = [link for link in (numa.interconnects.links if numa.interconnects else []) if link.target == cell.id]
    latencies = [link for link in links if isinstance(link, Latency)]
    if latencies:
        return min(latencies, key=lambda link: link.value).initiator
    bandwidths = [link for link in links if isinstance(link, Bandwidth)]
    return max(bandwidths, key=lambda link: link.value).initiator if bandwidths else None


def _takes_sizes(domain: Domain) -> bool:
    """Whether the machine is one of those for which libvirt gives sizes: the memory is one block then."""
    found = _VERSION.match(machine_name(domain))
    return found is not None and (int(found.group(1)), int(found.group(2))) <= _OLD_NUMA


def _node(cell: Cell, numa: Numa, backend: Backend, *, plain: bool) -> Opt:
    cpus: list[tuple[str, Value]] = [("cpus", part) for part in CpuSet().format(cell.cpus).split(",")] if (
        cell.cpus) else []
    memory: tuple[str, Value] = ("mem", backend.size // 1024) if plain else ("memdev", backend.name)
    initiator = _initiator(numa, cell) if has_hmat(numa) else None
    return Opt("numa", props("node", [("nodeid", cell.id), *cpus, ("initiator", initiator), memory]))


def _hmat(numa: Numa) -> Iterator[Opt]:
    for link in numa.interconnects.links if numa.interconnects else []:
        yield Opt("numa", props("hmat-lb", _link(link)))
    for cell in numa.cells:
        for cache in cell.caches:
            yield Opt("numa", props("hmat-cache", [
                ("node-id", cell.id), ("size", f"{cache.size}K"), ("level", cache.level),
                ("associativity", {"full": "complex"}.get(cache.associativity or "", cache.associativity)),
                ("policy", _WRITES.get(cache.policy or "", "none")), ("line", cache.line)]))


def _link(link: Link) -> list[tuple[str, Value]]:
    level = "memory" if not link.cache else {1: "first-level", 2: "second-level", 3: "third-level"}.get(link.cache)
    if level is None:
        raise UnsupportedConfig(f"interconnects of cache level {link.cache} are not supported by QEMU")
    measure: tuple[str, Value] = ("bandwidth", f"{link.value}K") if isinstance(link, Bandwidth) else (
        "latency", link.value if isinstance(link, Latency) else None)
    return [("initiator", link.initiator), ("target", link.target), ("hierarchy", level),
            ("data-type", f"{link.type}-{link.tag}"), measure]
