"""`<disk>`: hard disks, CD-ROMs, floppies and LUNs."""

from __future__ import annotations

from typing import Self

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.disk_chain import FORMATS, BackingStore, MetadataCache, Mirror
from virtctl.domain.devices.disk_source import TYPES, DiskSource, check_doubled, narrowed
from virtctl.domain.devices.disk_tune import Iotune
from virtctl.domain.devices.secret import Auth, Encryption
from virtctl.domain.devices.virtio import virtio_options
from virtctl.errors import UnsupportedConfig, XmlError
from virtctl.schema.element import INACTIVE, Child, Element, Field, Flag, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Int, OnOff, Str, UInt, YesNo

LOCAL_TYPES = ("file", "block", "dir")
BUSES = ("ide", "fdc", "scsi", "virtio", "xen", "usb", "uml", "sata", "sd")
CACHES = ("default", "none", "writethrough", "writeback", "directsync", "unsafe")
_POLICIES = ("stop", "report", "ignore", "enospace")
_ZERO_IS_UNSET = ("logical_block", "physical_block", "rotation_rate", "queues", "queue_size")


class Transient(Element, tag="transient"):
    """Whether what the guest writes is thrown away when it stops."""

    share_backing = Field("@shareBacking", YesNo(), doc="whether several guests may share the image")


