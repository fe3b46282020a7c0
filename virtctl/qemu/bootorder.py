"""`<boot dev=.../>` of a domain spelled out as the boot order of its devices, as QEMU wants it."""

from __future__ import annotations

from virtctl.domain.devices import Devices
from virtctl.domain.devices.device import Boot, Device
from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.interface import Interface
from virtctl.domain.domain import Domain


def assign_boot_order(domain: Domain) -> None:
    """Gives the first device of each kind its place, in place; an order of the devices' own stands."""
    devices = domain.devices or Devices()
    if domain.os is None or any(device.boot is not None for device in devices):
        return
    for number, kind in enumerate(domain.os.boots, start=1):
        device = _first(devices, kind.dev)
        if device is not None:
            device.boot = Boot(order=number)


def _first(devices: Devices, kind: str) -> Device | None:
    if kind == "network":
        return next(iter(devices.all(Interface)), None)
    wanted = {"hd": ("disk", "lun"), "cdrom": ("cdrom",), "fd": ("floppy",)}[kind]
    return next((disk for disk in devices.all(Disk) if disk.device in wanted), None)
