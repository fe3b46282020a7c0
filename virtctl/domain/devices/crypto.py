"""`<crypto>`: encryption by the host for the guest."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.virtio import virtio_options
from virtctl.schema.element import Field
from virtctl.schema.types import Enum, UInt


class Crypto(Device, tag="crypto"):
    """A crypto card."""

    model = Field("@model", Enum("virtio"), required=True, doc="emulated card")
    type = Field("@type", Enum("qemu"), required=True, doc="kind of device")
    backend = Field("backend/@model", Enum("builtin", "lkcf"), required=True, doc="who computes")
    queues = Field("backend/@queues", UInt(), doc="number of queues")
    iommu, ats, packed, page_per_vq = virtio_options()
