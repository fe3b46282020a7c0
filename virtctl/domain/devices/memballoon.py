"""`<memballoon>`: takes memory back from the guest."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.virtio import TRANSITIONAL, virtio_options
from virtctl.schema.element import Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Int, OnOff


class Memballoon(Device, tag="memballoon"):
    """The balloon device."""

    model = Field("@model", Enum("virtio", "xen", "none", *TRANSITIONAL[1:]), required=True, doc="emulated card")
    autodeflate = Field("@autodeflate", OnOff(), doc="give memory back before the guest kills processes")
    free_page_reporting = Field("@freePageReporting", OnOff(), doc="the guest reports pages that it does not use")
    period = Field("stats/@period", Int(0, 2**31 - 1), doc="seconds between two statistics")
    iommu, ats, packed, page_per_vq = virtio_options()

    def parsed(self, node: Node, mode: Mode) -> None:
        """No period is none."""
        super().parsed(node, mode)
        self.period = self.period or None
