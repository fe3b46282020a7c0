"""The `<source>` of a `<hostdev>`: how each kind of host device is named."""

from __future__ import annotations

from virtctl.schema.element import Child, Children, Element, Field
from virtctl.schema.types import Enum, Hex, Int, Str, UInt, Uuid


class LooseInt(Int):
    """A number in decimal, hexadecimal (0x) or octal (0); written in decimal."""

    doc = "number, 0x for hexadecimal, 0 for octal"

    def __init__(self, high: int = 0xFFFFFFFF) -> None:
        super().__init__(0, high, base=0)

    def parse(self, text: str) -> int:
        """The number."""
        text = text.strip()
        return int(text, 8) if text.isdigit() and text[0] == "0" and len(text) > 1 else super().parse(text)


class LooseHex(LooseInt):
    """The same, written in hexadecimal."""

    def __init__(self, digits: int) -> None:
        super().__init__(16**digits - 1)
        self.digits = digits

    def format(self, value: int) -> str:
        """`0x` and the digits."""
        return f"0x{value:0{self.digits}x}"


class UsbSource(Element, tag="source"):
    """A USB device of the host."""

    startup_policy = Field("@startupPolicy", Enum("default", "mandatory", "requisite", "optional"),
                           doc="what happens when the device is missing")
    guest_reset = Field("@guestReset", Enum("default", "off", "uninitialized", "on"),
                        doc="what a reset by the guest does")
    vendor = Field("vendor/@id", LooseHex(4), doc="USB vendor id")
    product = Field("product/@id", LooseHex(4), doc="USB product id")
    bus = Field("address/@bus", LooseInt(), doc="host's bus number")
    device = Field("address/@device", LooseInt(), doc="device number on the host's bus")
    port = Field("address/@port", Str(), doc="port path on the host's bus")


class PciSource(Element, tag="source"):
    """A PCI device of the host."""

    write_filtering = Field("@writeFiltering", Enum("yes", "no"), doc="filter writes to the configuration space (xen)")
    type = Field("address/@type", Enum("pci"), doc="kind of address (network interfaces)")
    domain = Field("address/@domain", Hex(4, 0xFFFFFFFF), default=0, doc="host's PCI domain")
    bus = Field("address/@bus", Hex(2, 0xFFFFFFFF), default=0, doc="host's PCI bus")
    slot = Field("address/@slot", Hex(2, 0xFFFFFFFF), default=0, doc="host's PCI slot")
    function = Field("address/@function", Hex(1, 0xFFFFFFFF), default=0, doc="host's PCI function")
    zpci_uid = Field("address/zpci/@uid", Hex(4))
    zpci_fid = Field("address/zpci/@fid", Hex(8))

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.slot:02x}.{self.function:x}"


class IscsiHost(Element, tag="host"):
    """A portal of the iSCSI target."""

    name = Field("@name", Str(), doc="host name or address")
    port = Field("@port", Str(), doc="TCP port")
    transport = Field("@transport", Enum("tcp", "unix", "rdma"), doc="transport")
    socket = Field("@socket", Str(), doc="UNIX socket")


class IscsiAuth(Element, tag="auth"):
    """How to log in to the iSCSI target."""

    username = Field("@username", Str(), doc="user name")
    secret_type = Field("secret/@type", Str(), doc="kind of secret")
    secret_uuid = Field("secret/@uuid", Uuid(), doc="secret, by uuid")
    secret_usage = Field("secret/@usage", Str(), doc="secret, by usage")


class ScsiSource(Element, tag="source"):
    """A SCSI unit: behind a host adapter, or of an iSCSI target."""

    protocol = Field("@protocol", Enum("adapter", "iscsi"), doc="iscsi, or a host adapter")
    name = Field("@name", Str(), doc="IQN and unit of the iSCSI target")
    hosts = Children("host", IscsiHost, doc="portals")
    auth = Child("auth", IscsiAuth, doc="log in")
    initiator = Field("initiator/iqn/@name", Str(), doc="IQN of the initiator")
    adapter = Field("adapter/@name", Str(), doc="host adapter, such as scsi_host0")
    type = Field("address/@type", Str())
    bus = Field("address/@bus", UInt(), doc="bus on the adapter")
    target = Field("address/@target", UInt(), doc="target on the bus")
    unit = Field("address/@unit", UInt(2**64 - 1), doc="unit of the target")


class ScsiHostSource(Element, tag="source"):
    """A vhost-scsi target."""

    protocol = Field("@protocol", Enum("none", "vhost"), doc="vhost")
    wwpn = Field("@wwpn", Str(), doc="naa.XXXXXXXXXXXXXXXX")


class MdevSource(Element, tag="source"):
    """A mediated device."""

    uuid = Field("address/@uuid", Uuid(), doc="uuid of the mediated device")


class CapsSource(Element, tag="source"):
    """A device node or an interface, for containers."""

    block = Field("block", Str(), doc="block device")
    char = Field("char", Str(), doc="character device")
    interface = Field("interface", Str(), doc="network interface")


