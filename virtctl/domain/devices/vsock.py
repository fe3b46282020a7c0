"""`<vsock>`: sockets between host and guest."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.virtio import DRIVER_LAST, TRANSITIONAL, virtio_options
from virtctl.errors import UnsupportedConfig
from virtctl.schema.element import Field, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Positive, YesNo


class Vsock(Device, tag="vsock"):
    """A socket device."""

    model = Field("@model", Enum(*TRANSITIONAL), doc="emulated card")
    cid_auto = Field("cid/@auto", YesNo(), doc="whether the number is chosen at start")
    cid = Field("cid/@address", Positive(), doc="the guest's number, 3 or more")
    iommu, ats, packed, page_per_vq = virtio_options()

    @classmethod
    def output_order(cls, found: dict[str, Declared]) -> list[Declared]:
        """The virtio options come last."""
        ordered = super().output_order(found)
        return sorted(ordered, key=lambda field: field.name in DRIVER_LAST)

    def parsed(self, node: Node, mode: Mode) -> None:
        """A card of virtio; a number that is told is not chosen."""
        super().parsed(node, mode)
        self.model = self.model or "virtio"
        if self.cid_auto is None:
            self.cid_auto = self.cid is None

    def check(self) -> None:
        """Smaller numbers are the host's."""
        super().check()
        if self.cid is not None and self.cid < 3:
            raise UnsupportedConfig("guest CIDs must be >= 3")