class Disk(Device, tag="disk"):
    """A disk drive, with or without a medium."""

    type = Field("@type", Enum(*TYPES), default="file", doc="kind of source")
    device = Field("@device", Enum("disk", "cdrom", "floppy", "lun"), default="disk", doc="what the guest sees")
    model = Field("@model", Enum("virtio", "virtio-transitional", "virtio-non-transitional"),
                  doc="kind of virtio card")
    rawio = Field("@rawio", YesNo(), doc="whether QEMU gets the rawio capability (lun)")
    sgio = Field("@sgio", Enum("filtered", "unfiltered"), doc="whether SCSI commands are filtered (lun)")
    snapshot = Field("@snapshot", Enum("no", "internal", "external", "manual"),
                     doc="how snapshots of the guest take this disk")

    driver_name = Field("driver/@name", Str(), doc="always qemu")
    format = Field("driver/@type", Enum(*FORMATS, hidden=("aio",)), doc="format of the image",
                   refused=(UnsupportedConfig, "unknown driver format value '%s'"))
    cache = Field("driver/@cache", Enum(*CACHES), doc="how the host caches reads and writes")
    error_policy = Field("driver/@error_policy", Enum(*_POLICIES), doc="what the guest does on a failed write")
    rerror_policy = Field("driver/@rerror_policy", Enum(*_POLICIES), doc="what the guest does on a failed read")
    io = Field("driver/@io", Enum("native", "threads", "io_uring"), doc="how the host carries out I/O")
    ioeventfd = Field("driver/@ioeventfd", OnOff(), doc="handle I/O in another thread than the guest's (virtio)")
    event_idx = Field("driver/@event_idx", OnOff(), doc="fewer interrupts and exits (virtio)")
    copy_on_read = Field("driver/@copy_on_read", OnOff(), doc="whether what is read from below is kept in the image")
    discard = Field("driver/@discard", Enum("unmap", "ignore"), doc="what becomes of trim commands")
    iothread = Field("driver/@iothread", UInt(), doc="the I/O thread that serves the disk (virtio)")
    detect_zeroes = Field("driver/@detect_zeroes", Enum("off", "on", "unmap"),
                          doc="whether written zeroes are looked for")
    queues = Field("driver/@queues", UInt(), doc="number of queues (virtio)")
    queue_size = Field("driver/@queue_size", UInt(), doc="length of a queue (virtio)")
    iommu, ats, packed, page_per_vq = virtio_options()
    metadata_cache = Child("driver/metadata_cache", MetadataCache, doc="memory for a qcow2 image's tables")

    auth = Child("auth", Auth, doc="who we are for the server (old place)")
    source = Child("source", DiskSource, doc="where the bytes are")
    backing = Child("backingStore", BackingStore, doc="the images below")
    backend_domain = Field("backenddomain/@name", Str(), doc="driver domain (xen)")
    cylinders = Field("geometry/@cyls", UInt(), doc="cylinders that the guest is told")
    heads = Field("geometry/@heads", UInt(), doc="heads that the guest is told")
    sectors = Field("geometry/@secs", UInt(), doc="sectors of a track that the guest is told")
    translation = Field("geometry/@trans", Enum("none", "auto", "lba"), doc="BIOS translation")
    logical_block = Field("blockio/@logical_block_size", UInt(), doc="bytes of a block that the guest is told")
    physical_block = Field("blockio/@physical_block_size", UInt(), doc="bytes of a physical block")
    mirror = Child("mirror", Mirror, live=True, doc="the copy that a block job writes")
    target = Field("target/@dev", Str(), doc="name of the disk, unique in the domain: vda, sda, hda, fda")
    bus = Field("target/@bus", Enum(*BUSES), doc="kind of controller; by the target's name by default")
    tray = Field("target/@tray", Enum("closed", "open"), doc="whether the drive is open (cdrom, floppy)")
    removable = Field("target/@removable", OnOff(), doc="whether the guest takes it for removable (usb)")
    rotation_rate = Field("target/@rotation_rate", Int(0, 2**32 - 1), doc="turns a minute; 1 for an SSD")
    iotune = Child("iotune", Iotune, doc="limits of the throughput")
    readonly = Flag("readonly", doc="the guest may only read")
    shareable = Flag("shareable", doc="other guests use the image too")
    transient = Child("transient", Transient, doc="what the guest writes is thrown away when it stops")
    serial = Field("serial", Str(), doc="serial number that the guest sees")
    wwn = Field("wwn", Str(), doc="World Wide Name: 16 hexadecimal digits")
    vendor = Field("vendor", Str(), doc="vendor that the guest sees, up to 8 characters")
    product = Field("product", Str(), doc="product that the guest sees, up to 16 characters")
    encryption = Child("encryption", Encryption, doc="how the image is encrypted (old place)")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads it, leaving out what its type does not use."""
        type = node.attrs.get("type", "file")
        check_doubled(node)
        kept = Node(node.tag, node.attrs, node.text, node.line)
        kept.children = [narrowed(child, type) if child.tag == "source" else child for child in node.children]
        return super().parse(kept, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """Drops what says nothing, spells out old words, and refuses a source that cannot be read."""
        if self.iothread == 0:
            raise XmlError("Invalid value for attribute 'iothread' in element 'driver': Zero is not permitted")
        for name in _ZERO_IS_UNSET:
            self.__dict__[name] = self.__dict__.get(name) or None
        self.cache = None if self.cache == "default" else self.cache
        self.tray = None if self.tray == "closed" else self.tray
        self.format = "raw" if self.format == "aio" else self.format
        if self.source is not None:
            self.source.check_type(self.type)
        for name in ("serial", "wwn", "vendor", "product"):
            self.__dict__[name] = self.__dict__.get(name) or None
        if node.find("source") is None:
            self.type = "file"
        self._drop_empty()

    def _drop_empty(self) -> None:
        if self.transient is not None and not self.transient.share_backing:
            self.transient.share_backing = None
        if self.source is not None:
            self.source.drop_empty()
        if self.source is not None and self.source.says_nothing:
            self.source = None
        if not (self.cylinders and self.heads and self.sectors):
            self.cylinders = self.heads = self.sectors = self.translation = None

    @property
    def image(self) -> str | None:
        """The path, device, folder or name of the medium; None for an empty drive."""
        return self.source.image(self.type) if self.source else None

    @property
    def empty(self) -> bool:
        """Whether there is no medium in the drive."""
        if self.source is None:
            return self.type != "volume"
        if self.type == "network":
            return self.source.protocol is None
        return not self.image and self.type in LOCAL_TYPES
