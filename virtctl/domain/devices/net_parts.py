"""What an interface has besides its source: virtual port, bandwidth, VLANs, filter, offloads."""

from __future__ import annotations

import re
from typing import Self

from virtctl.domain.devices.net_address import parse_address
from virtctl.errors import UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import INACTIVE, Child, Children, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Int, OnOff, Str, UInt, Uuid, YesNo

_PORT_USES = {
    "802.1Qbg": ("type", "managerid", "typeid", "typeidversion", "instanceid"),
    "802.1Qbh": ("type", "profileid"),
    "openvswitch": ("type", "interfaceid", "profileid"),
    "midonet": ("type", "interfaceid"),
}
_PORT_CHECKED = ("managerid", "typeid", "typeidversion", "instanceid", "interfaceid", "profileid")
_PORT_NEEDS = {
    "802.1Qbg": ("managerid", "typeid", "typeidversion"),
    "802.1Qbh": ("profileid",),
    "midonet": ("interfaceid",),
}
_PROFILE_LENGTH = 40


class VirtualPort(Element, tag="virtualport"):
    """How the interface is made known to a switch."""

    type = Field("@type", Enum(*_PORT_USES), doc="kind of switch",
                 refused=(UnsupportedConfig, "unknown virtualport type %s"))
    managerid = Field("parameters/@managerid", Int(0, base=0), doc="manager of the VSI types (802.1Qbg)",
                      refused=(XmlError, "cannot parse value of managerid parameter"))
    typeid = Field("parameters/@typeid", Int(0, base=0), doc="VSI type (802.1Qbg)",
                   refused=(XmlError, "cannot parse value of typeid parameter"))
    typeidversion = Field("parameters/@typeidversion", Int(0, base=0), doc="version of the VSI type (802.1Qbg)",
                          refused=(XmlError, "cannot parse value of typeidversion parameter"))
    instanceid = Field("parameters/@instanceid", Uuid(), doc="identity of the port (802.1Qbg)",
                       refused=(XmlError, "cannot parse instanceid parameter as a uuid"))
    interfaceid = Field("parameters/@interfaceid", Uuid(), doc="identity of the port (openvswitch, midonet)",
                        refused=(XmlError, "cannot parse interfaceid parameter as a uuid"))
    profileid = Field("parameters/@profileid", Str(), doc="port profile (802.1Qbh, openvswitch)")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads what the type uses; what it has no use for is refused, but for midonet."""
        kind = node.attrs.get("type", "")
        uses = _PORT_USES.get(kind, ())
        for name in _PORT_CHECKED if uses and kind != "midonet" else ():
            if name not in uses and node.get(f"parameters/@{name}") is not None:
                raise XmlError(f"extra {name} unsupported in <virtualport type='{kind}'>")
        return super().parse(relevant(node, cls.plan, uses) if uses else node, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """The numbers have few bits."""
        if self.managerid is not None and self.managerid > 0xFF:
            raise XmlError("value of managerid out of range")
        if self.typeid is not None and self.typeid > 0xFFFFFF:
            raise XmlError("value for typeid out of range")
        if self.typeidversion is not None and self.typeidversion > 0xFF:
            raise XmlError("value of typeidversion out of range")
        if self.profileid is not None and len(self.profileid) >= _PROFILE_LENGTH:
            raise XmlError("profileid parameter too long")

    @property
    def says_something(self) -> bool:
        """Whether there is a type or a parameter."""
        return self.type is not None or any(
            self.__dict__.get(field.name) is not None for field in self.fields if field.name != "type")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return self.says_something


def check_complete(node: Node) -> None:
    """What a `<virtualport>` must say where no network completes it."""
    kind = node.attrs.get("type")
    if kind is None:
        raise XmlError("missing required virtualport type")
    for name in _PORT_NEEDS.get(kind, ()):
        if node.get(f"parameters/@{name}") is None:
            raise XmlError(f"missing {name} in <virtualport type='{kind}'>")


def _rate(name: str, doc: str) -> Field[int | None]:
    return Field(f"@{name}", Int(0, 2**64 - 1), doc=doc, refused=(
        UnsupportedConfig, f"could not convert bandwidth {name} value '%s'"))


class Rate(Element):
    """A limit in one direction."""

    average = _rate("average", "average rate in KiB a second")
    peak = _rate("peak", "highest rate in KiB a second")
    floor = _rate("floor", "guaranteed rate in KiB a second (inbound)")
    burst = _rate("burst", "KiB that may be sent at peak rate")

    def visible(self, mode: Mode) -> bool:
        """Without a number there is nothing to say."""
        return any(self.__dict__.get(name) for name in ("average", "floor"))

    def parsed(self, node: Node, mode: Mode) -> None:
        """Zero is unset."""
        if self.average is None and self.floor is None:
            raise VirtctlError("Missing mandatory average or floor attributes")
        if (self.peak is not None or self.burst is not None) and self.average is None:
            raise VirtctlError("'peak' and 'burst' require 'average' attribute")
        if self.floor is not None and node.tag == "outbound":
            raise UnsupportedConfig("'floor' attribute allowed only in <inbound> element")
        for name in ("average", "peak", "floor", "burst"):
            self.__dict__[name] = self.__dict__.get(name) or None


class Bandwidth(Element, tag="bandwidth"):
    """Limits of the traffic."""

    inbound = Child("inbound", Rate, doc="what the guest may receive")
    outbound = Child("outbound", Rate, doc="what the guest may send")

    def parsed(self, node: Node, mode: Mode) -> None:
        """One limit a direction."""
        for tag in ("inbound", "outbound"):
            if sum(1 for _ in node.all(tag)) > 1:
                raise VirtctlError(f"Only one child <{tag}> element allowed")

    def visible(self, mode: Mode) -> bool:
        """Without a limit there is nothing to say."""
        return self.inbound is not None or self.outbound is not None

    def written(self, node: Node, mode: Mode) -> None:
        """With limits of zero it is opened and closed all the same."""
        if not node.children:
            node.text = "\n"


_HIGHEST_VLAN = 4095


class VlanTag(Element, tag="tag"):
    """One VLAN."""

    id = Field("@id", UInt(), required=True, doc="number of the VLAN")
    native_mode = Field("@nativeMode", Enum("tagged", "untagged"),
                        doc="whether it is the port's native VLAN (openvswitch)")


class Vlan(Element, tag="vlan"):
    """The VLANs whose traffic the guest sees."""

    trunk = Field("@trunk", YesNo(), doc="whether the guest sees the tags",
                  refused=(XmlError, "invalid \"trunk='%s'\" in <vlan> - must be yes or no"))
    vlan_tags = Children("tag", VlanTag, doc="the VLANs")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Several VLANs make a trunk."""
        if not self.vlan_tags:
            raise XmlError("missing tag id - each <vlan> must have at least one <tag id='n'/> subelement")
        for one in self.vlan_tags:
            if one.id is not None and one.id > _HIGHEST_VLAN:
                raise XmlError(f"vlan tag id {one.id} too large (maximum {_HIGHEST_VLAN})")
        native = [one for one in self.vlan_tags if one.native_mode is not None]
        if len(native) > 1:
            raise XmlError("duplicate native vlan setting")
        if self.trunk is False and len(self.vlan_tags) > 1:
            raise XmlError("invalid \"trunk='no'\" in <vlan> - trunk='yes' is required for more than one vlan tag")
        if self.trunk is False and native:
            raise XmlError("invalid configuration in <vlan> - \"trunk='no'\" is not allowed with a native vlan id")
        self.trunk = True if self.trunk or len(self.vlan_tags) > 1 else None


