"""How much memory the guest has and what stands behind it: memoryBacking, memtune, numatune."""

from __future__ import annotations

from virtctl.schema.element import Children, Element, Field, Flag, Mode, Size
from virtctl.schema.node import Node
from virtctl.schema.types import CpuSet, Enum, UInt

UNLIMITED = 9007199254740991  # KiB; libvirt's word for "no limit"
NUMA_MODES = ("strict", "preferred", "interleave", "restrictive")


class HugePage(Element, tag="page"):
    """One size of huge pages, for the whole guest or for some of its NUMA nodes."""

    size = Size("@size", doc="page size", default=0)
    nodeset = Field("@nodeset", CpuSet(), doc="guest NUMA nodes that use it")


class MemoryBacking(Element, tag="memoryBacking"):
    """What host memory backs the guest's."""

    pages = Children("hugepages/page", HugePage, doc="huge pages")
    hugepages = Flag("hugepages", doc="huge pages of the default size")
    nosharepages = Flag("nosharepages", doc="keep the host from merging equal pages (KSM)")
    locked = Flag("locked", doc="lock the guest's memory into the host's")
    source = Field("source/@type", Enum("anonymous", "file", "memfd"), doc="kind of memory")
    access = Field("access/@mode", Enum("shared", "private"), doc="whether other processes may map it")
    allocation = Field("allocation/@mode", Enum("immediate", "ondemand"), doc="when pages are allocated")
    threads = Field("allocation/@threads", UInt(), doc="threads that allocate")
    discard = Flag("discard", doc="discard the contents before the memory goes back to the host")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return any(value not in (None, False, []) for value in self.__dict__.values())


class MemTune(Element, tag="memtune"):
    """Limits of host memory."""

    hard_limit = Size("hard_limit", doc="memory that the guest may use at most")
    soft_limit = Size("soft_limit", doc="memory held back when the host is short of it")
    min_guarantee = Size("min_guarantee", doc="memory guaranteed")
    swap_hard_limit = Size("swap_hard_limit", doc="memory and swap together")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.__dict__)


class MemNode(Element, tag="memnode"):
    """Host nodes for one guest NUMA cell."""

    cellid = Field("@cellid", UInt(), doc="guest cell")
    mode = Field("@mode", Enum(*NUMA_MODES), doc="how strictly")
    nodeset = Field("@nodeset", CpuSet(), doc="host nodes")


class NumaTune(Element, tag="numatune"):
    """Which host NUMA nodes the memory comes from."""

    mode = Field("memory/@mode", Enum(*NUMA_MODES), doc="how strictly")
    nodeset = Field("memory/@nodeset", CpuSet(), doc="host nodes")
    placement = Field("memory/@placement", Enum("static", "auto"), doc="static: nodeset; auto: asked of numad")
    nodes = Children("memnode", MemNode, doc="single guest cells")

    def written(self, node: Node, mode: Mode) -> None:
        """A nodeset says that the placement is static."""
        memory = node.find("memory")
        if memory is not None and memory.attrs.get("placement") == "static":
            del memory.attrs["placement"]

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return self.mode is not None or bool(self.nodes)
