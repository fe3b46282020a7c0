"""Where a device sits: one class per kind of `<address>`, chosen by its type."""

from __future__ import annotations

import re
from typing import Self

from virtctl.errors import InternalError, UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import INACTIVE, Element, ElementClass, Field, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Hex, OnOff, UInt, XmlType

_TYPES = ("pci", "drive", "virtio-serial", "ccid", "usb", "spapr-vio", "virtio-s390", "ccw", "virtio-mmio",
          "isa", "dimm", "unassigned")
_KNOWN = ("domain", "bus", "slot", "function", "multifunction", "controller", "target", "unit", "port", "iobase", "irq",
          "base", "cssid", "ssid", "devno", "reg")
MAX_USB_DEPTH = 4


class Address(Element, tag="address"):
    """An address whose kind is not one of the classes below; parsing picks the class by `type`."""

    type = Field("@type", Enum(*_TYPES), required=True, doc="kind of address",
                 refused=(UnsupportedConfig, "unknown address type '%s'"))

    @classmethod
    def variants(cls) -> tuple[ElementClass, ...]:
        """Every kind of address."""
        return tuple(dict.fromkeys(KINDS.values())) if cls is Address else (cls,)

    @classmethod
    def class_for(cls, node: Node) -> ElementClass:
        """The class of the kind that the document names."""
        return KINDS.get(node.attrs.get("type", ""), cls)

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads it; what only other kinds of address have is left out."""
        kind = cls.class_for(node)
        if not node.attrs.keys() <= kind.plan.attrs.keys():
            kept = {key: value for key, value in node.attrs.items() if key in kind.plan.attrs or key not in _KNOWN}
            children = node.children
            node = Node(node.tag, kept, node.text, node.line)
            node.children = children
        return super().parse(node, mode)

    def missing(self, field: Declared) -> VirtctlError:
        """An address without a type is no XML error for libvirt."""
        if field.name == "type":
            return InternalError("No type specified for device address")
        return super().missing(field)


class PciAddress(Address, tag="address"):
    """A slot of a PCI or PCI Express controller."""

    type = Field("@type", Enum("pci"), default="pci")
    domain = Field("@domain", Hex(4, 0xFFFFFFFF), default=0, doc="PCI domain")
    bus = Field("@bus", Hex(2, 0xFFFFFFFF), default=0, doc="index of the controller")
    slot = Field("@slot", Hex(2, 0xFFFFFFFF), default=0, doc="slot on the bus")
    function = Field("@function", Hex(1, 0xFFFFFFFF), default=0, doc="function of the slot")
    multifunction = Field("@multifunction", OnOff(), doc="whether other functions share the slot")
    zpci_uid = Field("zpci/@uid", Hex(4))
    zpci_fid = Field("zpci/@fid", Hex(8))

    def parsed(self, node: Node, mode: Mode) -> None:
        """The numbers must be such as hardware can have."""
        check_pci_range(0, self.bus, self.slot, self.function)

    def written(self, node: Node, mode: Mode) -> None:
        """One that still waits for its numbers shows none."""
        if not (self.domain or self.bus or self.slot):
            node.attrs = {"type": "pci"}

    @property
    def place(self) -> tuple[int, int, int, int]:
        """domain, bus, slot, function."""
        return self.domain, self.bus, self.slot, self.function

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.slot:02x}.{self.function:x}"


class DriveAddress(Address, tag="address"):
    """A place on a disk controller."""

    type = Field("@type", Enum("drive"), default="drive")
    controller = Field("@controller", UInt(), default=0)
    bus = Field("@bus", UInt(), default=0)
    target = Field("@target", UInt(), default=0)
    unit = Field("@unit", UInt(), default=0)


class PortPath(XmlType[str]):
    """Up to four numbers joined by dots, such as 1 or 1.2; 0 for none."""

    doc = "up to four numbers joined by dots"

    def parse(self, text: str) -> str:
        """The canonical spelling."""
        parts = text.split(".")
        if len(parts) > MAX_USB_DEPTH or not all(re.fullmatch(r"\s*\+?\d+", part) for part in parts):
            raise ValueError("")
        numbers = [int(part) for part in parts]
        return ".".join(map(str, numbers)) if numbers[0] else ""


class UsbAddress(Address, tag="address"):
    """A port of a USB controller or hub, such as 1 or 1.2."""

    type = Field("@type", Enum("usb"), default="usb")
    bus = Field("@bus", UInt(), default=0)
    port = Field("@port", PortPath(), doc="port path, numbers joined by dots",
                 refused=(InternalError, "Cannot parse <address> 'port' attribute"))

    def parsed(self, node: Node, mode: Mode) -> None:
        """Port 0 stands for any."""
        self.port = self.port or None


class VirtioSerialAddress(Address, tag="address"):
    """A port of a virtio-serial controller."""

    type = Field("@type", Enum("virtio-serial"), default="virtio-serial")
    controller = Field("@controller", UInt(), default=0)
    bus = Field("@bus", UInt(), default=0)
    port = Field("@port", UInt(), default=0)


class CcidAddress(Address, tag="address"):
    """A slot of a smart card controller."""

    type = Field("@type", Enum("ccid"), default="ccid")
    controller = Field("@controller", UInt(), default=0)
    slot = Field("@slot", UInt(), default=0)


class IsaAddress(Address, tag="address"):
    """Ports of the ISA bus."""

    type = Field("@type", Enum("isa"), default="isa")
    iobase = Field("@iobase", Hex(1, 0xFFFFFFFF))
    irq = Field("@irq", Hex(1, 0xFFFFFFFF))


class DimmAddress(Address, tag="address"):
    """A memory slot."""

    type = Field("@type", Enum("dimm"), default="dimm")
    slot = Field("@slot", UInt(), required=True, doc="memory slot")
    base = Field("@base", Hex(1, 2**64 - 1))


class CcwAddress(Address, tag="address"):
    """A channel subsystem address of s390."""

    type = Field("@type", Enum("ccw"), default="ccw")
    cssid = Field("@cssid", Hex(1, 0xFF))
    ssid = Field("@ssid", Hex(1, 0xFF))
    devno = Field("@devno", Hex(4))


class SpaprVioAddress(Address, tag="address"):
    """An address of pseries' virtual bus."""

    type = Field("@type", Enum("spapr-vio"), default="spapr-vio")
    reg = Field("@reg", Hex(8, 2**64 - 1))