_VARIABLE = re.compile(r"[A-Za-z0-9_]+\Z")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9_.:]+\Z")


class FilterParameter(Element, tag="parameter"):
    """A variable of the filter."""

    name = Field("@name", Str(), doc="name of the variable")
    value = Field("@value", Str(), doc="its value")

    @property
    def usable(self) -> bool:
        """Whether both are made of the letters that a variable may have."""
        return bool(self.name and self.value and _VARIABLE.match(self.name) and _VARIABLE_VALUE.match(self.value))


class FilterRef(Element, tag="filterref"):
    """The packet filter that guards the interface."""

    filter = Field("@filter", Str(), doc="name of the filter")
    parameters = Children("parameter", FilterParameter, doc="its variables")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Variables in the order of their names; what is no variable is left out."""
        self.parameters = sorted((one for one in self.parameters if one.usable), key=lambda one: one.name or "")

    def visible(self, mode: Mode) -> bool:
        """Without a name there is no filter."""
        return self.filter is not None


class Teaming(Element, tag="teaming"):
    """Two cards that the guest takes for one."""

    type = Field("@type", Enum("persistent", "transient"), refused=(UnsupportedConfig, "unknown teaming type '%s'"),
                 doc="the virtio card that stays, or the assigned one that goes for a migration")
    persistent = Field("@persistent", Str(), doc="alias of the card that stays (transient)")

    def parsed(self, node: Node, mode: Mode) -> None:
        """The transient one names the persistent one."""
        self.persistent = self.persistent or None
        if self.type is None and self.persistent is not None:
            raise UnsupportedConfig("unknown teaming type '(null)'")
        if self.type == "transient" and self.persistent is None:
            raise UnsupportedConfig("teaming persistent attribute must be set if teaming type is 'transient'")
        if self.type == "persistent" and self.persistent is not None:
            raise UnsupportedConfig("teaming persistent attribute not allowed if teaming type is 'persistent'")

    def visible(self, mode: Mode) -> bool:
        """Without a type there is no pair."""
        return self.type is not None


class LocalAddress(Element, tag="local"):
    """Where a udp interface listens."""

    address = Field("@address", Str(), required=True, doc="address of the host")
    port = Field("@port", Int(), required=True, doc="port number")


class PortRange(Element, tag="range"):
    """Ports that are forwarded, or left out."""

    start = Field("@start", UInt(), doc="first port of the host")
    end = Field("@end", UInt(), doc="last port of the host")
    to = Field("@to", UInt(), doc="first port of the guest")
    exclude = Field("@exclude", YesNo(), doc="whether these ports are left out")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return any(self.__dict__.get(name) is not None for name in ("start", "end", "to", "exclude"))


class PortForward(Element, tag="portForward"):
    """Ports of the host that lead to the guest."""

    proto = Field("@proto", Enum("tcp", "udp"), required=True, doc="kind of ports")
    address = Field("@address", Str(), doc="address of the host")
    dev = Field("@dev", Str(), doc="device of the host")
    ranges = Children("range", PortRange, doc="which ports")

    def parsed(self, node: Node, mode: Mode) -> None:
        """The address must be one."""
        if self.address is not None:
            found = parse_address(self.address)
            if found is None:
                raise XmlError(f"Invalid address '{self.address}' in <portForward>")
            self.address = str(found)


class HostOffloads(Element, tag="host"):
    """What the host's end of a virtio card may leave to others."""

    csum = Field("@csum", OnOff(), doc="checksums")
    gso = Field("@gso", OnOff(), doc="generic segmentation")
    tso4 = Field("@tso4", OnOff(), doc="TCP segmentation over IPv4")
    tso6 = Field("@tso6", OnOff(), doc="TCP segmentation over IPv6")
    ecn = Field("@ecn", OnOff(), doc="explicit congestion notification")
    ufo = Field("@ufo", OnOff(), doc="UDP fragmentation")
    mrg_rxbuf = Field("@mrg_rxbuf", OnOff(), doc="mergeable receive buffers")


class GuestOffloads(Element, tag="guest"):
    """What the guest's end of a virtio card may leave to others."""

    csum = Field("@csum", OnOff(), doc="checksums")
    tso4 = Field("@tso4", OnOff(), doc="TCP segmentation over IPv4")
    tso6 = Field("@tso6", OnOff(), doc="TCP segmentation over IPv6")
    ecn = Field("@ecn", OnOff(), doc="explicit congestion notification")
    ufo = Field("@ufo", OnOff(), doc="UDP fragmentation")
