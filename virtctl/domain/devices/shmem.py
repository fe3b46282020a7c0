"""`<shmem>`: memory shared with other guests."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.errors import UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import Child, Dropped, Element, Field, Mode, Size
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, OnOff, Str, UInt

MIB = 1 << 20


class Server(Element, tag="server"):
    """The server that hands the memory out."""

    path = Field("@path", Str(), doc="its socket")


class Msi(Element, tag="msi"):
    """Interrupts between guests."""

    enabled = Dropped("@enabled", doc="of early versions")
    vectors = Field("@vectors", UInt(), doc="how many")
    ioeventfd = Field("@ioeventfd", OnOff(), doc="handle them in another thread")


class Shmem(Device, tag="shmem"):
    """A piece of memory that several guests share."""

    name = Field("@name", Str(), required=True, doc="name of the memory")
    role = Field("@role", Enum("master", "peer"), doc="whether the contents migrate with this guest")
    model = Field("model/@type", Enum("ivshmem", "ivshmem-plain", "ivshmem-doorbell"), default="ivshmem",
                  doc="emulated card")
    size = Size("size", unit="B", pretty=True, doc="size, 4 MiB unless told (ivshmem-plain)")
    server = Child("server", Server, doc="server of the memory")
    msi = Child("msi", Msi, doc="interrupts")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a name that is not there."""
        return XmlError("shmem element must contain 'name' attribute")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Plain memory has a size, a doorbell has interrupts."""
        super().parsed(node, mode)
        if self.msi is not None:
            if self.server is None:
                raise XmlError("msi option is only supported with a server")
            self.msi.vectors = self.msi.vectors or None
        self.size = self.size or None
        if self.model == "ivshmem-plain" and self.size is None:
            self.size = 4 * MIB
        if self.model == "ivshmem-doorbell" and self.server is not None:
            self.msi = self.msi or Msi()
            self.msi.ioeventfd = True if self.msi.ioeventfd is None else self.msi.ioeventfd

    def written(self, node: Node, mode: Mode) -> None:
        """libvirt writes whole MiB."""
        size = node.find("size")
        if size is not None:
            size.attrs["unit"], size.text = "M", str((self.size or 0) // MIB)

    def check(self) -> None:
        """Names of files; each card with what belongs to it."""
        super().check()
        if "/" in self.name:
            raise UnsupportedConfig("shmem name cannot include '/' character")
        if self.name in (".", ".."):
            raise UnsupportedConfig(f"shmem name cannot be equal to '{self.name}'")
        if self.model == "ivshmem":
            raise UnsupportedConfig("ivshmem device is not supported with this QEMU binary")
        if (self.model == "ivshmem-plain") == (self.server is not None):
            state = "disabled" if self.model == "ivshmem-plain" else "enabled"
            raise UnsupportedConfig(f"shmem model '{self.model}' is supported only with server option {state}")
        if self.model == "ivshmem-doorbell" and self.size is not None:
            raise UnsupportedConfig("shmem model 'ivshmem-doorbell' does not support size setting")
