"""The table of devices: tag -> class, loaded when the tag is met. The table's order is the order of output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TypeVar

from virtctl.domain.devices.device import Device
from virtctl.domain.migratable import trim
from virtctl.schema.element import INACTIVE, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Str

D = TypeVar("D", bound=Device)

TABLE: dict[str, str] = {
    "disk": "disk:Disk",
    "controller": "controller:Controller",
    "lease": "lease:Lease",
    "filesystem": "filesystem:Filesystem",
    "interface": "interface:Interface",
    "smartcard": "smartcard:Smartcard",
    "serial": "chardev:Serial",
    "parallel": "chardev:Parallel",
    "console": "chardev:Console",
    "channel": "chardev:Channel",
    "input": "input:Input",
    "tpm": "tpm:Tpm",
    "graphics": "graphics:Graphics",
    "sound": "sound:Sound",
    "audio": "audio:Audio",
    "video": "video:Video",
    "hostdev": "hostdev:Hostdev",
    "redirdev": "redirdev:Redirdev",
    "redirfilter": "redirdev:RedirFilter",
    "hub": "hub:Hub",
    "watchdog": "watchdog:Watchdog",
    "memballoon": "memballoon:Memballoon",
    "rng": "rng:Rng",
    "nvram": "nvram:Nvram",
    "panic": "panic:Panic",
    "shmem": "shmem:Shmem",
    "memory": "memory:MemoryDevice",
    "crypto": "crypto:Crypto",
    "iommu": "iommu:Iommu",
    "vsock": "vsock:Vsock",
}


def device_class(tag: str) -> type[Device] | None:
    """The class for a tag, None when the tag is no device."""
    place = TABLE.get(tag)
    if place is None:
        return None
    module, _, name = place.partition(":")
    found: type[Device] = getattr(import_module(f"virtctl.domain.devices.{module}"), name)
    return found


class Devices(Element, tag="devices"):
    """All devices of a domain, by kind."""

    emulator = Field("emulator", Str(), doc="path of the QEMU program")

    @property
    def by_tag(self) -> dict[str, list[Device]]:
        """The devices of each tag, in the order of the document."""
        found: dict[str, list[Device]] = self.__dict__.setdefault("_by_tag", {})
        return found

    def all(self, kind: type[D]) -> list[D]:
        """The devices of one class; the list itself, so that appending adds a device."""
        found: list[D] = self.__dict__.setdefault("_by_tag", {}).setdefault(kind.tag, [])
        return found

    def __iter__(self) -> Iterator[Device]:
        for tag in TABLE:
            yield from self.by_tag.get(tag, ())

    def elements(self) -> Iterator[Element]:
        """Every device."""
        return iter(self)

    def unknown(self, child: Node, where: str, mode: Mode) -> None:
        """A device of the table, or something to be kept as it stands."""
        kind = device_class(child.tag)
        if kind is None:
            super().unknown(child, where, mode)
        else:
            self.by_tag.setdefault(child.tag, []).append(kind.parse(child, mode))

    @classmethod
    def more_children(cls) -> Iterable[tuple[str, type[Element]]]:
        """Every kind of device."""
        for tag in TABLE:
            kind = device_class(tag)
            if kind is not None:
                yield tag, kind

    def written(self, node: Node, mode: Mode) -> None:
        """The devices follow the emulator, and what is unknown comes last."""
        extras = [child for child in node.children if child.tag != "emulator"]
        node.children = [child for child in node.children if child.tag == "emulator"]
        for device in self:
            device.append_to(node, device.tag, mode)
        node.children += extras
        if mode.migratable:
            trim(node)

    def to_node(self, mode: Mode = INACTIVE, tag: str | None = None) -> Node:
        """The whole list."""
        return super().to_node(mode, tag)

    def clone(self) -> Devices:
        """A deep copy."""
        copy = super().clone()
        copy.__dict__["_by_tag"] = {tag: [device.clone() for device in found] for tag, found in self.by_tag.items()}
        return copy
