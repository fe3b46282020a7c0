"""The host audio backend that a guest gets when its document names none."""

from __future__ import annotations

from virtctl.domain.devices.audio import Audio
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host

BACKENDS = {"spice": "spice", "sdl": "sdl"}


def backend(domain: Domain, host: Host) -> None:
    """The backend that goes with the first display that brings sound; otherwise silence."""
    if domain.devices is None or domain.devices.all(Audio):
        return
    kinds = [BACKENDS[display.type] for display in domain.devices.all(Graphics) if display.type in BACKENDS]
    domain.devices.all(Audio).append(Audio(number=1, type=kinds[0] if kinds else "none"))
