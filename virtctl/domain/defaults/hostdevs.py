"""Host devices: the same one twice is refused while the document is read."""

from __future__ import annotations

from virtctl.domain.devices.address import PciAddress
from virtctl.domain.devices.hostdev import Hostdev
from virtctl.domain.devices.interface import Interface
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import XmlError


def reject_twins(domain: Domain, host: Host) -> None:
    """No host device twice."""
    seen: set[tuple[object, ...]] = set()
    for net in domain.devices.all(Interface) if domain.devices else []:
        address = net.source.host_address if net.type == "hostdev" and net.source else None
        if isinstance(address, PciAddress):
            seen.add(("pci", *address.place))
    for device in domain.devices.all(Hostdev) if domain.devices else []:
        source = device.source_element
        key = (device.type, *source.key) if source else (id(device),)
        if key in seen:
            raise XmlError("Hostdev already exists in the domain configuration")
        seen.add(key)
