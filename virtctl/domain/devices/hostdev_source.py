"""The `<source>` of a `<hostdev>`: how each kind of host device is named."""

from __future__ import annotations

import re
from typing import Self

from virtctl.domain.devices.address import check_pci_range
from virtctl.domain.devices.disk_host import StorageHost
from virtctl.domain.devices.secret import Auth
from virtctl.errors import InternalError, UnsupportedConfig, XmlError
from virtctl.schema.element import INACTIVE, Child, Children, Dropped, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Hex, Int, Str, Uuid

_WWPN = re.compile(r"naa\.[0-9a-fA-F]{16}\Z")


class LooseInt(Int):
    """A number in decimal, hexadecimal (0x) or octal (0); written in decimal."""

    doc = "number, 0x for hexadecimal, 0 for octal"

    def __init__(self, high: int = 0xFFFFFFFF) -> None:
        super().__init__(0, high, base=0)


class LooseHex(LooseInt):
    """The same, written in hexadecimal."""

    def format(self, value: int) -> str:
        """`0x` and four digits."""
        return f"0x{value:04x}"


def need(node: Node, *paths: str) -> None:
    """Refuses a document that lacks one of the attributes `element/@name` where the element is there."""
    for path in paths:
        tag, _, attribute = path.partition("/@")
        found = node.find(tag)
        if found is not None and attribute not in found.attrs:
            raise XmlError(f"Missing required attribute '{attribute}' in element '{tag}'")


class HostdevSource(Element, tag="source"):
    """Which device of the host, named as its kind is."""

    @classmethod
    def variants(cls) -> tuple[type[Element], ...]:
        """How each kind is named."""
        return tuple(HostdevSource.__subclasses__())

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two sources the same device."""
        return (id(self),)


class UsbSource(HostdevSource, tag="source"):
    """A USB device of the host."""

    startup_policy = Field("@startupPolicy", Enum("mandatory", "requisite", "optional"),
                           doc="what happens when the device is missing")
    guest_reset = Field("@guestReset", Enum("off", "uninitialized", "on"), doc="what a reset by the guest does")
    vendor = Field("vendor/@id", LooseHex(), doc="USB vendor id")
    product = Field("product/@id", LooseHex(), doc="USB product id")
    bus = Field("address/@bus", LooseInt(), doc="host's bus number")
    device = Field("address/@device", LooseInt(), doc="device number on the host's bus")
    address_type = Dropped("address/@type")
    port = Dropped("address/@port")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads it; a half of a pair is refused."""
        need(node, "vendor/@id", "product/@id", "address/@bus", "address/@device")
        return super().parse(node, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """Vendor and product go together."""
        if self.vendor == 0:
            raise XmlError("Invalid value for attribute 'id' in element 'vendor': Zero is not permitted")
        if self.vendor is not None and self.product is None:
            raise InternalError("missing product")
        if self.product is not None and self.vendor is None:
            raise InternalError("missing vendor")

    def visible(self, mode: Mode) -> bool:
        """A source that says nothing is not written."""
        node = self.to_node(mode)
        return bool(node.attrs or node.children)

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two sources the same device."""
        return ("at", self.bus, self.device) if self.bus and self.device else ("id", self.vendor, self.product)


class PciSource(HostdevSource, tag="source"):
    """A PCI device of the host."""

    write_filtering = Field("@writeFiltering", Enum("yes", "no"), doc="filter writes to the configuration space (xen)")
    type = Field("address/@type", Enum("pci"), doc="kind of address (network interfaces)")
    domain = Field("address/@domain", Hex(4, 0xFFFFFFFF), default=0, doc="host's PCI domain")
    bus = Field("address/@bus", Hex(2, 0xFFFFFFFF), default=0, doc="host's PCI bus")
    slot = Field("address/@slot", Hex(2, 0xFFFFFFFF), default=0, doc="host's PCI slot")
    function = Field("address/@function", Hex(1, 0xFFFFFFFF), default=0, doc="host's PCI function")
    multifunction = Dropped("address/@multifunction")
    zpci_uid = Field("address/zpci/@uid", Hex(4))
    zpci_fid = Field("address/zpci/@fid", Hex(8))

    def parsed(self, node: Node, mode: Mode) -> None:
        """The address must be one that hardware can have."""
        check_pci_range(0, self.bus, self.slot, self.function)
        self.type = None

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two sources the same device."""
        return self.domain, self.bus, self.slot, self.function

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.slot:02x}.{self.function:x}"


