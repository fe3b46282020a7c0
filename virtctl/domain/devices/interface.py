"""`<interface>`: network cards of the guest and what they are connected to."""

from __future__ import annotations

import re
from typing import Self

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.interface_source import ALWAYS, TYPES, USES, InterfaceSource
from virtctl.domain.devices.net_address import IpAddress, Route
from virtctl.domain.devices.net_parts import (
    Bandwidth,
    FilterRef,
    GuestOffloads,
    HostOffloads,
    PortForward,
    Teaming,
    VirtualPort,
    Vlan,
    check_complete,
)
from virtctl.domain.devices.virtio import TRANSITIONAL, virtio_options
from virtctl.errors import InvalidArgument, UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import INACTIVE, Child, Children, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Mac, OnOff, Str, UInt, YesNo

_MODEL = re.compile(r"[A-Za-z0-9_-]*\Z")
_SLASHES = re.compile(r"//+")
_GENERATED = re.compile(r"vnet|macvtap|macvlan")
VIRTIO_DRIVER = ("driver_name", "txmode", "ioeventfd", "event_idx", "queues", "rx_queue_size", "tx_queue_size", "rss",
                 "rss_hash_report", "host_offloads", "guest_offloads")
SOURCELESS = ("user", "null", "ethernet", "hostdev")
PORT_TYPES = ("network", "bridge", "direct", "hostdev")
FILTERED = ("network", "ethernet", "bridge")
KNOWN_MODELS = {model.lower(): model for model in (
    "netfront", "rtl8139", "virtio", "e1000", "e1000e", "virtio-transitional", "virtio-non-transitional", "usb-net",
    "spapr-vlan", "lan9118", "scm91c111", "vlance", "vmxnet", "vmxnet2", "vmxnet3", "Am79C970A", "Am79C973",
    "82540EM", "82545EM", "82543GC")}
HOSTDEV_DRIVERS = ("kvm", "vfio", "xen")


class MacAddress(Element, tag="mac"):
    """The card's address."""

    address = Field("@address", Mac(), doc="six bytes", refused=(XmlError, "unable to parse mac address '%s'"))
    type = Field("@type", Enum("generated", "static"), doc="who chose it (vmx)")
    checked = Field("@check", YesNo(), doc="whether the hypervisor checks it (vmx)")

    def parsed(self, node: Node, mode: Mode) -> None:
        """One card, not a group."""
        if self.address is not None and int(self.address[:2], 16) & 1:
            raise XmlError(f"expected unicast mac address, found multicast '{node.attrs['address']}'")


