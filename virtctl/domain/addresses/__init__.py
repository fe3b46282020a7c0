"""Which address each device gets: PCI, drive, USB, virtio-serial, CCID, DIMM."""

from __future__ import annotations

from virtctl.domain.addresses.pci import assign_pci
from virtctl.domain.addresses.usb import assign_usb
from virtctl.domain.addresses.virtio_serial import assign_virtio_serial
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host


def assign_addresses(domain: Domain, host: Host) -> None:
    """Every address that the document leaves open, in libvirt's order."""
    if domain.devices is None:
        return
    assign_virtio_serial(domain)
    assign_pci(domain)
    assign_usb(domain)
