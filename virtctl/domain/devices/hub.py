"""`<hub>`: more ports on a USB bus."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.errors import InternalError, UnsupportedConfig, VirtctlError
from virtctl.schema.element import Field
from virtctl.schema.fields import Declared
from virtctl.schema.types import Enum


class Hub(Device, tag="hub"):
    """A USB hub of eight ports."""

    type = Field("@type", Enum("usb"), required=True, doc="kind of hub",
                 refused=(UnsupportedConfig, "unknown hub device type '%s'"))

    def missing(self, field: Declared) -> VirtctlError:
        """A hub must say what it is."""
        return InternalError("missing hub device type")
