"""Addresses that go with no device, or with another one."""

from __future__ import annotations

from virtctl.domain.addresses.places import is_wanted
from virtctl.domain.addresses.topology import tagged
from virtctl.domain.addresses.wants import text
from virtctl.domain.devices.address import CcidAddress, PciAddress
from virtctl.domain.devices.device import Device
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import UnsupportedConfig, XmlError
from virtctl.schema.element import INACTIVE


def check_addresses(domain: Domain, host: Host) -> None:
    """Every device that has an address."""
    for device in domain.devices or ():
        _check_kind(device)
        if device.rom is not None and device.rom.visible(INACTIVE) and not _has_rom(device):
            raise UnsupportedConfig("ROM tuning is only supported for PCI devices")
    for card in tagged(domain, "smartcard"):
        if isinstance(card.address, CcidAddress) and (card.address.controller or card.address.slot):
            raise UnsupportedConfig("this QEMU binary lacks multiple smartcard support")


def _has_rom(device: Device) -> bool:
    return device.address is None or device.address.type in ("pci", "unassigned", "none")


def _check_kind(device: Device) -> None:
    address = device.address
    if address is None:
        return
    if address.type == "virtio-s390":
        raise XmlError("virtio-s390 bus doesn't have an address")
    if isinstance(address, PciAddress) and (address.zpci_uid is not None or address.zpci_fid is not None):
        raise UnsupportedConfig("This QEMU binary doesn't support zPCI")
    if device.tag == "serial":
        _check_serial(device)


def _check_serial(device: Device) -> None:
    kind = text(device, "target_type")
    if device.address is None:
        return
    if kind == "usb-serial" and device.address.type != "usb":
        raise UnsupportedConfig("usb-serial requires address of usb type")
    if kind == "pci-serial" and (device.address.type != "pci" or is_wanted(device)):
        raise UnsupportedConfig("Target type 'pci-serial' requires address type 'pci'")
