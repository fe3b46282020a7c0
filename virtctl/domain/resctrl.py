"""Host caches and memory bandwidth held for some of the guest's processors (resctrl)."""

from __future__ import annotations

from typing import TypeVar

from virtctl.errors import InvalidArgument, VirtctlError, XmlError
from virtctl.schema.element import Children, Element, Field, Mode, Size
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.types import CpuSet, Enum, Str, UInt


class OfVcpus(Element):
    """Base of what is told for some processors."""

    vcpus = Field("@vcpus", CpuSet(), required=True, doc="processors")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a value that is not there."""
        return XmlError(f"Missing {self.tag} attribute 'vcpus'") if field.name == "vcpus" else super().missing(field)


def _vcpus(tag: str) -> Field[frozenset[int]]:
    return Field("@vcpus", CpuSet(), required=True, doc="processors",
                 refused=(XmlError, f"Invalid {tag} attribute 'vcpus' value '%s'"))


class CacheAllocation(Element, tag="cache"):
    """A part of a host cache."""

    id = Field("@id", UInt(), required=True, doc="number of the cache")
    level = Field("@level", UInt(), required=True, doc="level of the cache")
    type = Field("@type", Enum("both", "code", "data"), required=True, doc="what it caches")
    size = Size("@size", required=True, pretty=True, doc="size")


class CacheMonitor(OfVcpus, tag="monitor"):
    """A counter of cache use."""

    level = Field("@level", UInt(), required=True, doc="level of the cache")
    vcpus = _vcpus("monitor")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Only the last level is counted."""
        if self.level != 3:
            raise XmlError(f"Invalid monitor cache level '{self.level}'")


class BandwidthNode(Element, tag="node"):
    """Memory bandwidth of one host node."""

    id = Field("@id", UInt(), required=True, doc="host node")
    bandwidth = Field("@bandwidth", UInt(), required=True, doc="percent")


class BandwidthMonitor(OfVcpus, tag="monitor"):
    """A counter of memory bandwidth."""

    vcpus = _vcpus("monitor")


class CacheTune(OfVcpus, tag="cachetune"):
    """Host caches held for processors."""

    vcpus = _vcpus("cachetune")
    id = Field("@id", Str(), live=True, doc="name of the group")
    caches = Children("cache", CacheAllocation, doc="parts of caches")
    monitors = Children("monitor", CacheMonitor, doc="counters")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Parts that cannot be beside each other are refused; the rest comes in libvirt's order."""
        for place, cache in enumerate(self.caches):
            for other in self.caches[:place]:
                if _collide(cache, other):
                    raise XmlError(f"Colliding cache allocations for cache level '{cache.level}' id '{cache.id}', "
                                   f"type '{cache.type}'")
        self.caches.sort(key=lambda cache: (cache.level, ("both", "code", "data").index(cache.type), cache.id))

    @property
    def says_something(self) -> bool:
        """Whether anything is held or counted."""
        return bool(self.caches or self.monitors)


class MemoryTune(OfVcpus, tag="memorytune"):
    """Memory bandwidth held for processors."""

    vcpus = _vcpus("memorytune")
    id = Field("@id", Str(), live=True, doc="name of the group")
    nodes = Children("node", BandwidthNode, doc="host nodes")
    monitors = Children("monitor", BandwidthMonitor, doc="counters")

    def parsed(self, node: Node, mode: Mode) -> None:
        """A node stands once, with a percentage."""
        seen: set[int] = set()
        for one in self.nodes:
            if one.bandwidth > 100:
                raise XmlError("Memory Bandwidth value exceeding 100 is invalid.")
            if one.id in seen:
                raise XmlError(f"Memory Bandwidth already defined for node {one.id}")
            seen.add(one.id)
        self.nodes.sort(key=lambda one: one.id)

    @property
    def says_something(self) -> bool:
        """Whether anything is held or counted."""
        return bool(self.nodes or self.monitors)


def _collide(one: CacheAllocation, other: CacheAllocation) -> bool:
    same = (one.level, one.id) == (other.level, other.id)
    return same and (one.type == other.type or "both" in (one.type, other.type))


Group = TypeVar("Group", CacheTune, MemoryTune)


def complete(groups: list[Group], count: int) -> list[Group]:
    """The groups that say something, for the processors that there are."""
    kept: list[Group] = []
    for group in groups:
        group.vcpus = frozenset(number for number in group.vcpus if number < count)
        if group.vcpus and group.says_something:
            _check_monitors(group, count)
            kept.append(group)
    return kept


def _check_monitors(group: CacheTune | MemoryTune, count: int) -> None:
    seen: list[frozenset[int]] = []
    for monitor in group.monitors:
        monitor.vcpus = frozenset(number for number in monitor.vcpus if number < count)
        if not monitor.vcpus:
            raise InvalidArgument("vcpus is empty")
        if monitor.vcpus in seen:
            raise InvalidArgument("Identical vcpus found in same type monitors")
        if not monitor.vcpus <= group.vcpus:
            raise InvalidArgument("Monitor vcpus conflicts with allocation")
        seen.append(monitor.vcpus)


def check_overlap(caches: list[CacheTune], memories: list[MemoryTune]) -> None:
    """A processor is in one group; the two kinds may share a group."""
    for found in (caches, memories, [*caches, *memories]):
        for place, group in enumerate(found):
            for other in found[:place]:
                if group.vcpus & other.vcpus and (type(group) is type(other) or group.vcpus != other.vcpus):
                    raise XmlError("Overlapping vcpus in resctrls")
