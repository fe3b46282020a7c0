"""Pointing devices and keyboards: which bus carries which."""

from __future__ import annotations

from virtctl.domain.devices.input import Input
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import InternalError, UnsupportedConfig


def check_inputs(domain: Domain, host: Host) -> None:
    """Every input device."""
    for device in domain.devices.all(Input) if domain.devices else []:
        if device.bus == "ps2" and device.type not in ("mouse", "keyboard"):
            raise InternalError(f"ps2 bus does not support {device.type} input device")
        if device.bus == "xen":
            raise InternalError("unsupported input bus xen")
        if device.type == "passthrough" and device.bus != "virtio":
            raise UnsupportedConfig("only bus 'virtio' is supported for 'passthrough' input devices")
        if device.type == "evdev" and device.bus is not None:
            raise UnsupportedConfig("input evdev doesn't support bus element")
        _check_model(device)


def _check_model(device: Input) -> None:
    if device.model is not None and device.bus != "virtio":
        raise UnsupportedConfig(f"only bus 'virtio' is supported for input model '{device.model}'")
    if device.model not in (None, "virtio") and device.type != "passthrough":
        raise UnsupportedConfig(f"virtio (non-)transitional models are not supported for input type={device.type}")
