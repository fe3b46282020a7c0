"""`<iommu>`: translates device addresses."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.errors import XmlError
from virtctl.schema.element import Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, OnOff, UInt


class Iommu(Device, tag="iommu"):
    """An emulated IOMMU."""

    model = Field("@model", Enum("intel", "smmuv3", "virtio"), required=True, doc="emulated device")
    intremap = Field("driver/@intremap", OnOff(), doc="interrupt remapping")
    caching_mode = Field("driver/@caching_mode", OnOff(), doc="caching mode, for assigned devices")
    eim = Field("driver/@eim", OnOff(), doc="extended interrupt mode, for more than 255 processors")
    iotlb = Field("driver/@iotlb", OnOff(), doc="cache of translations on the host")
    aw_bits = Field("driver/@aw_bits", UInt(), doc="width of addresses")

    def parsed(self, node: Node, mode: Mode) -> None:
        """No width is none."""
        super().parsed(node, mode)
        self.aw_bits = self.aw_bits or None

    def check(self) -> None:
        """Only Intel's is told how; only virtio's sits on a bus."""
        super().check()
        told = any(value is not None for value in (self.intremap, self.caching_mode, self.eim, self.iotlb,
                                                   self.aw_bits))
        if self.model != "intel" and told:
            raise XmlError(f"iommu model '{self.model}' doesn't support additional attributes")
        if self.model != "virtio" and self.address is not None:
            raise XmlError(f"iommu model '{self.model}' can't have address")
