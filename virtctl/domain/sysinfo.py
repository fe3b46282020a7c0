"""`<sysinfo>`: what the firmware's tables say about the machine."""

from __future__ import annotations

import re
from typing import ClassVar

from virtctl.errors import UnsupportedConfig, XmlDetail, XmlError
from virtctl.schema.element import Child, Children, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Str, Uuid

_DATE = re.compile(r"(\d+)/(\d+)/(\d+)\Z")
RESERVED = ("opt/ovmf/", "opt/org.qemu/")


class Entry(Element, tag="entry"):
    """One named value."""

    name = Field("@name", Str(), doc="what the value is")
    file = Field("@file", Str(), doc="file that holds it (fwcfg)")
    value = Field(".", Str(), doc="the value")


class Table(Element):
    """Entries with known names: the first of each name counts, in libvirt's order."""

    NAMES: ClassVar[tuple[str, ...]] = ()

    entries = Children("entry", Entry, doc="values")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Keeps what libvirt knows."""
        found: dict[str | None, Entry] = {}
        for entry in self.entries:
            if entry.value:
                found.setdefault(entry.name, entry)
        self.entries = [Entry(name=name, value=found[name].value) for name in self.NAMES if name in found]

    def get(self, name: str) -> str | None:
        """The value of that name."""
        return next((entry.value for entry in self.entries if entry.name == name), None)

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.entries)


class Bios(Table, tag="bios"):
    """The BIOS."""

    NAMES = ("vendor", "version", "date", "release")

    def parsed(self, node: Node, mode: Mode) -> None:
        """The date is an American one."""
        super().parsed(node, mode)
        date = self.get("date")
        match = _DATE.match(date or "")
        if date is None:
            return
        month, day, year = (int(part) for part in match.groups()) if match else (0, 0, 0)
        if not (1 <= month <= 12 and 1 <= day <= 31 and (0 <= year <= 99 or year >= 1900)):
            raise XmlDetail("Invalid BIOS 'date' format")


class System(Table, tag="system"):
    """The system."""

    NAMES = ("manufacturer", "product", "version", "serial", "uuid", "sku", "family")

    def parsed(self, node: Node, mode: Mode) -> None:
        """The identity is one."""
        super().parsed(node, mode)
        for entry in self.entries:
            if entry.name == "uuid":
                try:
                    entry.value = Uuid().parse(entry.value or "")
                except ValueError as error:
                    raise XmlDetail("malformed <sysinfo> uuid element") from error


class BaseBoard(Table, tag="baseBoard"):
    """One main board."""

    NAMES = ("manufacturer", "product", "version", "serial", "asset", "location")


class Chassis(Table, tag="chassis"):
    """The case."""

    NAMES = ("manufacturer", "version", "serial", "asset", "sku")


class OemStrings(Element, tag="oemStrings"):
    """Strings of the maker."""

    entries = Children("entry", Entry, doc="strings")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Strings have no names."""
        self.entries = [Entry(value=entry.value or "") for entry in self.entries]

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.entries)


class Sysinfo(Element, tag="sysinfo"):
    """Tables of the firmware: SMBIOS or fw_cfg."""

    type = Field("@type", Enum("smbios", "fwcfg"), required=True, doc="kind of table")
    bios = Child("bios", Bios, doc="the BIOS")
    system = Child("system", System, doc="the system")
    boards = Children("baseBoard", BaseBoard, doc="main boards")
    chassis = Child("chassis", Chassis, doc="the case")
    oem_strings = Child("oemStrings", OemStrings, doc="strings of the maker")
    entries = Children("entry", Entry, doc="values of fw_cfg")

    @property
    def uuid(self) -> str | None:
        """The identity that the tables tell."""
        return self.system.get("uuid") if self.system else None

    def parsed(self, node: Node, mode: Mode) -> None:
        """Each kind has its own entries."""
        if self.type == "smbios":
            self.entries = []
            return
        self.bios = self.system = self.chassis = self.oem_strings = None
        self.boards = []
        for entry in self.entries:
            _complete(entry)

    def check(self) -> None:
        """Names of fw_cfg that are free for users."""
        for entry in self.entries:
            name = entry.name or ""
            if not name.startswith("opt/"):
                raise UnsupportedConfig("Invalid firmware name")
            if name.startswith(RESERVED):
                raise UnsupportedConfig("That firmware name is reserved")


def _complete(entry: Entry) -> None:
    if entry.name is None:
        raise XmlError("Firmware entry is missing 'name' attribute")
    if entry.file is not None:
        entry.value = None
    elif not entry.value:
        raise XmlError("Firmware entry must have either value or 'file' attribute")
