"""`<filesystem>`: folders of the host that the guest mounts, by 9p or virtiofs."""

from __future__ import annotations

import re
from typing import Self

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.disk_chain import FORMATS
from virtctl.domain.devices.virtio import TRANSITIONAL, virtio_options
from virtctl.errors import InvalidArgument, UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import INACTIVE, Child, Dropped, Element, Field, Flag, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Int, OnOff, Str, UInt, XmlType, unit_bytes

TYPES = ("mount", "block", "file", "template", "ram", "bind", "volume")
SOURCES: dict[str, tuple[str, ...]] = {
    "mount": ("dir", "socket"), "bind": ("dir",), "block": ("dev",), "file": ("file",), "template": ("name",),
    "ram": ("usage", "units"), "volume": ("pool", "volume"),
}
_LIMITS = ("hard_limit", "hard_unit", "soft_limit", "soft_unit")
_BINARY = ("binary", "xattr", "cache_mode", "sandbox", "lock_posix", "lock_flock", "thread_pool")


class FileMode(XmlType[int]):
    """Permissions in octal."""

    doc = "octal number such as 755"

    def parse(self, text: str) -> int:
        """The bits."""
        if not re.fullmatch(r"\s*\+?[0-7]+", text):
            raise ValueError("Expected non-negative integer value")
        return int(text, 8)

    def format(self, value: int) -> str:
        """Octal digits, a zero before them."""
        return f"{value:04o}"


def _unit(name: str) -> int:
    try:
        return unit_bytes(name)
    except ValueError as error:
        raise InvalidArgument(str(error)) from error


class FilesystemSource(Element, tag="source"):
    """What is shared."""

    dir = Field("@dir", Str(), doc="folder of the host (mount, bind)")
    socket = Field("@socket", Str(), doc="socket of a virtiofsd that was started by others (mount)")
    dev = Field("@dev", Str(), doc="block device (block)")
    file = Field("@file", Str(), doc="image (file)")
    name = Field("@name", Str(), doc="template (template)")
    usage = Field("@usage", Int(0, 2**64 - 1), doc="size (ram)")
    units = Field("@units", Str(), doc="unit of the size (ram)")
    pool = Field("@pool", Str(), doc="storage pool (volume)")
    volume = Field("@volume", Str(), doc="volume of the pool (volume)")

    def parsed(self, node: Node, mode: Mode) -> None:
        """A socket stands alone; a size is in KiB."""
        if self.socket is not None:
            self.dir = None
        if self.usage is not None:
            self.usage = self.usage * _unit(self.units or "KiB") // 1024
            self.units = "KiB"


