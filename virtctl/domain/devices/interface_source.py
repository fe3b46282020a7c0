"""`<source>` of an interface: what the card is connected to. The interface's type says what is read."""

from __future__ import annotations

from virtctl.domain.devices.address import Address
from virtctl.domain.devices.chardev_source import Reconnect
from virtctl.domain.devices.net_address import HostRoute, IpAddress
from virtctl.domain.devices.net_parts import LocalAddress
from virtctl.errors import UnsupportedConfig, XmlError
from virtctl.schema.element import Child, Children, Element, Field
from virtctl.schema.types import Int, Str, Uuid

USES: dict[str, tuple[str, ...]] = {
    "network": ("network", "portgroup"),
    "bridge": ("bridge",),
    "direct": ("dev", "mode"),
    "ethernet": (),
    "user": (),
    "null": (),
    "server": ("address", "port"),
    "client": ("address", "port"),
    "mcast": ("address", "port"),
    "udp": ("address", "port", "local"),
    "vhostuser": ("type", "path", "mode", "reconnect"),
    "internal": ("name",),
    "hostdev": ("host_address",),
    "vdpa": ("dev",),
    "vds": ("switchid", "portid", "portgroupid", "connectionid"),
}
ALWAYS = ("ips", "routes")  # read whatever the type, and refused later where they have no place
NEEDS: dict[str, tuple[str, ...]] = {
    "network": ("network",), "bridge": ("bridge",), "direct": ("dev",), "client": ("address", "port"),
    "mcast": ("address", "port"), "server": ("port",), "udp": ("address", "port"),
    "vhostuser": ("type", "path", "mode"), "internal": ("name",), "vdpa": ("dev",),
    "vds": ("switchid", "portid", "portgroupid", "connectionid"),
}
MODES = {"direct": ("vepa", "private", "bridge", "passthrough"), "vhostuser": ("server", "client")}
TYPES = tuple(USES)


class InterfaceSource(Element, tag="source"):
    """What the card is connected to."""

    network = Field("@network", Str(), doc="virtual network (network)")
    portgroup = Field("@portgroup", Str(), doc="port group of the network (network)")
    switchid = Field("@switchid", Uuid(), doc="distributed switch (vds)")
    portid = Field("@portid", Str(), doc="port of the switch (vds), of the network (a running guest's network)")
    bridge = Field("@bridge", Str(), doc="bridge of the host (bridge, a running guest's network)")
    type = Field("@type", Str(), doc="unix (vhostuser)")
    path = Field("@path", Str(), doc="socket (vhostuser)")
    dev = Field("@dev", Str(), doc="device of the host (direct, vdpa)")
    mode = Field("@mode", Str(), doc="vepa, bridge, private, passthrough (direct); server, client (vhostuser)")
    address = Field("@address", Str(), doc="address (server, client, mcast, udp)")
    port = Field("@port", Int(), doc="port number (server, client, mcast, udp)")
    name = Field("@name", Str(), doc="internal network (internal)")
    portgroupid = Field("@portgroupid", Str(), doc="port group of the switch (vds)")
    connectionid = Field("@connectionid", Int(), doc="connection to the switch (vds)")
    host_address = Child("address", Address, doc="the host's device (hostdev)")
    local = Child("local", LocalAddress, doc="where to listen (udp)")
    reconnect = Child("reconnect", Reconnect, doc="whether a lost socket is looked for again (vhostuser)")
    ips = Children("ip", IpAddress, doc="addresses of the host's end (ethernet)")
    routes = Children("route", HostRoute, doc="routes of the host's end (ethernet)")

    def check_type(self, type: str) -> None:
        """What an interface of that type cannot be read without."""
        if type == "hostdev" and self.host_address is None:
            raise XmlError("missing source address type")
        for name in NEEDS.get(type, ()):
            if getattr(self, name) is None:
                raise self.missing(next(field for field in self.fields if field.name == name))
        if type == "vhostuser" and self.type != "unix":
            raise UnsupportedConfig(f"Type='{self.type}' unsupported for <interface type='vhostuser'>")
        if type in MODES and self.mode is not None and self.mode not in MODES[type]:
            raise XmlError(f"Invalid value for attribute 'mode' in element 'source': '{self.mode}'.")
        if type == "udp" and self.local is None:
            raise XmlError("'<local>' element missing for 'udp' socket interface")
