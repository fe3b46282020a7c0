"""`<rng>`: randomness of the host for the guest."""

from __future__ import annotations

from typing import Self

from virtctl.domain.devices.chardev_source import USES, Chardev
from virtctl.domain.devices.device import Device
from virtctl.domain.devices.virtio import TRANSITIONAL, virtio_options
from virtctl.errors import UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import INACTIVE, Children, Field, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.marks import Prop
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Str, UInt


class RngBackend(Chardev, tag="backend"):
    """Where the randomness comes from: a device, a daemon (egd), or QEMU itself."""

    model = Field("@model", Enum("random", "egd", "builtin"), required=True, doc="kind of source",
                  refused=(UnsupportedConfig, "unknown RNG backend model '%s'"))
    type = Field("@type", Enum(*USES), doc="kind of connection to the daemon (egd)",
                 refused=(UnsupportedConfig, "unknown backend type '%s' for egd"))
    path_ = Field(".", Str(), doc="device that is read (random)")

    @classmethod
    def output_order(cls, found: dict[str, Declared]) -> list[Declared]:
        """What it is comes before where it is."""
        first = ("model", "type", "path_")
        return sorted(found.values(), key=lambda field: field.name not in first)

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Only a daemon is connected to."""
        if node.attrs.get("model") != "egd":
            node = relevant(node, cls.plan, ("model", "path_"))
        return super().parse(node, mode)

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a kind that is not there."""
        return XmlError("missing RNG device backend model")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Each kind has its own source."""
        if self.model == "egd" and self.type is None:
            raise XmlError("missing EGD backend type")
        super().parsed(node, mode)
        if self.model == "random":
            self.path_ = self.path_ or "/dev/random"
        else:
            self.path_ = None


class Rng(Device, tag="rng"):
    """Feeds host randomness to the guest."""

    model = Field("@model", Enum(*TRANSITIONAL), required=True, doc="emulated card",
                  refused=(UnsupportedConfig, "unknown RNG model '%s'"))
    bytes = Field("rate/@bytes", UInt(), doc="bytes allowed per period", qemu=Prop("max-bytes"),
                  refused=(XmlError, "invalid RNG rate bytes value"))
    period = Field("rate/@period", UInt(), doc="length of a period in milliseconds", qemu=Prop("period"),
                   refused=(XmlError, "invalid RNG rate period value"))
    backends = Children("backend", RngBackend, doc="where the randomness comes from, one")
    iommu, ats, packed, page_per_vq = virtio_options()

    @property
    def source(self) -> RngBackend:
        """The only backend."""
        return self.backends[0]

    @property
    def backend(self) -> str:
        """Its kind: random, egd or builtin."""
        return self.source.model

    @property
    def file(self) -> str | None:
        """The device that is read (random)."""
        return self.source.path_

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a model that is not there."""
        return XmlError("missing RNG device model")

    def parsed(self, node: Node, mode: Mode) -> None:
        """One backend; no bytes, no rate."""
        super().parsed(node, mode)
        if len(self.backends) != 1:
            raise XmlError("only one RNG backend is supported")
        self.bytes = self.bytes or None
        self.period = self.period if self.bytes and self.period else None

    def check(self) -> None:
        """The connection to a daemon must be complete."""
        super().check()
        if self.backend == "egd":
            self.source.check_source()