class Filesystem(Device, tag="filesystem"):
    """A folder of the host that the guest mounts."""

    type = Field("@type", Enum(*TYPES), default="mount", doc="kind of source")
    accessmode = Field("@accessmode", Enum("passthrough", "mapped", "squash"), doc="with whose rights files are made")
    model = Field("@model", Enum(*TRANSITIONAL), doc="kind of virtio card")
    multidevs = Field("@multidevs", Enum("default", "remap", "forbid", "warn"),
                      doc="what becomes of a tree that spans several devices (9p)")
    fmode = Field("@fmode", FileMode(), doc="permissions of new files (mapped)")
    dmode = Field("@dmode", FileMode(), doc="permissions of new folders (mapped)")
    driver_type = Field("driver/@type", Enum("path", "handle", "loop", "nbd", "ploop", "virtiofs"),
                        doc="how it is shared: path is 9p, virtiofs needs shared memory")
    format = Field("driver/@format", Enum(*FORMATS), doc="format of the image (containers)",
                   refused=(UnsupportedConfig, "unknown driver format value '%s'"))
    wrpolicy = Field("driver/@wrpolicy", Enum("immediate"), doc="whether writes reach the disk at once (9p)")
    queue = Field("driver/@queue", UInt(2**64 - 1), doc="length of the queue (virtiofs)",
                  refused=(XmlError, "cannot parse queue size '%s' for virtiofs"))
    driver_name = Dropped("driver/@name")
    iommu, ats, packed, page_per_vq = virtio_options()
    binary = Field("binary/@path", Str(), doc="path of virtiofsd (virtiofs)")
    xattr = Field("binary/@xattr", OnOff(), doc="extended attributes (virtiofs)")
    cache_mode = Field("binary/cache/@mode", Enum("none", "always"), doc="what the guest may cache (virtiofs)")
    sandbox = Field("binary/sandbox/@mode", Enum("namespace", "chroot"), doc="how virtiofsd is locked in")
    lock_posix = Field("binary/lock/@posix", OnOff(), doc="POSIX locks reach the host (virtiofs)")
    lock_flock = Field("binary/lock/@flock", OnOff(), doc="flock() reaches the host (virtiofs)")
    thread_pool = Field("binary/thread_pool/@size", Int(), doc="threads of virtiofsd; 0 is one for all",
                        refused=(XmlError, "cannot parse thread pool size '%s' for virtiofs"))
    source = Child("source", FilesystemSource, doc="what is shared")
    target = Field("target/@dir", Str(), doc="name under which the guest mounts it")
    readonly = Flag("readonly", doc="the guest may only read")
    hard_limit = Field("space_hard_limit", Int(0, 2**64 - 1), doc="most space that the guest may use (containers)",
                       refused=(XmlError, "Invalid value '%s' for element or attribute './space_hard_limit[1]'"))
    hard_unit = Field("space_hard_limit/@unit", Str(), doc="unit of the limit; bytes when it is written")
    soft_limit = Field("space_soft_limit", Int(0, 2**64 - 1), doc="space that it should not exceed (containers)",
                       refused=(XmlError, "Invalid value '%s' for element or attribute './space_soft_limit[1]'"))
    soft_unit = Field("space_soft_limit/@unit", Str(), doc="unit of the limit; bytes when it is written")

    @classmethod
    def output_order(cls, found: dict[str, Declared]) -> list[Declared]:
        """The limits follow the address."""
        ordered = super().output_order(found)
        last = [field for field in ordered if field.name in _LIMITS]
        return [field for field in ordered if field.name not in _LIMITS] + last

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads it, leaving out what its type and driver do not use."""
        names = {field.name for field in cls.fields}
        driver = node.get("driver/@type")
        if driver != "virtiofs":
            names -= {*_BINARY, "queue"}
        if node.get("driver/@queue") == "":
            names.discard("queue")
        kept = relevant(node, cls.plan, names)
        uses = SOURCES.get(node.attrs.get("type", "mount"), ())
        kept.children = [relevant(child, FilesystemSource.plan, uses) if child.tag == "source" else child
                         for child in kept.children]
        return super().parse(kept, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """Drops what says nothing; sizes are in bytes."""
        for name in ("fmode", "dmode", "queue"):
            self.__dict__[name] = self.__dict__.get(name) or None
        for name in ("fmode", "dmode"):
            value = self.__dict__[name]
            if value is not None and value > 0o7777:
                raise XmlError(f"invalid {name}: '0{value:o}'")
        self.multidevs = None if self.multidevs == "default" else self.multidevs
        self.thread_pool = None if self.thread_pool is not None and self.thread_pool < 0 else self.thread_pool
        self._scale_limits()
        if self.accessmode is None and (self.source is None or self.source.socket is None):
            self.accessmode = "passthrough"
        if self.driver_type is None:
            self.format = self.wrpolicy = None
        self._check_source()

    def check(self) -> None:
        """It is mounted somewhere."""
        if not self.target:
            source = self.source or FilesystemSource()
            found = (getattr(source, name) for name in SOURCES[self.type])
            raise VirtctlError(f"missing target information for device {next(filter(None, found), '')}")

    def _check_source(self) -> None:
        source = self.source or FilesystemSource()
        values = [getattr(source, name) for name in SOURCES[self.type] if name != "units"]
        if self.type == "ram":
            if source.usage is None:
                raise XmlError("missing 'usage' attribute for RAM filesystem")
        elif all(value is None for value in values) and (self.type != "volume" or self.source is None):
            raise VirtctlError(f"missing source information for device {self.target or ''}")

    def _scale_limits(self) -> None:
        for kind in ("hard", "soft"):
            limit = self.__dict__.get(f"{kind}_limit")
            if limit:
                self.__dict__[f"{kind}_limit"] = limit * _unit(self.__dict__.get(f"{kind}_unit") or "bytes")
            self.__dict__[f"{kind}_limit"] = self.__dict__.get(f"{kind}_limit") or None
            self.__dict__[f"{kind}_unit"] = "bytes" if limit else None