class BareAddress(Address, tag="address"):
    """A kind that has no place of its own: virtio-mmio, unassigned."""

    type = Field("@type", Enum("virtio-mmio", "unassigned", "virtio-s390"), required=True)

    def parsed(self, node: Node, mode: Mode) -> None:
        """The channel bus of old s390 machines has no addresses at all."""
        super().parsed(node, mode)
        if self.type == "virtio-s390":
            raise XmlError("virtio-s390 bus doesn't have an address")


KINDS: dict[str, type[Address]] = {
    "pci": PciAddress,
    "drive": DriveAddress,
    "usb": UsbAddress,
    "virtio-serial": VirtioSerialAddress,
    "ccid": CcidAddress,
    "isa": IsaAddress,
    "dimm": DimmAddress,
    "ccw": CcwAddress,
    "spapr-vio": SpaprVioAddress,
    "virtio-mmio": BareAddress,
    "unassigned": BareAddress,
    "virtio-s390": BareAddress,
}

def check_pci_range(domain: int, bus: int, slot: int, function: int) -> None:
    """Refuses numbers that no PCI address has."""
    if domain > 0xFFFF:
        raise XmlError(f"Invalid PCI address domain='{domain:#x}', must be <= 0xFFFF")
    if bus > 0xFF:
        raise XmlError(f"Invalid PCI address bus='{bus:#x}', must be <= 0xFF")
    if slot > 0x1F:
        raise XmlError(f"Invalid PCI address slot='{slot:#x}', must be <= 0x1F")
    if function > 7:
        raise XmlError(f"Invalid PCI address function={function:#x}, must be <= 7")
