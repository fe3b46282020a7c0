"""What libvirt refuses of an interface although each of its words is legal."""

from __future__ import annotations

from collections.abc import Callable

from virtctl.domain.devices.interface import Interface
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import InternalError, UnsupportedConfig, XmlError

MTU_TYPES = ("network", "bridge", "ethernet", "vhostuser")
COALESCE_TYPES = ("network", "bridge", "ethernet")
VIRTIO_OPTIONS = ("iommu", "ats", "packed", "page_per_vq")


def interfaces(domain: Domain, host: Host) -> None:
    """Every interface by itself."""
    for interface in domain.devices.all(Interface) if domain.devices else ():
        for rule in RULES:
            rule(interface)


def vhostuser(interface: Interface) -> None:
    """A vhost-user daemon speaks virtio only."""
    if interface.type != "vhostuser":
        return
    if not interface.virtio:
        raise InternalError("Wrong or no <model> 'type' attribute specified with <interface type='vhostuser'/>. "
                            "vhostuser requires the virtio-net* frontend")
    source = interface.source
    if source is not None and source.mode == "server" and source.reconnect is not None and source.reconnect.enabled:
        raise UnsupportedConfig("'reconnect' attribute unsupported 'server' mode for <interface type='vhostuser'>")


def vdpa(interface: Interface) -> None:
    """A vDPA device is a virtio card."""
    if interface.type == "vdpa" and not interface.virtio:
        raise UnsupportedConfig(f"invalid model for interface of type 'vdpa': '{interface.model}'")


def virtio_options(interface: Interface) -> None:
    """What only virtio cards have."""
    if interface.virtio:
        return
    for name in VIRTIO_OPTIONS:
        if getattr(interface, name) is not None:
            raise UnsupportedConfig(f"{name} driver option is only supported for virtio devices")


def queues(interface: Interface) -> None:
    """Queues have lengths of a power of two."""
    for name in ("rx_queue_size", "tx_queue_size"):
        value = getattr(interface, name)
        if value is not None and value & (value - 1):
            raise UnsupportedConfig(f"{name} has to be a power of two")


def teaming(interface: Interface) -> None:
    """The card that stays is a virtio one, the one that goes the host's."""
    if interface.teaming is not None and interface.teaming.type == "persistent" and interface.model != "virtio":
        raise UnsupportedConfig("virtio-net teaming persistent interface must be <model type='virtio'/>, "
                                f"not '{interface.model}'")
    if interface.teaming is not None and interface.teaming.type == "transient" \
            and interface.type not in ("hostdev", "network"):
        raise UnsupportedConfig("virtio-net teaming transient interface must be type='hostdev', "
                                f"not '{interface.type}'")


def isolated(interface: Interface) -> None:
    """Only a Linux bridge keeps ports apart."""
    if not interface.isolated:
        return
    mac = interface.mac.address if interface.mac else None
    words = f"interface {mac} - <port isolated='yes'/> is not supported for network interfaces with"
    if interface.type not in ("network", "bridge"):
        raise UnsupportedConfig(f"{words} type='{interface.type}'")
    if interface.virtualport is not None and interface.virtualport.type is not None:
        raise UnsupportedConfig(f"{words} virtualport type='{interface.virtualport.type}'")


def host_end(interface: Interface) -> None:
    """What can be set of the host's end depends on what it is."""
    if interface.mtu is not None and interface.type not in MTU_TYPES:
        raise UnsupportedConfig(f"setting MTU on interface type {interface.type} is not supported yet")
    if interface.coalesce is not None and interface.type not in COALESCE_TYPES:
        raise UnsupportedConfig(f"coalesce settings on interface type {interface.type} are not supported")
    if interface.target_managed is False and interface.type != "ethernet":
        raise UnsupportedConfig("unmanaged target dev is not supported on interfaces of type "
                                f"'{interface.type}'")
    if interface.bandwidth is not None and interface.bandwidth.inbound is not None \
            and interface.bandwidth.inbound.floor is not None and interface.type != "network":
        raise UnsupportedConfig("floor attribute is not supported for this config")


def addresses(interface: Interface) -> None:
    """Only QEMU's own network gives the guest addresses, only a tap device of ours has some."""
    source = interface.source
    if source is not None and (source.ips or source.routes) and interface.type != "ethernet":
        raise UnsupportedConfig("Invalid attempt to set network interface host-side IP route and/or address info on "
                                f"interface of type '{interface.type}'. This is only supported on interfaces of type "
                                "'ethernet'")
    if interface.type == "user" and interface.routes:
        raise UnsupportedConfig("Invalid attempt to set network interface guest-side IP route, not supported by QEMU")
    if interface.type == "user" and not interface.routes:
        _user_addresses(interface)
    elif interface.ips or interface.routes:
        raise UnsupportedConfig("Invalid attempt to set network interface guest-side IP route and/or address info, "
                                "not supported by QEMU")


def _user_addresses(interface: Interface) -> None:
    for family, name in (("ipv4", "IPv4"), ("ipv6", "IPv6")):
        if sum(1 for one in interface.ips if one.family == family) > 1:
            raise UnsupportedConfig(f"Only one {name} address per interface is allowed")
    for one in interface.ips:
        if one.peer is not None:
            raise UnsupportedConfig("Invalid attempt to set peer IP for guest")
        if one.family == "ipv4" and one.prefix is not None and not 4 <= one.prefix <= 27:
            raise XmlError("invalid prefix, must be in range of 4-27")
        if one.family == "ipv6" and one.prefix not in (None, 64):
            raise UnsupportedConfig(f"unsupported IPv6 address prefix='{one.prefix}' - must be 64")


RULES: tuple[Callable[[Interface], None], ...] = (
    vhostuser, vdpa, virtio_options, queues, teaming, isolated, host_end, addresses,
)
