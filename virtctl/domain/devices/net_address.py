"""`<ip>` and `<route>` of an interface: addresses of the guest's card, or of the host's end of it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from virtctl.errors import XmlError
from virtctl.schema.element import Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Int, Str, UInt

Address = IPv4Address | IPv6Address


def parse_address(text: str, message: str) -> Address:
    """The address; XmlError(message) when it is none."""
    try:
        return ip_address(text)
    except ValueError as error:
        raise XmlError(message) from error


class IpAddress(Element, tag="ip"):
    """An address."""

    address = Field("@address", Str(), required=True, doc="IPv4 or IPv6 address")
    family = Field("@family", Enum("ipv4", "ipv6"), doc="which of the two")
    prefix = Field("@prefix", Int(0, 2**32 - 1), doc="bits of the network part")
    peer = Field("@peer", Str(), doc="address of the other end of a point-to-point link")

    def parsed(self, node: Node, mode: Mode) -> None:
        """The family follows from the address."""
        text = self.address or ""
        address = parse_address(text, f"Invalid address '{text}' in <ip>")
        family = f"ipv{address.version}"
        if self.family is not None and self.family != family:
            raise XmlError(f"no family specified for non-IPv4 address '{text}' in <ip>")
        self.address, self.family = str(address), family
        if self.prefix is not None and self.prefix > address.max_prefixlen:
            raise XmlError(f"Invalid prefix value '{self.prefix}' in <ip>")
        self.prefix = self.prefix or None
        if self.peer is not None:
            self.peer = str(parse_address(self.peer, f"Invalid peer '{self.peer}' in <ip>"))


class Route(Element, tag="route"):
    """A route to a network."""

    family = Field("@family", Enum("ipv4", "ipv6"), doc="kind of addresses")
    address = Field("@address", Str(), doc="address of the network")
    netmask = Field("@netmask", Str(), doc="its mask (ipv4)")
    prefix = Field("@prefix", UInt(), doc="bits of its network part")
    gateway = Field("@gateway", Str(), doc="where to send it")
    metric = Field("@metric", Int(1, 2**32 - 1), doc="preference; lower ones are tried first")

    OWNER = "guest interface"

    def parsed(self, node: Node, mode: Mode) -> None:
        """The network must be one."""
        where = self.OWNER
        if self.address is None:
            raise XmlError(f"{where}: Missing required address attribute in route definition")
        if self.gateway is None:
            raise XmlError(f"{where}: Missing required gateway attribute in route definition")
        address = parse_address(self.address, f"{where}: Bad network address '{self.address}' in route definition")
        gateway = parse_address(self.gateway, f"{where}: Bad gateway address '{self.gateway}' in route definition")
        if address.version != gateway.version:
            raise XmlError(f"{where}: Network address '{self.address}' and gateway '{self.gateway}' "
                           "in route definition are of different families")
        self._check_network(address)
        self.address, self.gateway = str(address), str(gateway)

    def _check_network(self, address: Address) -> None:
        prefix: int | str | None = self.netmask if self.netmask is not None else self.prefix
        if prefix is None:
            prefix = _class_prefix(address)
        try:
            network = ip_network(f"{address}/{prefix}", strict=False)
        except ValueError as error:
            raise XmlError(f"{self.OWNER}: Invalid prefix {prefix} in route definition") from error
        if network.network_address != address:
            raise XmlError(f"{self.OWNER}: Address '{address}' in route definition is not a network address")


def _class_prefix(address: Address) -> int:
    if int(address) == 0:
        return 0
    if address.version == 6:
        return 64
    first = address.packed[0]
    return 8 if first < 128 else 16 if first < 192 else 24
