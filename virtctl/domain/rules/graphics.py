"""Displays that QEMU does not have or cannot combine."""

from __future__ import annotations

from virtctl.domain.devices.audio import Audio
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import UnsupportedConfig, XmlError

KNOWN = ("sdl", "vnc", "spice", "egl-headless", "dbus")
VNC_PASSWORD = 8


def check_graphics(domain: Domain, host: Host) -> None:
    """Every display."""
    displays = domain.devices.all(Graphics) if domain.devices else []
    headless = any(display.type == "egl-headless" for display in displays)
    for display in displays:
        _check_audio(domain, display)
        if display.type not in KNOWN:
            raise UnsupportedConfig(f"{display.type} graphics are not supported with this QEMU")
        if headless:
            _check_headless(display)
        if display.type == "vnc" and display.passwd and len(display.passwd) > VNC_PASSWORD:
            raise UnsupportedConfig(f"VNC password is {len(display.passwd)} characters long, only 8 permitted")
        if display.type == "spice" and (display.tls_port or 0) > 0:
            raise UnsupportedConfig("spice TLS port set in XML configuration, but TLS is disabled in qemu.conf")


def _check_headless(display: Graphics) -> None:
    if display.type not in ("egl-headless", "vnc", "spice"):
        raise UnsupportedConfig("graphics type 'egl-headless' is only supported with one of: 'vnc', 'spice' "
                                "graphics types")
    if display.type == "spice" and display.gl is not None and display.gl.enable:
        raise UnsupportedConfig("multiple OpenGL displays are not supported by QEMU")


def _check_audio(domain: Domain, display: Graphics) -> None:
    if not display.audio_id:
        return
    audios = domain.devices.all(Audio) if domain.devices else []
    backend = next((one for one in audios if one.number == display.audio_id), None)
    if backend is None:
        raise XmlError(f"no audio device with ID {display.audio_id}")
    if display.type == "dbus" and backend.type != "dbus":
        raise UnsupportedConfig("The associated audio is not of 'dbus' kind.")
