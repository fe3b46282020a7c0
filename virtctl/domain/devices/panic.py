"""`<panic>`: the guest reports its own crash."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.schema.element import Field
from virtctl.schema.types import Enum


class Panic(Device, tag="panic"):
    """A device to which the guest's kernel reports a crash."""

    model = Field("@model", Enum("default", "isa", "pseries", "hyperv", "s390", "pvpanic"), doc="emulated device")
