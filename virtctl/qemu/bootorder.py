"""`<boot dev=.../>` of a domain spelled out as the boot order of its devices, as QEMU wants it."""

from __future__ import annotations

from virtctl.domain.devices import Devices
from virtctl.domain.devices.device import Device
from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.interface import Interface
from virtctl.domain.domain import Domain


def boot_order(domain: Domain) -> dict[str, int]:
    """The place of the first device of each kind, by alias; nothing where the devices have an order of their own.

    The document is left as it is: QEMU alone needs it spelled out.
    """
    devices = domain.devices or Devices()
    if domain.os is None or any(device.boot is not None for device in devices):
        return {}
    found = ((number, _first(devices, kind.dev)) for number, kind in enumerate(domain.os.boots, start=1))
    return {device.id: number for number, device in found if device is not None}


def _first(devices: Devices, kind: str) -> Device | None:
    if kind == "network":
        return next(iter(devices.all(Interface)), None)
    wanted = {"hd": ("disk", "lun"), "cdrom": ("cdrom",), "fd": ("floppy",)}[kind]
    return next((disk for disk in devices.all(Disk) if disk.device in wanted), None)