class Interface(Device, tag="interface"):
    """A network card."""

    type = Field("@type", Enum(*TYPES), default="user", doc="kind of connection")
    managed = Field("@managed", YesNo(), doc="whether the card is taken from the host at start (hostdev)")
    trust_guest_rx_filters = Field("@trustGuestRxFilters", YesNo(),
                                   doc="whether the guest may choose what it receives (virtio)")
    mac = Child("mac", MacAddress, doc="the card's address")
    source = Child("source", InterfaceSource, doc="what it is connected to")
    vlan = Child("vlan", Vlan, doc="VLANs whose traffic the guest sees")
    virtualport = Child("virtualport", VirtualPort, doc="how it is made known to a switch")
    bandwidth = Child("bandwidth", Bandwidth, doc="limits of the traffic")
    isolated = Field("port/@isolated", YesNo(), doc="whether it may only talk to ports that are not isolated")
    ips = Children("ip", IpAddress, doc="addresses in the guest (user)")
    routes = Children("route", Route, doc="routes in the guest (containers)")
    port_forwards = Children("portForward", PortForward, doc="ports of the host that lead to the guest (passt)")
    script = Field("script/@path", Str(), doc="program that sets the host's end up")
    downscript = Field("downscript/@path", Str(), doc="program that takes the host's end down")
    backend_domain = Field("backenddomain/@name", Str(), doc="driver domain (xen)")
    target = Field("target/@dev", Str(), doc="name of the host's end")
    target_managed = Field("target/@managed", YesNo(), doc="whether we make that device (ethernet)")
    guest_device = Field("guest/@dev", Str(), doc="name in the guest (containers)")
    guest_actual = Field("guest/@actual", Str(), doc="name that it got there (containers)")
    model = Field("model/@type", Str(), doc="emulated card")
    driver_name = Field("driver/@name", Str(), doc="qemu or vhost; for hostdev vfio or kvm")
    txmode = Field("driver/@txmode", Enum("iothread", "timer"), doc="how packets are sent (virtio)")
    ioeventfd = Field("driver/@ioeventfd", OnOff(), doc="handle I/O in another thread than the guest's")
    event_idx = Field("driver/@event_idx", OnOff(), doc="fewer interrupts and exits")
    queues = Field("driver/@queues", UInt(), doc="number of queue pairs")
    rx_queue_size = Field("driver/@rx_queue_size", UInt(), doc="length of a receive queue")
    tx_queue_size = Field("driver/@tx_queue_size", UInt(), doc="length of a send queue")
    rss = Field("driver/@rss", OnOff(), doc="spread received packets over the queues")
    rss_hash_report = Field("driver/@rss_hash_report", OnOff(), doc="hand the packet's hash to the guest")
    iommu, ats, packed, page_per_vq = virtio_options()
    host_offloads = Child("driver/host", HostOffloads, doc="what the host's end may leave to others")
    guest_offloads = Child("driver/guest", GuestOffloads, doc="what the guest's end may leave to others")
    backend_type = Field("backend/@type", Enum(), doc="program behind a user interface: none is supported")
    backend_tap = Field("backend/@tap", Str(), doc="the tun device of the host")
    backend_vhost = Field("backend/@vhost", Str(), doc="the vhost-net device of the host")
    backend_log = Field("backend/@logFile", Str(), doc="log of the program behind a user interface")
    filterref = Child("filterref", FilterRef, doc="packet filter")
    sndbuf = Field("tune/sndbuf", UInt(2**64 - 1), doc="bytes that may wait for the host's end (tap)",
                   refused=(XmlError, "sndbuf must be a positive integer"))
    teaming = Child("teaming", Teaming, doc="role in a pair of cards that the guest takes for one")
    link_state = Field("link/@state", Enum("up", "down"), doc="whether the cable is plugged in",
                       refused=(UnsupportedConfig, "unknown interface link state '%s'"))
    mtu = Field("mtu/@size", UInt(), doc="largest packet in bytes", refused=(XmlError, "malformed mtu size"))
    coalesce = Field("coalesce/rx/frames/@max", UInt(), doc="packets received for one interrupt",
                     refused=(VirtctlError, "cannot parse value '%s' for coalesce parameter"))

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads it, leaving out what its type does not use."""
        type = node.attrs.get("type", "user")
        names = {field.name for field in cls.fields}
        model = node.get("model/@type") or ""
        if type == "hostdev":
            names -= set(VIRTIO_DRIVER) - {"driver_name"}
        elif not is_virtio(model):
            names -= {*VIRTIO_DRIVER, "backend_vhost"}
        if type != "hostdev":
            names.discard("managed")
        if type not in FILTERED:
            names.discard("filterref")
        _check_before(node, type)
        kept = relevant(node, cls.plan, names)
        uses = ALWAYS + USES.get(type, ()) + (("portid", "bridge") if mode.live and type == "network" else ())
        kept.children = [relevant(child, InterfaceSource.plan, uses) if child.tag == "source" else child
                         for child in kept.children]
        return super().parse(kept, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """Refuses a source that cannot be read, and drops what says nothing."""
        (self.source or InterfaceSource()).check_type(self.type)
        if self.type == "direct" and self.source is not None:
            self.source.mode = self.source.mode or "vepa"
        if self.source is not None and self.source.to_node(mode) == Node("source"):
            self.source = None
        if self.managed is False:
            self.managed = None
        if self.model is not None and not _MODEL.match(self.model):
            raise InvalidArgument("Model name contains invalid characters")
        self.model = KNOWN_MODELS.get((self.model or "").lower(), self.model or None)
        if self.target is not None and not mode.live and _GENERATED.match(self.target):
            self.target = None
        self._check_driver()
        self._drop_zeroes()

    def _check_driver(self) -> None:
        allowed = HOSTDEV_DRIVERS if self.type == "hostdev" else ("qemu", "vhost")
        if self.driver_name is not None and self.driver_name not in allowed:
            raise XmlError(f"Invalid value for attribute 'name' in element 'driver': '{self.driver_name}'.")

    def _drop_zeroes(self) -> None:
        for name in ("queues", "rx_queue_size", "tx_queue_size", "mtu", "coalesce", "script", "downscript"):
            self.__dict__[name] = self.__dict__.get(name) or None
        self.queues = None if self.queues == 1 else self.queues
        for name in ("backend_tap", "backend_vhost"):
            self.__dict__[name] = _SLASHES.sub("/", self.__dict__.get(name) or "") or None

    @property
    def virtio(self) -> bool:
        """Whether the card is a virtio one."""
        return is_virtio(self.model or "")

    def written(self, node: Node, mode: Mode) -> None:
        """An assigned card names its driver before its source."""
        if self.type == "hostdev":
            drivers = [child for child in node.children if child.tag == "driver"]
            rest = [child for child in node.children if child.tag != "driver"]
            place = next((at for at, child in enumerate(rest) if child.tag == "source"), len(rest))
            node.children = rest[:place] + drivers + rest[place:]


def _check_before(node: Node, type: str) -> None:
    """What libvirt refuses before it reads the parts."""
    if type == "hostdev" and node.get("source/address/@type") is None:
        raise XmlError("missing source address type")
    if type == "hostdev" and node.get("source/address/@type") not in ("pci", "usb"):
        raise UnsupportedConfig("unknown host device source address type "
                                f"'{node.get('source/address/@type')}'")
    if type in TYPES and type not in SOURCELESS and node.find("source") is None:
        raise XmlError(f"interface type='{type}' requires a 'source' element")
    port = node.find("virtualport")
    if port is not None and type in TYPES and type not in PORT_TYPES:
        raise UnsupportedConfig(f"<virtualport> element unsupported for <interface type='{type}'>")
    if port is not None and type in PORT_TYPES and type != "network":
        check_complete(port)


def is_virtio(model: str) -> bool:
    """Whether a model is one of the virtio cards that libvirt knows by name."""
    return model.lower() in TRANSITIONAL
