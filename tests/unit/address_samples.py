"""Small domains whose devices need addresses, and a short spelling of what they got."""

from __future__ import annotations

import pytest

from virtctl.domain.devices.address import (
    Address,
    CcidAddress,
    DriveAddress,
    PciAddress,
    UsbAddress,
    VirtioSerialAddress,
)
from virtctl.domain.domain import Domain, write_domain
from virtctl.domain.host import Host
from virtctl.domain.pipeline import complete
from virtctl.errors import VirtctlError
from virtctl.schema.element import Mode

HOST = Host(runs=lambda path: True)
FRAME = """<domain type='qemu'>
  <name>sample</name>
  <uuid>2d0b1c5e-9b53-4f4b-a0f7-0f8f5f0f9c01</uuid>
  <memory>65536</memory>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <devices>{devices}</devices>
</domain>"""
NIC = "<interface type='user'><mac address='52:54:00:00:00:{number:02x}'/><model type='{model}'/>{more}</interface>"
DISK = "<disk type='file' device='disk'><source file='/{target}'/><target dev='{target}' bus='{bus}'/>{more}</disk>"


def nic(model: str = "virtio", more: str = "", number: int = 1) -> str:
    """A network card."""
    return NIC.format(model=model, more=more, number=number)


def disk(target: str, bus: str, more: str = "") -> str:
    """A disk."""
    return DISK.format(target=target, bus=bus, more=more)


def pci(bus: int, slot: int, function: int = 0) -> str:
    """A PCI address as a user writes it."""
    return f"<address type='pci' bus='{bus}' slot='{slot}' function='{function}'/>"


def define(devices: str, machine: str = "pc") -> Domain:
    """The completed domain; completing it once more must change no address."""
    domain = complete(FRAME.format(machine=machine, devices=devices), HOST)
    again = complete(write_domain(domain, Mode(secure=True)), HOST)
    assert sorted(places(again)) == sorted(places(domain))
    return domain


def short(address: Address | None) -> str:
    """An address in a few letters."""
    match address:
        case PciAddress():
            return f"{address.bus:x}:{address.slot:02x}.{address.function}" + ("+" if address.multifunction else "")
        case DriveAddress():
            return f"{address.controller}-{address.bus}-{address.target}-{address.unit}"
        case UsbAddress():
            return f"usb{address.bus}/{address.port}"
        case VirtioSerialAddress():
            return f"vs{address.controller}/{address.port}"
        case CcidAddress():
            return f"ccid{address.controller}/{address.slot}"
    return address.type if address else "-"


def places(domain: Domain) -> list[str]:
    """Every device that has an address: its tag, for a controller its type, index and model, and the address."""
    found = []
    for device in domain.devices or ():
        name = device.tag
        if name == "controller":
            values = [getattr(device, "type", ""), str(getattr(device, "index", "")), getattr(device, "model", "")]
            name = " ".join(word for word in values if word)
        if device.address is not None:
            found.append(f"{name} {short(device.address)}")
    return found


def placed(devices: str, machine: str = "pc") -> list[str]:
    """The places that a document's devices get, without those of the board."""
    board = ("usb 0 piix3-uhci 0:01.2", "ide 0 0:01.1", "sata 0 0:1f.2")
    return [place for place in places(define(devices, machine)) if place not in board]


def refusal(devices: str, machine: str = "pc") -> str:
    """The words with which the devices are refused."""
    with pytest.raises(VirtctlError) as caught:
        complete(FRAME.format(machine=machine, devices=devices), HOST)
    return str(caught.value)
