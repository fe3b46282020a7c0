"""`<nvram>`: non-volatile memory of pseries."""

from __future__ import annotations

from virtctl.domain.devices.device import Device


class Nvram(Device, tag="nvram"):
    """Non-volatile memory (pseries)."""
