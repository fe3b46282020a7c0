"""`<numa>`: the guest's NUMA cells, their distances, caches and interconnects."""

from __future__ import annotations

from virtctl.errors import UnsupportedConfig, XmlError
from virtctl.schema.element import Child, Children, Dropped, Element, Field, Mode, Size
from virtctl.schema.node import Node
from virtctl.schema.types import CpuSet, Enum, UInt, YesNo


class Sibling(Element, tag="sibling"):
    """The distance to another cell."""

    id = Field("@id", UInt(), required=True, doc="the other cell")
    value = Field("@value", UInt(), required=True, doc="distance, 10 to 255")


class CellCache(Element, tag="cache"):
    """The memory side cache of a cell."""

    level = Field("@level", UInt(), doc="level")
    associativity = Field("@associativity", Enum("none", "direct", "full"), doc="associativity",
                          refused=(XmlError, "Invalid cache associativity '%s'"))
    policy = Field("@policy", Enum("none", "writeback", "writethrough"), doc="write policy",
                   refused=(XmlError, "Invalid cache policy '%s'"))
    size = Field("size/@value", UInt(2**64 - 1), doc="KiB of the cache")
    size_unit = Dropped("size/@unit")  # libvirt reads the number in KiB and bytes whatever these say
    line = Field("line/@value", UInt(2**64 - 1), doc="bytes of a line")
    line_unit = Dropped("line/@unit")

    def complete(self, cell: int) -> None:
        """Refuses a cache that lacks what it needs. libvirt writes `none` by leaving it out, so that may be absent."""
        if self.level is None:
            raise XmlError(f"Missing 'level' attribute in cache element for NUMA node {cell}")
        if self.level == 0:
            raise XmlError(f"Invalid 'level' attribute in cache element for NUMA node {cell}")
        for name in ("size", "line"):
            if self.__dict__.get(name) is None:
                raise XmlError(f"missing element or attribute './{name}/@value'")

    def written(self, node: Node, mode: Mode) -> None:
        """The fixed units; what is none is not written."""
        for child, unit in (("size", "KiB"), ("line", "B")):
            node.ensure(child).attrs["unit"] = unit
        node.attrs = {key: value for key, value in node.attrs.items() if value != "none"}


class Cell(Element, tag="cell"):
    """One NUMA cell of the guest."""

    id = Field("@id", UInt(), doc="number of the cell")
    cpus = Field("@cpus", CpuSet(), doc="processors of the cell")
    memory = Size("@memory", required=True, doc="memory of the cell")
    access = Field("@memAccess", Enum("shared", "private"), doc="whether other processes may map the memory")
    discard = Field("@discard", YesNo(), doc="discard the contents when the memory goes back to the host")
    distances = Children("distances/sibling", Sibling, doc="distances to other cells")
    caches = Children("cache", CellCache, doc="memory side caches")

    def complete(self, count: int) -> None:
        """Refuses distances and caches that cannot be, of one of `count` cells."""
        for sibling in self.distances:
            _check_distance(self, sibling, count)
        for cache in self.caches:
            cache.complete(self.id or 0)

    def written(self, node: Node, mode: Mode) -> None:
        """A cell without processors says nothing of them."""
        if node.attrs.get("cpus") == "":
            del node.attrs["cpus"]


class Link(Element):
    """What an initiator finds at a target: how long memory takes, or how much of it comes in a second."""

    initiator = Field("@initiator", UInt(), required=True, doc="cell that asks")
    target = Field("@target", UInt(), required=True, doc="cell that answers")
    cache = Field("@cache", UInt(), doc="level of the cache that answers")
    type = Field("@type", Enum("access", "read", "write"), required=True, doc="kind of access")


class Latency(Link, tag="latency"):
    """Time that memory takes."""

    value = Field("@value", UInt(2**64 - 1), required=True, doc="nanoseconds")


class Bandwidth(Link, tag="bandwidth"):
    """Amount that memory gives in a second."""

    value = Size("@value", required=True, doc="amount in a second")


