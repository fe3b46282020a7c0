"""`<watchdog>`: acts when the guest hangs."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.schema.element import Field
from virtctl.schema.types import Enum


class Watchdog(Device, tag="watchdog"):
    """A card that resets a guest that hangs."""

    model = Field("@model", Enum("i6300esb", "ib700", "diag288", "itco"), required=True, doc="emulated card")
    action = Field("@action", Enum("reset", "shutdown", "poweroff", "pause", "dump", "none", "inject-nmi"),
                   default="reset", doc="what happens to the guest")
