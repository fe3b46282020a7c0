"""`<ip>` and `<route>` of an interface: addresses of the guest's card, or of the host's end of it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

from virtctl.errors import InvalidArgument, VirtctlError, XmlError
from virtctl.schema.element import Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Int, Str, UInt

Address = IPv4Address | IPv6Address
_VERSIONS = {"ipv4": 4, "ipv6": 6}


def loose_ipv4(text: str) -> IPv4Address:
    """An IPv4 address read as getaddrinfo reads numbers: `1.2.3` is 1.2.0.3. ValueError when it is none."""
    parts = text.split(".")
    numbers = [int(part, 16 if part[:2].lower() == "0x" else 8 if part[:1] == "0" else 10) for part in parts]
    if not 1 <= len(numbers) <= 4 or any(not 0 <= number <= 255 for number in numbers[:-1]):
        raise ValueError(text)
    if numbers[-1] < 0 or numbers[-1] >> 8 * (5 - len(numbers)):
        raise ValueError(text)
    return IPv4Address(sum(number << 8 * (3 - place) for place, number in enumerate(numbers[:-1])) + numbers[-1])


def parse_address(text: str, version: int | None = None) -> Address | None:
    """The address, None when the text is none (or not one of that version)."""
    try:
        address: Address = IPv6Address(text) if ":" in text else loose_ipv4(text)
    except ValueError:
        return None
    return address if version in (None, address.version) else None


class IpAddress(Element, tag="ip"):
    """An address."""

    address = Field("@address", Str(), doc="IPv4 or IPv6 address")
    family = Field("@family", Str(), doc="ipv4 or ipv6")
    prefix = Field("@prefix", Int(0, 2**32 - 1), doc="bits of the network part",
                   refused=(XmlError, "Invalid prefix value '%s' in <ip>"))
    peer = Field("@peer", Str(), doc="address of the other end of a point-to-point link")

    def parsed(self, node: Node, mode: Mode) -> None:
        """The family follows from the address."""
        if self.address is None:
            raise XmlError("Missing required address in <ip>")
        address = parse_address(self.address, _VERSIONS.get(self.family or ""))
        if address is None:
            raise XmlError(f"Invalid address '{self.address}' in <ip>")
        self.address, self.family = str(address), f"ipv{address.version}"
        if self.prefix is not None and self.prefix > address.max_prefixlen:
            raise XmlError(f"Invalid prefix value '{self.prefix}' in <ip>")
        self.prefix = self.prefix or None
        if self.peer is not None:
            peer = parse_address(self.peer, address.version)
            if peer is None:
                raise InvalidArgument(f"Invalid peer '{self.peer}' in <ip>")
            self.peer = str(peer)


class Route(Element, tag="route"):
    """A route to a network."""

    family = Field("@family", Str(), doc="ipv4 or ipv6")
    address = Field("@address", Str(), doc="address of the network")
    netmask = Field("@netmask", Str(), doc="its mask (ipv4)")
    prefix = Field("@prefix", UInt(), doc="bits of its network part")
    gateway = Field("@gateway", Str(), doc="where to send it")
    metric = Field("@metric", UInt(), doc="preference; lower ones are tried first")

    OWNER = "guest interface"

    def parsed(self, node: Node, mode: Mode) -> None:
        """The network must be one."""
        if self.metric == 0:
            raise XmlError("Invalid value for attribute 'metric' in element 'route': Zero is not permitted")
        address = self._required("address", "network")
        gateway = self._required("gateway", "gateway")
        if self.netmask is not None and parse_address(self.netmask) is None:
            raise self._wrong(f"Bad netmask address '{self.netmask}' in route definition")
        self._check_family(address, gateway)
        self._check_network(address)
        self.address, self.gateway = str(address), str(gateway)

    def _wrong(self, words: str) -> VirtctlError:
        return XmlError(f"{self.OWNER}: {words}")

    def _required(self, name: str, what: str) -> Address:
        text = self.__dict__.get(name)
        other = "gateway" if name == "address" else "address"
        if text is None:
            raise self._wrong(f"Missing required {name} attribute in route definition")
        if self.__dict__.get(other) is None:
            raise self._wrong(f"Missing required {other} attribute in route definition")
        found = parse_address(text)
        if found is None:
            raise self._wrong(f"Bad {what} address '{text}' in route definition")
        return found

    def _check_family(self, address: Address, gateway: Address) -> None:
        if self.family is not None and self.family not in _VERSIONS:
            raise self._wrong(f"Unrecognized family '{self.family}' in route definition")
        version = _VERSIONS[self.family or "ipv4"]
        if address.version != version:
            family = f"{self.family} family" if self.family else "No family"
            raise self._wrong(f"{family} specified for non-IPv{version} address '{self.address}' in route definition")
        if gateway.version != version:
            family = f"IPv{version} family" if self.family else "No family"
            raise self._wrong(f"{family} specified for non-IPv{version} gateway '{self.address}' in route definition")
        if version == 6 and self.netmask is not None:
            raise self._wrong(f"Specifying netmask invalid for IPv6 address '{self.address}' in route definition")

    def _check_network(self, address: Address) -> None:
        if self.netmask is not None and self.prefix is not None:
            raise self._wrong("Route definition cannot have both a prefix and a netmask")
        if self.prefix is not None and self.prefix > address.max_prefixlen:
            raise self._wrong(f"Invalid prefix {self.prefix} specified in route definition, "
                              f"must be 0 - {address.max_prefixlen}")
        try:
            network = ip_network(f"{address}/{self.netmask or self.prefix or 0}", strict=False)
        except ValueError:
            return  # a mask with holes: libvirt takes it
        if network.network_address != address:
            raise self._wrong(f"Address '{self.address}' in route definition is not a network address")


class HostRoute(Route, tag="route"):
    """A route of the host's end."""

    OWNER = "interface host IP"
