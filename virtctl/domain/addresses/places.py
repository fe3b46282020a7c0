"""Small questions about a device's PCI address."""

from __future__ import annotations

from virtctl.domain.devices.address import PciAddress
from virtctl.domain.devices.device import Device


def is_empty(address: PciAddress) -> bool:
    """`<address type='pci'/>` asks for an address."""
    return not (address.domain or address.bus or address.slot)


def is_wanted(device: Device) -> bool:
    """Whether the device still needs a PCI address."""
    address = device.address
    return address is None or (isinstance(address, PciAddress) and is_empty(address))


def is_present(device: Device) -> bool:
    """Whether the device has a PCI address."""
    return isinstance(device.address, PciAddress) and not is_empty(device.address)
