"""`<cpu>`: the processor that the guest sees, its topology and its NUMA cells."""

from __future__ import annotations

from virtctl.schema.element import Child, Children, Element, Field, Mode, Size
from virtctl.schema.types import CpuSet, Enum, Int, Str, UInt, YesNo

POLICIES = ("force", "require", "optional", "disable", "forbid")


class CpuModel(Element, tag="model"):
    """A named processor model."""

    fallback = Field("@fallback", Enum("allow", "forbid"), doc="whether a lesser model may stand in")
    vendor_id = Field("@vendor_id", Str(), doc="vendor that the guest sees, 12 characters")
    name = Field(".", Str(), doc="the model")


class Topology(Element, tag="topology"):
    """How the processors are arranged."""

    sockets = Field("@sockets", UInt(), required=True, doc="sockets")
    dies = Field("@dies", UInt(), default=1, doc="dies in a socket")
    cores = Field("@cores", UInt(), required=True, doc="cores in a die")
    threads = Field("@threads", UInt(), required=True, doc="threads in a core")


class CpuCache(Element, tag="cache"):
    """The cache that the guest sees."""

    level = Field("@level", Int(0), doc="level of the cache")
    mode = Field("@mode", Enum("emulate", "passthrough", "disable"), required=True, doc="where it comes from")


class MaxPhysAddr(Element, tag="maxphysaddr"):
    """The width of physical addresses."""

    mode = Field("@mode", Enum("emulate", "passthrough"), required=True, doc="where it comes from")
    bits = Field("@bits", Int(), doc="number of bits")


class CpuFeature(Element, tag="feature"):
    """One feature of the processor."""

    policy = Field("@policy", Enum(*POLICIES), doc="whether the guest gets it")
    name = Field("@name", Str(), required=True, doc="its name")


class Sibling(Element, tag="sibling"):
    """The distance to another cell."""

    id = Field("@id", UInt(), required=True, doc="the other cell")
    value = Field("@value", UInt(), required=True, doc="distance, 10 to 255")


class CellCache(Element, tag="cache"):
    """The memory side cache of a cell."""

    level = Field("@level", UInt(), required=True, doc="level")
    associativity = Field("@associativity", Enum("none", "direct", "full"), required=True, doc="associativity")
    policy = Field("@policy", Enum("none", "writeback", "writethrough"), required=True, doc="write policy")
    size = Size("size/@value", doc="size")
    line = Field("line/@value", UInt(), doc="size of a line")
    line_unit = Field("line/@unit", Str(), doc="its unit")


class Cell(Element, tag="cell"):
    """One NUMA cell of the guest."""

    id = Field("@id", UInt(), doc="number of the cell")
    cpus = Field("@cpus", CpuSet(), doc="processors of the cell")
    memory = Size("@memory", default=0, doc="memory of the cell")
    access = Field("@memAccess", Enum("shared", "private"), doc="whether other processes may map the memory")
    discard = Field("@discard", YesNo(), doc="discard the contents when the memory goes back to the host")
    distances = Children("distances/sibling", Sibling, doc="distances to other cells")
    caches = Children("cache", CellCache, doc="memory side caches")


class Interconnect(Element):
    """What an initiator finds at a target."""

    initiator = Field("@initiator", UInt(), required=True, doc="cell that asks")
    target = Field("@target", UInt(), required=True, doc="cell that answers")
    cache = Field("@cache", UInt(), doc="level of the cache that answers")


class Latency(Interconnect, tag="latency"):
    """Time that memory takes."""

    type = Field("@type", Enum("access", "read", "write"), required=True, doc="kind of access")
    value = Field("@value", UInt(), required=True, doc="nanoseconds")


class Bandwidth(Interconnect, tag="bandwidth"):
    """Amount that memory gives in a second."""

    type = Field("@type", Enum("access", "read", "write"), required=True, doc="kind of access")
    value = Size("@value", doc="amount in a second")


class Numa(Element, tag="numa"):
    """The guest's NUMA cells."""

    cells = Children("cell", Cell, doc="cells")
    latencies = Children("interconnects/latency", Latency, doc="times")
    bandwidths = Children("interconnects/bandwidth", Bandwidth, doc="amounts")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.cells)


class Cpu(Element, tag="cpu"):
    """The processor that the guest sees."""

    mode = Field("@mode", Enum("custom", "host-model", "host-passthrough", "maximum"), doc="where the model comes from")
    match = Field("@match", Enum("minimum", "exact", "strict"), doc="how exactly the host must match")
    checking = Field("@check", Enum("none", "partial", "full"), doc="how the guest's processor is checked at start")
    migratable = Field("@migratable", Str(), doc="whether features that cannot migrate are left out")
    model = Child("model", CpuModel, doc="named model")
    vendor = Field("vendor", Str(), doc="vendor that the host must have")
    topology = Child("topology", Topology, doc="arrangement of processors")
    cache = Child("cache", CpuCache, doc="cache that the guest sees")
    maxphysaddr = Child("maxphysaddr", MaxPhysAddr, doc="width of physical addresses")
    features = Children("feature", CpuFeature, doc="single features")
    numa = Child("numa", Numa, doc="NUMA cells")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        node = self.to_node(mode)
        return bool(node.attrs or node.children)
