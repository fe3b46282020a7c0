"""The options that QEMU's virtio devices share, as fields of `<driver>`."""

from __future__ import annotations

from virtctl.schema.element import Field
from virtctl.schema.types import OnOff

Option = Field[bool | None]
DRIVER_LAST = ("iommu", "ats", "packed", "page_per_vq")
TRANSITIONAL = ("virtio", "virtio-transitional", "virtio-non-transitional")


def virtio_options() -> tuple[Option, Option, Option, Option]:
    """iommu, ats, packed and page_per_vq: `iommu, ats, packed, page_per_vq = virtio_options()` in a class body."""
    return (Field("driver/@iommu", OnOff(), doc="whether the device goes through the emulated IOMMU"),
            Field("driver/@ats", OnOff(), doc="address translation service, for IOTLB"),
            Field("driver/@packed", OnOff(), doc="packed virtqueues"),
            Field("driver/@page_per_vq", OnOff(), doc="a page of the BAR for each queue's notifications"))
