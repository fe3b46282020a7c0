"""`<memballoon>`: takes memory back from the guest."""

from __future__ import annotations

from typing import Self

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.virtio import DRIVER_LAST, TRANSITIONAL, virtio_options
from virtctl.errors import UnsupportedConfig
from virtctl.schema.element import INACTIVE, Field, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.relevant import without
from virtctl.schema.types import Enum, Int, OnOff

PLACE = ("boot", "alias", "master", "rom", "acpi", "address")  # what is read of a device that is there


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

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """No balloon sits nowhere."""
        if node.attrs.get("model") == "none":
            node = without(node, PLACE)
        return super().parse(node, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """No period is none."""
        super().parsed(node, mode)
        self.period = self.period if (self.period or 0) > 0 else None

    def check(self) -> None:
        """Xen's is not QEMU's."""
        super().check()
        if self.model == "xen":
            raise UnsupportedConfig("Memory balloon device type 'xen' is not supported by this version of qemu")
