"""Where a device sits: one class per kind of `<address>`, chosen by its type."""

from __future__ import annotations

from virtctl.schema.element import Element, ElementClass, Field
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Hex, OnOff, Str, UInt

_TYPES = ("none", "pci", "drive", "virtio-serial", "ccid", "usb", "spapr-vio", "virtio-s390", "ccw", "virtio-mmio",
          "isa", "dimm", "unassigned", "mdev", "vdpa")


class Address(Element, tag="address"):
    """An address whose kind is not one of the classes below; parsing picks the class by `type`."""

    type = Field("@type", Enum(*_TYPES), required=True, doc="kind of address")

    @classmethod
    def class_for(cls, node: Node) -> ElementClass:
        """The class of the kind that the document names."""
        return KINDS.get(node.attrs.get("type", ""), cls)


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


class UsbAddress(Address, tag="address"):
    """A port of a USB controller or hub, such as 1 or 1.2."""

    type = Field("@type", Enum("usb"), default="usb")
    bus = Field("@bus", UInt(), default=0)
    port = Field("@port", Str(), doc="port path, numbers joined by dots")


class VirtioSerialAddress(Address, tag="address"):
    """A port of a virtio-serial controller."""

    type = Field("@type", Enum("virtio-serial"), default="virtio-serial")
    controller = Field("@controller", UInt(), default=0)
    bus = Field("@bus", UInt(), default=0)
    port = Field("@port", UInt())


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
    slot = Field("@slot", UInt())
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

    type = Field("@type", Enum("virtio-mmio", "unassigned", "virtio-s390", "none"), required=True)


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
    "none": BareAddress,
}
