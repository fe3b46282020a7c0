"""What every device has in common: boot order, alias, rom, ACPI index, address; written after its own fields."""

from __future__ import annotations

import re
from typing import Self

from virtctl.domain.devices.address import Address
from virtctl.errors import InternalError, UnsupportedConfig, XmlError
from virtctl.schema.element import INACTIVE, Child, Element, Field, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.types import OnOff, Positive, Str, UInt, YesNo

_USER_ALIAS = re.compile(r"ua-[A-Za-z0-9_-]*\Z")
_LOADPARM = re.compile(r"[A-Z0-9. ]*\Z")
READ_BY = {"boot": ("disk", "interface", "hostdev", "redirdev", "filesystem"), "rom": ("interface", "hostdev")}
COMMON = ("boot", "alias", "master", "rom", "acpi_index", "address")


class Boot(Element, tag="boot"):
    """The device's place in the boot order."""

    order = Field("@order", UInt(), required=True, doc="1 is tried first")
    loadparm = Field("@loadparm", Str(), doc="s390 boot parameter")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Orders begin at 1; a parameter is eight letters and digits, in capitals."""
        if self.order == 0:
            raise XmlError("Invalid value for attribute 'order' in element 'boot': Zero is not permitted")
        if self.loadparm is not None:
            self.loadparm = loadparm(self.loadparm)


def loadparm(text: str) -> str:
    """A boot parameter of s390 as it is kept. Raises InternalError for one that is none."""
    value = text.upper().replace("-", "_")
    if not 1 <= len(value) <= 8:
        raise InternalError(f"loadparm value '{value}' must be between 1 and 8 characters")
    if not _LOADPARM.match(value):
        raise InternalError(f"invalid loadparm value '{value}', expecting chars in set of [a-zA-Z0-9.] and blank "
                            "spaces")
    return value


class Alias(Element, tag="alias"):
    """The name under which QEMU knows the device; a user's own begins with `ua-`."""

    name = Field("@name", Str())

    def parsed(self, node: Node, mode: Mode) -> None:
        """Only a user's own name survives in a definition."""
        if not mode.live and not _USER_ALIAS.match(self.name or ""):
            self.name = None

    def visible(self, mode: Mode) -> bool:
        """What was chosen for a running guest is not written into a definition."""
        return bool(self.name) and (mode.live or (self.name or "").startswith("ua-"))


class Rom(Element, tag="rom"):
    """The option ROM that the guest sees."""

    enabled = Field("@enabled", YesNo())
    bar = Field("@bar", OnOff(), qemu=None)
    file = Field("@file", Str())

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return self.enabled is not None or self.bar is not None or self.file is not None

    def check(self) -> None:
        """A ROM that is off has nothing to tune."""
        if self.enabled is False and (self.bar is not None or self.file is not None):
            raise UnsupportedConfig("ROM tuning is not supported when ROM is disabled")


class Device(Element):
    """Base of all devices. Subclasses declare their own fields; the common ones are written last."""

    boot = Child("boot", Boot, doc="boot order of this device")
    alias = Child("alias", Alias, doc="QEMU's id of the device")
    master = Field("master/@startport", UInt(), doc="port of the companion's master (usb)")
    rom = Child("rom", Rom)
    acpi_index = Field("acpi/@index", Positive(), doc="number by which firmware and systemd name the card")
    address = Child("address", Address, doc="where the device sits")

    @classmethod
    def output_order(cls, found: dict[str, Declared]) -> list[Declared]:
        """The device's own fields, then the common ones."""
        return [field for name, field in found.items() if name not in COMMON] + [found[name] for name in COMMON]

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads it; a boot order or ROM where libvirt does not look for one is not even looked at."""
        if any(child.tag in READ_BY and node.tag not in READ_BY[child.tag] for child in node.children):
            kept = Node(node.tag, node.attrs, node.text, node.line)
            kept.children = [child for child in node.children
                             if child.tag not in READ_BY or node.tag in READ_BY[child.tag]]
            node = kept
        device = super().parse(node, mode)
        if device.master is None and any(child.tag == "master" for child in node.children):
            device.master = 0
        return device

    @property
    def id(self) -> str:
        """The alias without which nothing can be built; empty before aliases are assigned."""
        return self.alias.name or "" if self.alias else ""
