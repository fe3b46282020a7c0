"""What no device may have for an address, a boot order or an alias, whatever it is."""

from __future__ import annotations

from virtctl.domain.devices.address import CcwAddress, PciAddress
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import UnsupportedConfig


def placement(domain: Domain, host: Host) -> None:
    """Addresses of kinds that a PC has, and an ACPI index only where ACPI counts slots."""
    machine = domain.os.machine if domain.os else None
    for device in domain.devices or ():
        address = device.address
        if isinstance(address, CcwAddress):
            raise UnsupportedConfig(f"cannot use CCW address type for device '{device.id or '<null>'}' "
                                    f"using machine type '{machine}'")
        if address is not None and address.type == "unassigned" and device.tag != "hostdev":
            raise UnsupportedConfig("address of type 'unassigned' is supported only for hostdevs")
        if device.acpi_index is not None and address is not None and not isinstance(address, PciAddress):
            raise UnsupportedConfig("ACPI index is only supported for PCI devices")


def aliases(domain: Domain, host: Host) -> None:
    """No two devices of one alias."""
    seen: set[str] = set()
    for device in domain.devices or ():
        if not device.id or (device.tag == "console" and device.id in seen):
            continue  # the first console is the first serial port, alias and all
        if device.id in seen:
            raise UnsupportedConfig(f"non unique alias detected: {device.id}")
        seen.add(device.id)
