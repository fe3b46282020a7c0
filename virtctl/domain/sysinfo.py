"""`<sysinfo>`: what the firmware's tables say about the machine."""

from __future__ import annotations

from virtctl.schema.element import Children, Element, Field
from virtctl.schema.types import Enum, Str


class Entry(Element, tag="entry"):
    """One named value."""

    name = Field("@name", Str(), doc="what the value is")
    file = Field("@file", Str(), doc="file that holds it (fwcfg)")
    value = Field(".", Str(), doc="the value")


class BaseBoard(Element, tag="baseBoard"):
    """One main board."""

    entries = Children("entry", Entry, doc="values")


class Sysinfo(Element, tag="sysinfo"):
    """Tables of the firmware: SMBIOS or fw_cfg."""

    type = Field("@type", Enum("smbios", "fwcfg"), required=True, doc="kind of table")
    bios = Children("bios/entry", Entry, doc="the BIOS")
    system = Children("system/entry", Entry, doc="the system")
    boards = Children("baseBoard", BaseBoard, doc="main boards")
    chassis = Children("chassis/entry", Entry, doc="the case")
    oem_strings = Children("oemStrings/entry", Entry, doc="strings of the maker")
    entries = Children("entry", Entry, doc="values of fw_cfg")