class Interconnects(Element, tag="interconnects"):
    """How cells reach each other's memory, in the order of the document."""

    latencies = Children("latency", Latency, doc="times")
    bandwidths = Children("bandwidth", Bandwidth, doc="amounts")

    @property
    def links(self) -> list[Link]:
        """Both kinds."""
        return self.__dict__.get("_links") or [*self.latencies, *self.bandwidths]

    def parsed(self, node: Node, mode: Mode) -> None:
        """Keeps the order of the document."""
        latencies, bandwidths = iter(self.latencies), iter(self.bandwidths)
        order = [child.tag for child in node.children if child.tag in ("latency", "bandwidth")]
        self.__dict__["_links"] = [next(latencies) if tag == "latency" else next(bandwidths) for tag in order]

    def written(self, node: Node, mode: Mode) -> None:
        """As they stood."""
        node.children = [link.to_node(mode) for link in self.links]

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.links)

    def complete(self, cells: list[Cell]) -> None:
        """Refuses what refers to cells or caches that are not there, or stands twice."""
        seen: set[tuple[object, ...]] = set()
        for link in self.links:
            self._check(link, cells)
            key = (link.tag, link.initiator, link.target, link.cache, link.type)
            if key in seen:
                raise XmlError("Duplicate info for NUMA latencies")
            seen.add(key)

    @staticmethod
    def _check(link: Link, cells: list[Cell]) -> None:
        for what, number in (("initiator", link.initiator), ("target", link.target)):
            if number >= len(cells):
                raise XmlError(f"'{what}' refers to a non-existent NUMA node")
        if link.cache and link.cache not in [cache.level for cache in cells[link.target].caches]:
            raise XmlError("'cache' refers to a non-existent NUMA node cache")


class Numa(Element, tag="numa"):
    """The guest's NUMA cells."""

    cells = Children("cell", Cell, doc="cells")
    interconnects = Child("interconnects", Interconnects, doc="how cells reach each other's memory")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Cells are put in order and completed."""
        complete_cells(self)

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.cells)


def complete_cells(numa: Numa) -> None:
    """Numbers the cells in order and completes their distances. Raises for numbers that cannot be."""
    count = len(numa.cells)
    if count == 0:
        raise XmlError("NUMA topology defined without NUMA cells")
    found: dict[int, Cell] = {}
    for place, cell in enumerate(numa.cells):
        cell.id = place if cell.id is None else cell.id
        if cell.id >= count:
            raise XmlError("Exactly one 'cell' element per guest NUMA cell allowed, non-contiguous ranges or ranges "
                           "not starting from 0 are not allowed")
        if cell.id in found:
            raise XmlError(f"Duplicate NUMA cell info for cell id '{cell.id}'")
        found[cell.id] = cell
    _check_overlap(numa.cells)
    for cell in numa.cells:
        cell.complete(count)
    numa.cells = [found[number] for number in range(count)]
    _complete_distances(numa.cells)
    if numa.interconnects is not None:
        numa.interconnects.complete(numa.cells)


def _check_overlap(cells: list[Cell]) -> None:
    for place, cell in enumerate(cells):
        for other in cells[:place]:
            if (cell.cpus or frozenset()) & (other.cpus or frozenset()):
                raise UnsupportedConfig(f"NUMA cells {cell.id} and {other.id} have overlapping vCPU ids")


def _check_distance(cell: Cell, sibling: Sibling, count: int) -> None:
    if sibling.id >= count:
        raise XmlError(f"'sibling_id {sibling.id}' does not refer to a valid cell within NUMA 'cell id {cell.id}'")
    own = sibling.id == cell.id
    if not 10 <= sibling.value <= 255 or own != (sibling.value == 10):
        raise XmlError(f"'value {sibling.value}' is invalid for 'sibling id {sibling.id}' "
                       f"under NUMA 'cell id {cell.id}'")


def _complete_distances(cells: list[Cell]) -> None:
    known: dict[tuple[int, int], int] = {}
    for cell in cells:
        for sibling in cell.distances:
            here, there = cell.id or 0, sibling.id
            known[here, there] = sibling.value
            known.setdefault((there, here), sibling.value)
            known.setdefault((here, here), 10)
            known.setdefault((there, there), 10)
    for cell in cells:
        cell.distances = [Sibling(id=there, value=known[cell.id or 0, there]) for there in range(len(cells))
                          if (cell.id or 0, there) in known]
