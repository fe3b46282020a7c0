"""Where a disk may sit: the kind of address that its bus takes, and what the controllers have room for."""

from __future__ import annotations

from virtctl.domain.devices.address import BareAddress, DriveAddress
from virtctl.domain.devices.controller import Controller
from virtctl.domain.devices.disk import Disk
from virtctl.domain.domain import Domain
from virtctl.errors import InternalError, UnsupportedConfig, VirtctlError

ON_DRIVE = ("ide", "scsi", "sata", "fdc")
ONE_TARGET = ("lsilogic", "auto", "buslogic")

_MUST_BE_ZERO: dict[str, tuple[tuple[str, VirtctlError], ...]] = {
    "ide": (("controller", InternalError("Only 1 IDE controller is supported")),
            ("target", UnsupportedConfig("target must be 0 for ide controller"))),
    "sata": (("bus", UnsupportedConfig("bus must be 0 for sata controller")),
             ("target", UnsupportedConfig("target must be 0 for sata controller"))),
    "fdc": (("controller", InternalError("Only 1 fdc controller is supported")),
            ("bus", InternalError("Only 1 fdc bus is supported")),
            ("target", UnsupportedConfig("target must be 0 for controller fdc"))),
    "scsi": (("bus", InternalError("SCSI controller only supports 1 bus")),),
}


def kind(disk: Disk) -> None:
    """The kind of address must be the bus's."""
    address = disk.address
    if address is None or (isinstance(address, BareAddress) and disk.bus in ("virtio", "usb")):
        return
    if disk.bus == "virtio" and address.type not in ("pci", "ccw", "virtio-mmio", "virtio-s390"):
        raise UnsupportedConfig(f"virtio disk cannot have an address of type '{address.type}'")
    if disk.bus == "usb" and address.type != "usb":
        raise InternalError("unexpected address type for usb disk")
    if disk.bus in ON_DRIVE and address.type != "drive":
        raise UnsupportedConfig(f"Invalid address type '{address.type}' for the disk '{disk.target}' "
                                f"with the bus type '{disk.bus}'")


def place(disk: Disk) -> None:
    """The place must be one that the controller has."""
    address = disk.address
    if not isinstance(address, DriveAddress):
        return
    for name, error in _MUST_BE_ZERO.get(disk.bus or "", ()):
        if getattr(address, name):
            raise type(error)(error.message)


def model_of_controller(disk: Disk, domain: Domain) -> None:
    """Old SCSI controllers have one target."""
    address = disk.address
    if disk.bus != "scsi" or not isinstance(address, DriveAddress) or domain.devices is None or not address.target:
        return
    for one in domain.devices.all(Controller):
        if one.type == "scsi" and one.index == address.controller and one.model in ONE_TARGET:
            raise UnsupportedConfig(f"target must be 0 for controller model '{one.model}'")


def duplicates(domain: Domain) -> None:
    """No two disks in one place of one bus."""
    seen: dict[tuple[str | None, int, int, int, int], Disk] = {}
    for disk in domain.devices.all(Disk) if domain.devices else ():
        address = disk.address
        if isinstance(address, DriveAddress):
            other = seen.setdefault((disk.bus, address.controller, address.bus, address.target, address.unit), disk)
            if other is not disk:
                raise UnsupportedConfig(
                    f"Found duplicate drive address for disk with target name '{other.target}' "
                    f"controller='{address.controller}' bus='{address.bus}' target='{address.target}' "
                    f"unit='{address.unit}'")
