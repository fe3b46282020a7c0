"""Places on disk controllers: a disk's follows from its target name, a SCSI host device takes the next free unit."""

from __future__ import annotations

from itertools import count

from virtctl.domain.addresses.topology import tagged
from virtctl.domain.addresses.wants import text
from virtctl.domain.devices.address import DriveAddress
from virtctl.domain.devices.device import Device
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import UnsupportedConfig, XmlError

SCSI_UNITS = 7
PREFIXES = ("fd", "hd", "vd", "sd", "xvd", "ubd")


def disk_number(name: str) -> int:
    """The number that a disk's name carries: sda 0, sdz 25, sdaa 26; -1 for another kind of name."""
    letters = next((name[len(prefix):] for prefix in PREFIXES if name.startswith(prefix)), "")
    word = letters.rstrip("0123456789")
    if not word or not word.isascii() or not word.islower() or not word.isalpha():
        return -1
    if letters != word and letters[len(word)] == "0" and len(letters) > len(word) + 1:
        return -1
    number = 0
    for letter in word:
        number = number * 26 + ord(letter) - ord("a") + 1
    return number - 1


def place_of(bus: str, number: int) -> DriveAddress | None:
    """Where the disk of that number sits on its kind of bus; None for buses without drive addresses."""
    match bus:
        case "scsi":
            return DriveAddress(controller=number // SCSI_UNITS, unit=number % SCSI_UNITS)
        case "ide":
            return DriveAddress(controller=number // 4, bus=number % 4 // 2, unit=number % 2)
        case "sata":
            return DriveAddress(controller=number // 6, unit=number % 6)
        case "fdc":
            return DriveAddress(controller=number // 2, unit=number % 2)
    return None


def assign_disks(domain: Domain, host: Host) -> None:
    """Gives every disk on a controller its place."""
    for disk in tagged(domain, "disk"):
        if disk.address is None and text(disk, "target") is not None:
            assign_disk(domain, disk)


def assign_disk(domain: Domain, disk: Device) -> None:
    """Gives one disk its place. Raises where its name says none, or where a host device sits there."""
    target, bus = text(disk, "target") or "", text(disk, "bus") or ""
    number = disk_number(target)
    if number < 0:
        raise XmlError(f"Unknown disk name '{target}' and no address specified")
    address = place_of(bus, number)
    if address is not None and bus == "scsi" and _used_by_hostdev(domain, address):
        raise UnsupportedConfig(f"using disk target name '{target}' conflicts with SCSI host device address "
                                f"controller='{address.controller}' bus='0' target='0' unit='{address.unit}")
    disk.address = address


def _key(address: DriveAddress) -> tuple[int, int, int, int]:
    return address.controller, address.bus, address.target, address.unit


def _used_by_hostdev(domain: Domain, address: DriveAddress) -> bool:
    return any(isinstance(one.address, DriveAddress) and _key(one.address) == _key(address)
               for one in tagged(domain, "hostdev") if text(one, "type") == "scsi")


def assign_scsi_hostdevs(domain: Domain, host: Host) -> None:
    """Gives SCSI host devices the first free unit of the lowest controller that has one."""
    for device in tagged(domain, "hostdev"):
        if text(device, "type") != "scsi":
            continue
        if device.address is None:
            device.address = _next_scsi(domain)
        elif isinstance(device.address, DriveAddress):
            _check_scsi_place(domain, device, device.address)


def _next_scsi(domain: Domain) -> DriveAddress:
    taken = {_key(one.address) for one in _scsi_devices(domain) if isinstance(one.address, DriveAddress)}
    return next(address for address in (DriveAddress(controller=number // SCSI_UNITS, unit=number % SCSI_UNITS)
                                        for number in count()) if _key(address) not in taken)


def _scsi_devices(domain: Domain) -> list[Device]:
    return [one for one in tagged(domain, "disk") if text(one, "bus") == "scsi"] + [
        one for one in tagged(domain, "hostdev") if text(one, "type") == "scsi"]


def _check_scsi_place(domain: Domain, device: Device, address: DriveAddress) -> None:
    for other in _scsi_devices(domain):
        if other is device or not isinstance(other.address, DriveAddress) or _key(other.address) != _key(address):
            continue
        place = (f"SCSI host address controller='{address.controller}' bus='{address.bus}' "
                 f"target='{address.target}' unit='{address.unit}' in use by")
        if other.tag == "disk":
            raise XmlError(f"{place} a SCSI disk")
        raise UnsupportedConfig(f"{place} another SCSI host device")
