"""What an interface says when its document does not: address, card, identities of its port."""

from __future__ import annotations

import os
from uuid import uuid4

from virtctl.domain.devices.interface import Interface, MacAddress
from virtctl.domain.devices.net_parts import VirtualPort
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host

MAC_PREFIX = "52:54:00"


def complete_interfaces(domain: Domain, host: Host) -> None:
    """Every interface's own defaults."""
    for interface in domain.devices.all(Interface) if domain.devices else ():
        complete_interface(interface)


def complete_interface(interface: Interface) -> None:
    """The defaults of one interface."""
    interface.mac = interface.mac or MacAddress()
    if interface.mac.address is None:
        interface.mac.address = random_mac()
    if interface.model is None and interface.type != "hostdev":
        interface.model = "virtio" if interface.type == "vdpa" else "rtl8139"
    if interface.virtualport is not None:
        complete_port(interface.virtualport)


def complete_port(port: VirtualPort) -> None:
    """The identities by which a switch knows the port."""
    if port.type in (None, "openvswitch") and port.interfaceid is None:
        port.interfaceid = str(uuid4())
    if port.type in (None, "802.1Qbg") and port.instanceid is None:
        port.instanceid = str(uuid4())


def random_mac() -> str:
    """An address of QEMU's range."""
    return MAC_PREFIX + "".join(f":{byte:02x}" for byte in os.urandom(3))
