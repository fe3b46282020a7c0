"""`<shmem>`: memory shared with other guests."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.schema.element import Child, Element, Field
from virtctl.schema.types import Enum, OnOff, Str, UInt


class Server(Element, tag="server"):
    """The server that hands the memory out."""

    path = Field("@path", Str(), doc="its socket")


class Msi(Element, tag="msi"):
    """Interrupts between guests."""

    enabled = Field("@enabled", OnOff(), doc="whether there are any")
    vectors = Field("@vectors", UInt(), doc="how many")
    ioeventfd = Field("@ioeventfd", OnOff(), doc="handle them in another thread")


class Shmem(Device, tag="shmem"):
    """A piece of memory that several guests share."""

    name = Field("@name", Str(), required=True, doc="name of the memory")
    role = Field("@role", Enum("master", "peer"), doc="whether the contents migrate with this guest")
    model = Field("model/@type", Enum("ivshmem", "ivshmem-plain", "ivshmem-doorbell"), doc="emulated card")
    size_unit = Field("size/@unit", Str(), doc="unit of the size")
    size = Field("size", UInt(2**64 - 1), doc="size")
    server = Child("server", Server, doc="server of the memory")
    msi = Child("msi", Msi, doc="interrupts")
