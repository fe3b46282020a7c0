"""How much memory the guest has and what stands behind it: memoryBacking, memtune, numatune."""

from __future__ import annotations

from virtctl.errors import UnsupportedConfig, ValueOverflow, VirtctlError, XmlError
from virtctl.schema.element import Child, Children, Element, Field, Flag, Mode, Size
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.types import CpuSet, Enum, UInt

UNLIMITED = 9007199254740991  # KiB; libvirt's word for "no limit"
NUMA_MODES = ("strict", "preferred", "interleave", "restrictive")


class HugePage(Element, tag="page"):
    """One size of huge pages, for the whole guest or for some of its NUMA nodes."""

    size = Size("@size", doc="page size", required=True)
    nodeset = Field("@nodeset", CpuSet(), doc="guest NUMA nodes that use it")


class HugePages(Element, tag="hugepages"):
    """Huge pages: of the default size, or of those listed."""

    pages = Children("page", HugePage, doc="sizes")


class MemoryBacking(Element, tag="memoryBacking"):
    """What host memory backs the guest's."""

    hugepages = Child("hugepages", HugePages, doc="huge pages")
    nosharepages = Flag("nosharepages", doc="keep the host from merging equal pages (KSM)")
    locked = Flag("locked", doc="lock the guest's memory into the host's")
    source = Field("source/@type", Enum("anonymous", "file", "memfd"), doc="kind of memory",
                   refused=(UnsupportedConfig, "unknown memoryBacking/source/type '%s'"))
    access = Field("access/@mode", Enum("shared", "private"), doc="whether other processes may map it",
                   refused=(UnsupportedConfig, "unknown memoryBacking/access/mode '%s'"))
    allocation = Field("allocation/@mode", Enum("immediate", "ondemand"), doc="when pages are allocated",
                       refused=(UnsupportedConfig, "unknown memoryBacking/allocation/mode '%s'"))
    threads = Field("allocation/@threads", UInt(), doc="threads that allocate")
    discard = Flag("discard", doc="discard the contents before the memory goes back to the host")

    def parsed(self, node: Node, mode: Mode) -> None:
        """No thread is no word on threads."""
        self.threads = self.threads or None

    def check(self) -> None:
        """Huge pages are there at once."""
        if self.hugepages and self.allocation == "ondemand":
            raise UnsupportedConfig("hugepages are not allowed with memory allocation ondemand")
        if self.hugepages and self.source == "anonymous":
            raise UnsupportedConfig("hugepages are not allowed with anonymous memory source")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.to_node(mode).children)


class MemTune(Element, tag="memtune"):
    """Limits of host memory."""

    hard_limit = Size("hard_limit", place="./memtune/hard_limit[1]", doc="memory that the guest may use at most")
    soft_limit = Size("soft_limit", place="./memtune/soft_limit[1]", 
                      doc="memory held back when the host is short of it")
    min_guarantee = Size("min_guarantee", place="./memtune/min_guarantee[1]", doc="memory guaranteed")
    swap_hard_limit = Size("swap_hard_limit", place="./memtune/swap_hard_limit[1]", doc="memory and swap together")

    def parsed(self, node: Node, mode: Mode) -> None:
        """No limit is not written."""
        for field in self.fields:
            value = self.__dict__.get(field.name)
            if value is not None and value > UNLIMITED:
                raise ValueOverflow(f"value too large: {value}")
            if value == UNLIMITED:
                del self.__dict__[field.name]

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.to_node(mode).children)

    def check(self) -> None:
        """QEMU cannot promise memory."""
        if self.min_guarantee is not None:
            raise UnsupportedConfig("Parameter 'min_guarantee' not supported by QEMU.")


class MemNode(Element, tag="memnode"):
    """Host nodes for one guest NUMA cell."""

    cellid = Field("@cellid", UInt(), required=True, doc="guest cell")
    mode = Field("@mode", Enum(*NUMA_MODES), default="strict", doc="how strictly")
    nodeset = Field("@nodeset", CpuSet(), required=True, doc="host nodes")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a value that is not there."""
        if field.name == "nodeset":
            return XmlError("Missing required nodeset attribute in memnode element")
        return super().missing(field)

    def parsed(self, node: Node, mode: Mode) -> None:
        """The set must have a member."""
        if not self.nodeset:
            raise UnsupportedConfig(f"Invalid value of 'nodeset': {node.attrs['nodeset']}")


class NumaTune(Element, tag="numatune"):
    """Which host NUMA nodes the memory comes from."""

    mode = Field("memory/@mode", Enum(*NUMA_MODES), doc="how strictly",
                 refused=(UnsupportedConfig, "Unsupported NUMA memory tuning mode '%s'"))
    nodeset = Field("memory/@nodeset", CpuSet(), doc="host nodes")
    placement = Field("memory/@placement", Enum("static", "auto"), doc="static: nodeset; auto: asked of numad",
                      refused=(UnsupportedConfig, "Unsupported NUMA memory placement mode '%s'"))
    nodes = Children("memnode", MemNode, doc="single guest cells")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Set members are there; cells come in order."""
        if self.nodeset is not None and not self.nodeset:
            raise UnsupportedConfig(f"Invalid value of 'nodeset': {node.get('memory/@nodeset')}")
        self.nodes.sort(key=lambda one: one.cellid)

    def written(self, node: Node, mode: Mode) -> None:
        """A nodeset says that the placement is static."""
        memory = node.find("memory")
        if memory is not None and memory.attrs.get("placement") == "static":
            del memory.attrs["placement"]

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return self.mode is not None or bool(self.nodes)
