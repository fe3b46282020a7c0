"""The controllers that devices need: one for every disk, channel and smart card that names or lacks one."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.domain.addresses.topology import tagged, virtio_ports
from virtctl.domain.addresses.wants import text
from virtctl.domain.controllers import add_up_to, maybe_add_controller
from virtctl.domain.devices.address import CcidAddress, DriveAddress, VirtioSerialAddress
from virtctl.domain.devices.device import Device
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host

DISK_BUSES = ("scsi", "fdc", "ide", "sata")


def add_implicit_controllers(domain: Domain, host: Host) -> None:
    """Adds what devices need and the document lacks, in libvirt's order."""
    for bus in DISK_BUSES:
        _add_up_to(domain, bus, (disk for disk in tagged(domain, "disk") if text(disk, "bus") == bus))
    for port in virtio_ports(domain):
        address = port.address
        maybe_add_controller(domain, "virtio-serial",
                             address.controller if isinstance(address, VirtioSerialAddress) else 0)
    _add_ccid(domain)
    _add_up_to(domain, "scsi", (one for one in tagged(domain, "hostdev") if text(one, "type") == "scsi"))


def _add_up_to(domain: Domain, kind: str, users: Iterator[Device]) -> None:
    highest = max((one.address.controller for one in users if isinstance(one.address, DriveAddress)), default=-1)
    add_up_to(domain, kind, highest)


def _add_ccid(domain: Domain) -> None:
    for card in tagged(domain, "smartcard"):
        if card.address is None:
            slots = [other.address.slot for other in tagged(domain, "smartcard")
                     if isinstance(other.address, CcidAddress) and other.address.controller == 0]
            card.address = CcidAddress(slot=max(slots, default=-1) + 1)
        maybe_add_controller(domain, "ccid",
                             card.address.controller if isinstance(card.address, CcidAddress) else 0)
