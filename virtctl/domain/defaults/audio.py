"""The host audio backend that a guest gets when its document names none."""

from __future__ import annotations

from virtctl.domain.devices.audio import Audio
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host

BACKENDS = {"spice": "spice", "vnc": "none", "sdl": None}  # what sound each display brings; SDL's is QEMU's own


def backend(domain: Domain, host: Host) -> None:
    """The backend that goes with the last display that decides on sound; silence where there is no display."""
    if domain.devices is None or domain.devices.all(Audio):
        return
    displays = domain.devices.all(Graphics)
    chosen: str | None = None if displays else "none"
    for display in displays:
        chosen = BACKENDS.get(display.type, chosen)
    if chosen is not None:
        domain.devices.all(Audio).append(Audio(number=1, type=chosen))
