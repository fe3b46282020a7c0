"""`<backingStore>` and `<mirror>`: the images below a disk's, and the one that it is being copied to."""

from __future__ import annotations

from typing import Self

from virtctl.domain.devices.disk_source import TYPES, DiskSource, narrowed
from virtctl.errors import UnsupportedConfig, XmlError
from virtctl.schema.element import INACTIVE, Child, Dropped, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Int, Str, UInt, unit_bytes

FORMATS = ("raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop", "cow", "qcow", "qcow2",
           "qed", "vmdk")


class MetadataCache(Element, tag="metadata_cache"):
    """How much of a qcow2 image's tables QEMU may keep in memory."""

    size = Field("max_size", Int(0, 2**64 - 1), doc="largest size of the cache", refused=(
        XmlError, "Invalid value '%s' for element or attribute './metadata_cache/max_size'"))
    unit = Field("max_size/@unit", Str(), doc="unit of the size; bytes when it is written")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Always bytes."""
        if self.size is not None:
            try:
                self.size *= unit_bytes(self.unit or "bytes")
            except ValueError as error:
                raise UnsupportedConfig(str(error)) from error
            self.unit = "bytes"

    def visible(self, mode: Mode) -> bool:
        """Zero says nothing."""
        return bool(self.size)


class ImageFormat(Element, tag="format"):
    """The format of an image below or beside the disk's own."""

    type = Field("@type", Enum(*FORMATS), doc="raw, qcow2, ...",
                 refused=(XmlError, "unknown storage source format '%s'"))
    metadata_cache = Child("metadata_cache", MetadataCache, doc="memory for a qcow2 image's tables")


class BackingStore(Element, tag="backingStore"):
    """The image below; an empty one says that there is none."""

    type = Field("@type", Enum(*TYPES), doc="kind of source",
                 refused=(XmlError, "unknown storage source type '%s'"))
    index = Field("@index", UInt(), live=True, doc="number of the image in the running guest")
    format = Child("format", ImageFormat, doc="its format")
    source = Child("source", DiskSource, doc="where it is")
    backing: Child[BackingStore] = Child("backingStore", lambda: BackingStore, doc="the image below that one")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads what its type uses; without a type there is nothing."""
        return super().parse(with_narrow_source(node), mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """A typed one has a format and a source."""
        if self.type is None:
            self.format = self.source = self.backing = None
            return
        if self.format is None or self.format.type is None:
            raise XmlError("missing disk backing store format")
        if self.source is None:
            raise XmlError("missing disk backing store source")
        self.source.startup_policy = None
        self.source.check_type(self.type)
        self.source.drop_empty()
        if self.source.says_nothing:
            self.source = None


class Mirror(Element, tag="mirror"):
    """The copy that a running block job writes: a running guest's only.

    A copy into a file names file and format in attributes too, as it did before it had elements for them.
    """

    type = Field("@type", Enum(*TYPES), doc="kind of source")
    old_file = Dropped("@file")
    old_format = Dropped("@format")
    job = Field("@job", Enum("copy", "active-commit"), doc="the job that writes it")
    ready = Field("@ready", Enum("yes", "abort", "pivot"), doc="how far the job is")
    format = Child("format", ImageFormat, doc="its format")
    source = Child("source", DiskSource, doc="where it is")
    backing = Child("backingStore", BackingStore, doc="the images below it")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads what its type uses."""
        return super().parse(with_narrow_source(node), mode)

    def written(self, node: Node, mode: Mode) -> None:
        """The old attributes follow the type."""
        if self.type != "file" or self.job != "copy" or self.source is None or self.source.file is None:
            return
        old = {"type": self.type, "file": self.source.file}
        if self.format is not None and self.format.type is not None:
            old["format"] = self.format.type
        node.attrs = old | node.attrs


def with_narrow_source(node: Node) -> Node:
    """A copy of an element with `type` and `<source>`, the source narrowed to that type."""
    kept = Node(node.tag, node.attrs, node.text, node.line)
    type = node.attrs.get("type", "file")
    kept.children = [narrowed(child, type) if child.tag == "source" else child for child in node.children]
    return kept

