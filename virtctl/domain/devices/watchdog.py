"""`<watchdog>`: acts when the guest hangs."""

from __future__ import annotations

from virtctl.domain.devices.address import PciAddress
from virtctl.domain.devices.device import Device
from virtctl.errors import InternalError, UnsupportedConfig, VirtctlError
from virtctl.schema.element import Field
from virtctl.schema.fields import Declared
from virtctl.schema.types import Enum


class Watchdog(Device, tag="watchdog"):
    """A card that resets a guest that hangs."""

    model = Field("@model", Enum("i6300esb", "ib700", "diag288"), required=True, doc="emulated card",
                  refused=(UnsupportedConfig, "unknown watchdog model '%s'"))
    action = Field("@action", Enum("reset", "shutdown", "poweroff", "pause", "dump", "none", "inject-nmi"),
                   default="reset", doc="what happens to the guest",
                   refused=(UnsupportedConfig, "unknown watchdog action '%s'"))

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a model that is not there."""
        return InternalError("watchdog must contain model name")

    def check(self) -> None:
        """Where each card can sit."""
        super().check()
        if self.model == "ib700" and self.address is not None:
            raise UnsupportedConfig("ib700 model of watchdog does not support configuring the address")
        if self.model == "diag288":
            raise UnsupportedConfig("diag288 model of watchdog is allowed for s390 and s390x only")
        if self.model == "i6300esb" and self.address is not None and not isinstance(self.address, PciAddress):
            raise UnsupportedConfig("i6300esb model of watchdog can go only on PCI bus")
