"""`<rng>`: randomness of the host for the guest."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.schema.element import Field
from virtctl.schema.marks import Prop
from virtctl.schema.types import Enum, Str, UInt


class Rng(Device, tag="rng"):
    """Feeds host randomness to the guest."""

    model = Field("@model", Enum("virtio", "virtio-transitional", "virtio-non-transitional"), required=True,
                  doc="emulated card")
    bytes = Field("rate/@bytes", UInt(), doc="bytes allowed per period", qemu=Prop("max-bytes"))
    period = Field("rate/@period", UInt(), doc="length of a period in milliseconds", qemu=Prop("period"))
    backend = Field("backend/@model", Enum("random", "egd", "builtin"), doc="where the randomness comes from")
    file = Field("backend", Str(), doc="device to read for the random backend")
