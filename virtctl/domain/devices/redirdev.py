"""`<redirdev>`: USB devices sent over a character device, and `<redirfilter>`: which ones."""

from __future__ import annotations

import re
from typing import Self

from virtctl.domain.devices.chardev_source import USES, Chardev, ChardevSource
from virtctl.domain.devices.device import Device
from virtctl.errors import InternalError, UnsupportedConfig, XmlError
from virtctl.schema.element import INACTIVE, Children, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Int, XmlType, YesNo


class Redirdev(Chardev, Device, tag="redirdev"):
    """A USB redirector."""

    bus = Field("@bus", Enum("usb"), doc="kind of bus", refused=(UnsupportedConfig, "unknown redirdev bus '%s'"))
    type = Field("@type", Enum(*USES), doc="kind of character device",
                 refused=(UnsupportedConfig, "unknown redirdev character device type '%s'"))

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads it; the kind must be there."""
        kind, bus = node.attrs.get("type"), node.attrs.get("bus", "usb")
        if bus != "usb":
            raise UnsupportedConfig(f"unknown redirdev bus '{bus}'")
        if kind is None:
            raise InternalError("missing type in redirdev")
        if kind not in USES:
            raise UnsupportedConfig(f"unknown redirdev character device type '{kind}'")
        return super().parse(node, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """On USB; D-Bus has a channel for it."""
        super().parsed(node, mode)
        self.bus = "usb"
        if self.kind == "dbus" and not any(source.channel for source in self.sources):
            self.sources = [ChardevSource(channel="org.qemu.usbredir")]
        if self.address is not None and self.address.type != "usb":
            raise XmlError("Invalid address for a USB device")

    def check(self) -> None:
        """The source must be whole."""
        self.check_source()


class IdNumber(Int):
    """A number of the USB standard, -1 for any."""

    doc = "number, -1 for any"

    def __init__(self, digits: int) -> None:
        super().__init__(-2**31, 2**31 - 1, base=0, reason="Expected integer value")
        self.digits = digits

    def format(self, value: int) -> str:
        """Hexadecimal, in upper case."""
        return f"0x{value:0{self.digits}X}"


class Revision(XmlType[tuple[int, int]]):
    """A device revision such as 2.56; -1 for any."""

    doc = "MAJOR.MINOR, such as 2.56; -1 for any"

    def parse(self, text: str) -> tuple[int, int]:
        """Both numbers; 9.4 means 9.40."""
        if text == "-1":
            return -1, 0
        major, dot, minor = text.partition(".")
        if not dot or not re.fullmatch(r"\d{1,2}", major) or not re.fullmatch(r"\d{1,2}", minor):
            raise ValueError("")
        return int(major), int(minor.ljust(2, "0"))

    def format(self, value: tuple[int, int]) -> str:
        """With two digits after the point."""
        return f"{value[0]}.{value[1]:02d}"


class UsbRule(Element, tag="usbdev"):
    """One rule of the filter; -1 stands for any."""

    usb_class = Field("@class", IdNumber(2), doc="USB class code")
    vendor = Field("@vendor", IdNumber(4), doc="vendor id")
    product = Field("@product", IdNumber(4), doc="product id")
    version = Field("@version", Revision(), doc="device revision",
                    refused=(XmlError, "Cannot parse USB device version %s"))
    allow = Field("@allow", YesNo(), required=True, doc="whether such a device may be redirected")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Any is what an absent value means too."""
        if self.usb_class is not None and self.usb_class > 0xFF:
            raise InternalError(f"Invalid USB Class code 0x{self.usb_class:x}")
        self.usb_class = None if self.usb_class is None or self.usb_class < 0 else self.usb_class
        self.vendor = None if self.vendor is None or self.vendor < 0 else self.vendor
        self.product = None if self.product is None or self.product < 0 else self.product
        self.version = None if self.version is None or self.version[0] < 0 else self.version


class RedirFilter(Device, tag="redirfilter"):
    """Which USB devices may be redirected."""

    rules = Children("usbdev", UsbRule, doc="rules, the first match counts")

    def visible(self, mode: Mode) -> bool:
        """A filter without rules is none."""
        return bool(self.rules)
