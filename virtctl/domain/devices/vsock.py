"""`<vsock>`: sockets between host and guest."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.virtio import TRANSITIONAL, virtio_options
from virtctl.schema.element import Field
from virtctl.schema.types import Enum, UInt, YesNo


class Vsock(Device, tag="vsock"):
    """A socket device."""

    model = Field("@model", Enum(*TRANSITIONAL), doc="emulated card")
    cid_auto = Field("cid/@auto", YesNo(), doc="whether the number is chosen at start")
    cid = Field("cid/@address", UInt(), doc="the guest's number, 3 or more")
    iommu, ats, packed, page_per_vq = virtio_options()
