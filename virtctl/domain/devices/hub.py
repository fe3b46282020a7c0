"""`<hub>`: more ports on a USB bus."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.schema.element import Field
from virtctl.schema.types import Enum


class Hub(Device, tag="hub"):
    """A USB hub of eight ports."""

    type = Field("@type", Enum("usb"), required=True, doc="kind of hub")
