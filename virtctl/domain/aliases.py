"""The ids under which QEMU knows the devices of a running guest, as libvirt gives them. A user's own (`ua-`) stay."""

from __future__ import annotations

import re
from collections.abc import Sequence

from virtctl.domain.addresses.drive import disk_number
from virtctl.domain.addresses.topology import ALL, tagged
from virtctl.domain.addresses.wants import text
from virtctl.domain.controllers import find_controller
from virtctl.domain.devices.address import DimmAddress, DriveAddress
from virtctl.domain.devices.controller import Controller
from virtctl.domain.devices.device import Alias, Device
from virtctl.domain.domain import Domain
from virtctl.domain.machine import is_i440fx, is_q35, machine_of

# What is numbered by its place among its kind.
COUNTED = {"filesystem": "fs", "sound": "sound", "redirdev": "redir", "video": "video", "input": "input",
           "parallel": "parallel", "serial": "serial", "channel": "channel", "console": "console", "hub": "hub",
           "shmem": "shmem", "smartcard": "smartcard", "rng": "rng", "tpm": "tpm", "crypto": "crypto"}
SINGLE = {"watchdog": "watchdog0", "memballoon": "balloon0", "vsock": "vsock0", "iommu": "iommu0"}
MEMORY = {"dimm": "dimm", "nvdimm": "nvdimm", "virtio-pmem": "virtiopmem", "virtio-mem": "virtiomem", "sgx-epc": "epc"}


def assign_aliases(domain: Domain) -> None:
    """Gives every device of a guest that is about to start its alias, in place."""
    for tag in ALL:
        for number, device in enumerate(tagged(domain, tag)):
            if not device.id:
                name = alias_for(domain, device, number)
                device.alias = Alias(name=name) if name else device.alias
    _share_first_console(domain)


def alias_for(domain: Domain, device: Device, number: int) -> str | None:
    """The alias of one device, the `number`th of its kind; None for what has none."""
    if device.tag in COUNTED:
        return f"{COUNTED[device.tag]}{number}"
    if device.tag in SINGLE:
        return SINGLE[device.tag] if text(device, "model") != "none" else None
    if isinstance(device, Controller):
        return controller_alias(device, machine_of(domain))
    match device.tag:
        case "disk":
            return disk_alias(domain, device)
        case "interface" if text(device, "type") != "hostdev":
            return next_alias("net", tagged(domain, "interface"))
        case "interface" | "hostdev":
            return next_alias("hostdev", tagged(domain, "hostdev") + tagged(domain, "interface"))
        case "memory":
            return _memory_alias(domain, device)
    return None


def next_alias(prefix: str, devices: Sequence[Device]) -> str:
    """`prefix` and the number after the highest in use, for a device that is added."""
    numbers = (re.fullmatch(prefix + r"(\d+)", device.id) for device in devices)
    return f"{prefix}{1 + max((int(found.group(1)) for found in numbers if found), default=-1)}"


def disk_alias(domain: Domain, disk: Device) -> str:
    """By the place on its controller, or by its name where it has none."""
    bus, address = text(disk, "bus") or "", disk.address
    if not isinstance(address, DriveAddress):
        return f"{bus}-disk{disk_number(text(disk, 'target') or '')}"
    if bus == "scsi":
        cont = find_controller(domain, "scsi", address.controller)
        if cont is None or cont.model != "lsilogic":
            return f"scsi{address.controller}-{address.bus}-{address.target}-{address.unit}"
    return f"{bus}{address.controller}-{address.bus}-{address.unit}"


def controller_alias(cont: Controller, machine: str) -> str:
    """By type and index; what the machine brings along has a name of its own."""
    if cont.type == "pci":
        return f"pcie.{cont.index}" if cont.model == "pcie-root" else f"pci.{cont.index}"
    if cont.index == 0:
        if cont.type == "usb":
            return "usb"
        if (cont.type == "ide" and is_i440fx(machine)) or (cont.type == "sata" and is_q35(machine)):
            return "ide"
    return f"{cont.type}{cont.index}"


def _memory_alias(domain: Domain, memory: Device) -> str:
    prefix = MEMORY.get(text(memory, "model") or "", "dimm")
    if isinstance(memory.address, DimmAddress) and memory.address.slot is not None:
        return f"{prefix}{memory.address.slot}"
    return next_alias(prefix, tagged(domain, "memory"))


def _share_first_console(domain: Domain) -> None:
    """The first console is another view of the first serial port."""
    consoles, serials = tagged(domain, "console"), tagged(domain, "serial")
    if consoles and serials and text(consoles[0], "target_type") == "serial":
        consoles[0].alias = serials[0].alias
