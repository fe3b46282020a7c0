"""`<iommu>`: translates device addresses."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.schema.element import Field
from virtctl.schema.types import Enum, OnOff, UInt


class Iommu(Device, tag="iommu"):
    """An emulated IOMMU."""

    model = Field("@model", Enum("intel", "smmuv3", "virtio"), required=True, doc="emulated device")
    intremap = Field("driver/@intremap", OnOff(), doc="interrupt remapping")
    caching_mode = Field("driver/@caching_mode", OnOff(), doc="caching mode, for assigned devices")
    eim = Field("driver/@eim", OnOff(), doc="extended interrupt mode, for more than 255 processors")
    iotlb = Field("driver/@iotlb", OnOff(), doc="cache of translations on the host")
    aw_bits = Field("driver/@aw_bits", UInt(), doc="width of addresses")