class ScsiSource(HostdevSource, tag="source"):
    """A SCSI unit: behind a host adapter, or of an iSCSI target."""

    protocol = Field("@protocol", Str(), doc="iscsi; a host adapter by default")
    name = Field("@name", Str(), doc="IQN and unit of the iSCSI target")
    hosts = Children("host", StorageHost, doc="portal")
    auth = Child("auth", Auth, doc="log in")
    initiator = Field("initiator/iqn/@name", Str(), doc="IQN of the initiator")
    adapter = Field("adapter/@name", Str(), doc="host adapter, such as scsi_host0")
    bus = Field("address/@bus", LooseInt(), doc="bus on the adapter")
    target = Field("address/@target", LooseInt(), doc="target on the bus")
    unit = Field("address/@unit", LooseInt(2**64 - 1), doc="unit of the target")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads it; the address must be whole."""
        protocol = node.attrs.get("protocol")
        if protocol not in (None, "adapter", "iscsi"):
            raise UnsupportedConfig(f"Unknown SCSI subsystem protocol '{protocol}'")
        if protocol != "iscsi":
            need(node, "address/@bus", "address/@target", "address/@unit")
            for address in node.all("address"):
                address.attrs.pop("type", None)
        return super().parse(node, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """A host adapter needs its place, iSCSI its path and portal."""
        if self.protocol == "iscsi":
            self._check_iscsi()
            return
        self.protocol = None
        if self.bus is None:
            raise XmlError("'address' must be specified for scsi hostdev source")
        if self.adapter is None:
            raise XmlError("'adapter' name must be specified for scsi hostdev source")

    def _check_iscsi(self) -> None:
        if self.name is None:
            raise XmlError("missing iSCSI hostdev source path name")
        if not self.hosts:
            raise XmlError("missing the host address for the iSCSI hostdev")
        if len(self.hosts) > 1:
            raise XmlError("only one source host address may be specified for the iSCSI hostdev")
        self.hosts[0].transport = self.hosts[0].socket = None  # checked, and not used
        secret = self.auth.secret if self.auth else None
        if secret is not None and secret.type != "iscsi":
            raise InternalError(f"hostdev invalid secret type '{secret.type}'")
        if "/" not in self.name:
            self.name += "/0"

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two sources the same unit."""
        if self.protocol == "iscsi":
            return "iscsi", self.name, self.hosts[0].name, self.hosts[0].port
        return self.adapter, self.bus, self.target, self.unit


class ScsiHostSource(HostdevSource, tag="source"):
    """A vhost-scsi target."""

    protocol = Field("@protocol", Str(), doc="vhost")
    wwpn = Field("@wwpn", Str(), doc="naa. and 16 hexadecimal digits")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Only vhost, with its name."""
        if self.protocol is None:
            raise XmlError("Missing scsi_host subsystem protocol")
        if self.protocol != "vhost":
            raise UnsupportedConfig(f"Unknown scsi_host subsystem protocol '{self.protocol}'")
        if self.wwpn is None:
            raise XmlError("missing vhost-scsi hostdev source wwpn")
        if not _WWPN.match(self.wwpn):
            raise XmlError("malformed 'wwpn' value")

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two sources the same target."""
        return (self.wwpn,)


class MdevSource(HostdevSource, tag="source"):
    """A mediated device."""

    uuid = Field("address/@uuid", Uuid(), doc="uuid of the mediated device",
                 refused=(InternalError, "Cannot parse uuid attribute of element <address>"))

    def parsed(self, node: Node, mode: Mode) -> None:
        """There must be a uuid."""
        if node.find("address") is None:
            raise UnsupportedConfig("Missing <address> element")
        if self.uuid is None:
            raise UnsupportedConfig("Missing 'uuid' attribute for element <address>")

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two sources the same device."""
        return (self.uuid,)


class CapsSource(HostdevSource, tag="source"):
    """A device node or an interface, for containers."""

    block = Field("block", Str(), doc="block device")
    char = Field("char", Str(), doc="character device")
    interface = Field("interface", Str(), doc="network interface")
