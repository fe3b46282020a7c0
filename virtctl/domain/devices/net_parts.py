"""What an interface has besides its source: virtual port, bandwidth, VLANs, filter, offloads."""

from __future__ import annotations

from typing import Self

from virtctl.errors import UnsupportedConfig, XmlError
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


class VirtualPort(Element, tag="virtualport"):
    """How the interface is made known to a switch."""

    type = Field("@type", Enum("none", *_PORT_USES), doc="kind of switch",
                 refused=(XmlError, "unknown virtualport type %s"))
    managerid = Field("parameters/@managerid", Int(0, 255, base=0), doc="manager of the VSI types (802.1Qbg)",
                      refused=(XmlError, "cannot parse value of managerid parameter"))
    typeid = Field("parameters/@typeid", Int(0, 0xFFFFFF, base=0), doc="VSI type (802.1Qbg)",
                   refused=(XmlError, "cannot parse value of typeid parameter"))
    typeidversion = Field("parameters/@typeidversion", Int(0, 255, base=0), doc="version of the VSI type (802.1Qbg)",
                          refused=(XmlError, "cannot parse value of typeidversion parameter"))
    instanceid = Field("parameters/@instanceid", Uuid(), doc="identity of the port (802.1Qbg)",
                       refused=(XmlError, "cannot parse instanceid parameter as a uuid"))
    interfaceid = Field("parameters/@interfaceid", Uuid(), doc="identity of the port (openvswitch, midonet)",
                        refused=(XmlError, "cannot parse interfaceid parameter as a uuid"))
    profileid = Field("parameters/@profileid", Str(), doc="port profile (802.1Qbh, openvswitch)")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads what the type uses."""
        uses = _PORT_USES.get(node.attrs.get("type", ""))
        return super().parse(relevant(node, cls.plan, uses) if uses else node, mode)

    @property
    def says_something(self) -> bool:
        """Whether there is a type or a parameter."""
        return self.type not in (None, "none") or any(
            self.__dict__.get(field.name) is not None for field in self.fields if field.name != "type")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return self.says_something


class Rate(Element):
    """A limit in one direction."""

    average = Field("@average", Int(0, 2**64 - 1), doc="average rate in KiB a second")
    peak = Field("@peak", Int(0, 2**64 - 1), doc="highest rate in KiB a second")
    floor = Field("@floor", Int(0, 2**64 - 1), doc="guaranteed rate in KiB a second (inbound)")
    burst = Field("@burst", Int(0, 2**64 - 1), doc="KiB that may be sent at peak rate")

    def visible(self, mode: Mode) -> bool:
        """Without a number there is nothing to say."""
        return any(self.__dict__.get(name) for name in ("average", "floor"))

    def parsed(self, node: Node, mode: Mode) -> None:
        """Zero is unset."""
        for name in ("average", "peak", "floor", "burst"):
            self.__dict__[name] = self.__dict__.get(name) or None
        if self.average is None and self.floor is None:
            raise XmlError(f"Missing mandatory average or floor attributes in {node.tag} element"
                           if node.tag == "inbound" else "Missing mandatory average attribute")


class Bandwidth(Element, tag="bandwidth"):
    """Limits of the traffic."""

    inbound = Child("inbound", Rate, doc="what the guest may receive")
    outbound = Child("outbound", Rate, doc="what the guest may send")

    def parsed(self, node: Node, mode: Mode) -> None:
        """A floor is for inbound traffic."""
        if self.outbound is not None and self.outbound.floor is not None:
            raise UnsupportedConfig("'floor' attribute is not supported for outbound traffic")

    def visible(self, mode: Mode) -> bool:
        """Without a limit there is nothing to say."""
        return self.inbound is not None or self.outbound is not None


class VlanTag(Element, tag="tag"):
    """One VLAN."""

    id = Field("@id", UInt(), required=True, doc="number of the VLAN")
    native_mode = Field("@nativeMode", Enum("default", "tagged", "untagged"),
                        doc="whether it is the port's native VLAN (openvswitch)")


class Vlan(Element, tag="vlan"):
    """The VLANs whose traffic the guest sees."""

    trunk = Field("@trunk", YesNo(), doc="whether the guest sees the tags")
    vlan_tags = Children("tag", VlanTag, doc="the VLANs")

    def visible(self, mode: Mode) -> bool:
        """Without a tag there is nothing to say."""
        return bool(self.vlan_tags)


class FilterParameter(Element, tag="parameter"):
    """A variable of the filter."""

    name = Field("@name", Str())
    value = Field("@value", Str())


class FilterRef(Element, tag="filterref"):
    """The packet filter that guards the interface."""

    filter = Field("@filter", Str(), required=True, doc="name of the filter")
    parameters = Children("parameter", FilterParameter, doc="its variables")


class Teaming(Element, tag="teaming"):
    """Two cards that the guest takes for one."""

    type = Field("@type", Enum("persistent", "transient"), required=True,
                 doc="the virtio card that stays, or the assigned one that goes for a migration")
    persistent = Field("@persistent", Str(), doc="alias of the card that stays (transient)")


class LocalAddress(Element, tag="local"):
    """Where a udp interface listens."""

    address = Field("@address", Str(), required=True, doc="address of the host")
    port = Field("@port", Int(), required=True, doc="port number")


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
