"""`<nvram>`: non-volatile memory of pseries."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.errors import UnsupportedConfig


class Nvram(Device, tag="nvram"):
    """Non-volatile memory (pseries)."""

    def check(self) -> None:
        """No PC has it."""
        super().check()
        raise UnsupportedConfig("nvram device is only supported for PPC64")
