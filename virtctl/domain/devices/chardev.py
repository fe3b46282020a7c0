"""`<serial>`, `<parallel>`, `<console>`, `<channel>`: the guest's side of character devices."""

from __future__ import annotations

import re

from virtctl.domain.devices.chardev_source import Chardev
from virtctl.domain.devices.device import Device
from virtctl.domain.devices.net_address import loose_ipv4
from virtctl.errors import UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import INACTIVE, Child, Dropped, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Str, UInt, XmlType

_UNKNOWN_TARGET = (UnsupportedConfig, "unknown target type '%s' specified for character device")


class PortNumber(XmlType[int]):
    """A port of a kind of character devices. -1 stands for the next free one."""

    doc = "number from 0"

    def parse(self, text: str) -> int:
        """The number; libvirt reads a negative one as unset."""
        if not re.fullmatch(r"\s*[+-]?\d+", text) or abs(int(text)) > 0xFFFFFFFF:
            raise ValueError("")
        return max(int(text), -1)


def port_field() -> Field[int | None]:
    """The `port` of a serial, parallel or console target."""
    return Field("target/@port", PortNumber(), doc="number among its kind; the next free one by default",
                 refused=(XmlError, "Invalid port number: %s"))


class GuestChardev(Chardev, Device):
    """What serial ports, consoles and channels have in common: an absent type means a pty."""

    SPICEVMC = False  # whether the guest's end can be a SPICE agent's

    def parsed(self, node: Node, mode: Mode) -> None:
        """Names the type."""
        super().parsed(node, mode)
        self.type = self.kind
        if self.type == "spicevmc" and not self.SPICEVMC:
            raise UnsupportedConfig("spicevmc device type only supports virtio")

    def check(self) -> None:
        """The source must be whole."""
        self.check_source()


class Serial(GuestChardev, tag="serial"):
    """A serial port of the guest."""

    target_type = Field("target/@type", Enum("isa-serial", "usb-serial", "pci-serial", "spapr-vio-serial",
                                             "system-serial", "sclp-serial", "isa-debug"),
                        doc="bus of the port", refused=_UNKNOWN_TARGET)
    port = port_field()
    target_model = Field("target/model/@name", Enum(
        "isa-serial", "usb-serial", "pci-serial", "spapr-vty", "pl011", "sclpconsole", "sclplmconsole", "16550a",
        "isa-debugcon"), doc="emulated card",
        refused=(UnsupportedConfig, "unknown target model '%s' specified for character device"))


class Parallel(GuestChardev, tag="parallel"):
    """A parallel port of the guest."""

    port = port_field()
    target_type = Dropped("target/@type")


class Console(GuestChardev, tag="console"):
    """The guest's main console: the first serial port, or a virtio one."""

    tty = Field("@tty", Str(), live=True, doc="the pty of a running guest")
    target_type = Field("target/@type", Enum("serial", "xen", "uml", "virtio", "lxc", "openvz", "sclp", "sclplm"),
                        doc="what the console is", refused=_UNKNOWN_TARGET)
    port = port_field()

    def parsed(self, node: Node, mode: Mode) -> None:
        """An absent target means a serial port."""
        super().parsed(node, mode)
        self.target_type = self.target_type or "serial"


class ChannelTarget(Element, tag="target"):
    """The guest's end of a channel."""

    type = Field("@type", Enum("guestfwd", "virtio", "xen"), doc="kind of channel", refused=_UNKNOWN_TARGET)
    name = Field("@name", Str(), doc="name of the port in the guest (virtio)")
    state = Field("@state", Enum("connected", "disconnected"), live=True, doc="whether the guest has opened it")
    address = Field("@address", Str(), doc="IPv4 address in the guest's network (guestfwd)")
    port = Field("@port", UInt(), doc="TCP port of that address (guestfwd)")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> ChannelTarget:
        """Reads what the kind of channel uses."""
        kind = node.attrs.get("type")
        uses = ("type", "address", "port") if kind == "guestfwd" else ("type", "name", "state")
        return super().parse(relevant(node, cls.plan, uses), mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """A forwarding channel must say from where."""
        if self.type == "guestfwd":
            if self.address is None:
                raise XmlError("guestfwd channel does not define a target address")
            self.address = ipv4(self.address)
            if self.port is None:
                raise self.missing(ChannelTarget.port)
            self.port &= 0xFFFF


def ipv4(text: str) -> str:
    """The canonical spelling of an IPv4 address."""
    if ":" in text:
        raise UnsupportedConfig("guestfwd channel only supports IPv4 addresses")
    try:
        return str(loose_ipv4(text))
    except ValueError as error:
        raise VirtctlError(f"Cannot parse socket address '{text}': Name or service not known") from error


class Channel(GuestChardev, tag="channel"):
    """A private channel between host and guest, such as the guest agent's."""

    SPICEVMC = True
    target = Child("target", ChannelTarget, doc="the guest's end")

    @classmethod
    def check_first(cls, node: Node) -> None:
        """There must be a target."""
        if node.find("target") is None:
            raise XmlError("target type must be specified for channel device")
        if node.get("target/@type") is None:
            raise UnsupportedConfig("unknown target type '(null)' specified for character device")

    def parsed(self, node: Node, mode: Mode) -> None:
        """A SPICE agent needs a virtio target."""
        super().parsed(node, mode)
        if self.target is not None and self.type == "spicevmc" and self.target.type != "virtio":
            raise UnsupportedConfig("spicevmc device type only supports virtio")

    def check(self) -> None:
        """The source must be whole; a virtio channel's socket may be left to us."""
        self.check_source(path_optional=self.target is not None and self.target.type in ("virtio", "xen"))
