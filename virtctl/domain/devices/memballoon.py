"""`<memballoon>`: takes memory back from the guest."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.virtio import DRIVER_LAST, TRANSITIONAL, virtio_options
from virtctl.schema.element import Field, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Int, OnOff


class Memballoon(Device, tag="memballoon"):
    """The balloon device."""

    model = Field("@model", Enum("virtio", "xen", "none", *TRANSITIONAL[1:]), required=True, doc="emulated card")
    autodeflate = Field("@autodeflate", OnOff(), doc="give memory back before the guest kills processes")
    free_page_reporting = Field("@freePageReporting", OnOff(), doc="the guest reports pages that it does not use")
    period = Field("stats/@period", Int(), doc="seconds between two statistics")
    iommu, ats, packed, page_per_vq = virtio_options()

    @classmethod
    def output_order(cls, found: dict[str, Declared]) -> list[Declared]:
        """The virtio options come last."""
        ordered = super().output_order(found)
        return sorted(ordered, key=lambda field: field.name in DRIVER_LAST)

    def parsed(self, node: Node, mode: Mode) -> None:
        """No period is none; no balloon sits nowhere."""
        super().parsed(node, mode)
        self.period = self.period if (self.period or 0) > 0 else None
        if self.model == "none":
            self.address = None
