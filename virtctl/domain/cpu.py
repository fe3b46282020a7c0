"""`<cpu>`: the processor that the guest sees, and how its processors are arranged."""

from __future__ import annotations

from virtctl.domain.numa import Numa
from virtctl.errors import UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import Child, Children, Element, Field, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Int, OnOff, Positive, Str

POLICIES = ("force", "require", "optional", "disable", "forbid")
WIDE = ("host-passthrough", "maximum")  # modes that show the guest what the host has


class CpuModel(Element, tag="model"):
    """A named processor model."""

    fallback = Field("@fallback", Enum("allow", "forbid"), doc="whether a lesser model may stand in",
                     refused=(UnsupportedConfig, "Invalid fallback attribute"))
    vendor_id = Field("@vendor_id", Str(), doc="vendor that the guest sees, 12 characters")
    name = Field(".", Str(), doc="the model")

    def parsed(self, node: Node, mode: Mode) -> None:
        """A vendor is 12 characters that QEMU's options can carry."""
        if self.vendor_id is not None and len(self.vendor_id) != 12:
            raise XmlError("vendor_id must be exactly 12 characters long")
        if self.vendor_id and "," in self.vendor_id:
            raise XmlError("vendor id is invalid")


class Topology(Element, tag="topology"):
    """How the processors are arranged."""

    sockets = Field("@sockets", Positive(), required=True, doc="sockets")
    dies = Field("@dies", Positive(), default=1, doc="dies in a socket")
    cores = Field("@cores", Positive(), required=True, doc="cores in a die")
    threads = Field("@threads", Positive(), required=True, doc="threads in a core")

    @property
    def processors(self) -> int:
        """How many processors that makes."""
        return self.sockets * self.dies * self.cores * self.threads


class CpuCache(Element, tag="cache"):
    """The cache that the guest sees."""

    level = Field("@level", Int(), doc="level of the cache")
    mode = Field("@mode", Enum("emulate", "passthrough", "disable"), required=True, doc="where it comes from")

    def parsed(self, node: Node, mode: Mode) -> None:
        """There are three levels."""
        if self.level is not None and self.level < 0:
            raise CpuCache.level.refusal(node, str(self.level), "Expected non-negative value")
        if self.level is not None and not 1 <= self.level <= 3:
            raise XmlError("invalid CPU cache level, must be in range [1,3]")

    def check_mode(self, mode: str) -> None:
        """What QEMU can do in that processor mode."""
        if self.mode == "emulate" and self.level != 3:
            raise UnsupportedConfig("CPU cache mode 'emulate' can only be used with level='3'")
        if self.mode == "passthrough" and mode not in WIDE:
            raise UnsupportedConfig("CPU cache mode 'passthrough' can only be used with "
                                    "'host-passthrough' / 'maximum' CPUs")
        if self.mode != "emulate" and self.level is not None:
            raise UnsupportedConfig(f"unsupported CPU cache level for mode '{self.mode}'")


class MaxPhysAddr(Element, tag="maxphysaddr"):
    """The width of physical addresses."""

    mode = Field("@mode", Enum("emulate", "passthrough"), required=True, doc="where it comes from")
    bits = Field("@bits", Int(), doc="number of bits")

    def parsed(self, node: Node, mode: Mode) -> None:
        """A number of bits is not negative."""
        if self.bits is not None and self.bits < 0:
            raise MaxPhysAddr.bits.refusal(node, str(self.bits), "Expected non-negative value")

    def check(self) -> None:
        """The bits are told where they are emulated, and only there."""
        if self.mode == "emulate" and self.bits is None:
            raise UnsupportedConfig("if using CPU maximum physical address mode='emulate', "
                                    "bits= must be specified too")
        if self.mode == "passthrough" and self.bits is not None:
            raise UnsupportedConfig("CPU maximum physical address bits number specification cannot be used "
                                    "with mode='passthrough'")


class CpuFeature(Element, tag="feature"):
    """One feature of the processor."""

    policy = Field("@policy", Enum(*POLICIES), default="require", doc="whether the guest gets it",
                   refused=(UnsupportedConfig, "Invalid CPU feature policy"))
    name = Field("@name", Str(), required=True, doc="its name")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a name that is not there."""
        return XmlError("Invalid CPU feature name")

    def parsed(self, node: Node, mode: Mode) -> None:
        """A name has characters."""
        if not self.name:
            raise self.missing(CpuFeature.name)


class Cpu(Element, tag="cpu"):
    """The processor that the guest sees."""

    mode = Field("@mode", Enum("custom", "host-model", *WIDE), doc="where the model comes from",
                 refused=(UnsupportedConfig, "Invalid mode attribute '%s'"))
    match = Field("@match", Enum("minimum", "exact", "strict"), doc="how exactly the host must match")
    checking = Field("@check", Enum("none", "partial", "full", hidden=("default",)),
                     doc="how the guest's processor is checked at start")
    migratable = Field("@migratable", OnOff(), doc="whether features that cannot migrate are left out")
    model = Child("model", CpuModel, doc="named model")
    vendor = Field("vendor", Str(), doc="vendor that the host must have")
    topology = Child("topology", Topology, doc="arrangement of processors")
    cache = Child("cache", CpuCache, doc="cache that the guest sees")
    maxphysaddr = Child("maxphysaddr", MaxPhysAddr, doc="width of physical addresses")
    features = Children("feature", CpuFeature, doc="single features")
    numa = Child("numa", Numa, doc="NUMA cells")

    def parsed(self, node: Node, mode: Mode) -> None:
        """The mode decides what else means something."""
        self.mode = self.mode or "custom"
        if self.checking == "default":
            self.checking = None
        if self.migratable is not None and self.mode not in WIDE:
            raise UnsupportedConfig("Attribute migratable is only allowed for 'host-passthrough' / 'maximum' CPU mode")
        self._normalise_model()
        names: set[str] = set()
        for feature in self.features:
            if feature.name in names:
                raise XmlError(f"CPU feature '{feature.name}' specified more than once")
            names.add(feature.name)

    def _normalise_model(self) -> None:
        named = self.model is not None and self.model.name is not None
        if self.mode == "custom":
            if not named and self.vendor is not None:
                raise XmlError("CPU vendor specified without CPU model")
            if not named and self.features:
                raise XmlError("Non-empty feature list specified without CPU model")
            self.match = self.match or "exact"
        else:
            self.match = None
            if self.mode in WIDE or not named:
                self.model = None
            if self.mode in WIDE:
                self.vendor = None
        if self.model is not None:
            self.model.fallback = self.model.fallback or "allow"

    def check(self) -> None:
        """The cache must suit the mode."""
        if self.cache is not None:
            self.cache.check_mode(self.mode or "custom")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        node = self.to_node(mode)
        return bool(node.attrs or node.children)
