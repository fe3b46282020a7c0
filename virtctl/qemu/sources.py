"""Which image a disk of a running guest uses: in the documents, and by the name that QEMU was given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple, Self

from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.disk_chain import BackingStore, ImageFormat, Mirror
from virtctl.domain.devices.disk_source import DiskSource
from virtctl.domain.domain import Domain
from virtctl.errors import InvalidArgument
from virtctl.qemu.guest import Guest

_HERE = "/proc/self/cwd/"
_CLEAN = re.compile(r"/[A-Za-z0-9_@%+=./-]{1,200}")  # what can stand in a monitor command as it is


class Image(NamedTuple):
    """An image as a document names it: `type` is `file` or `block`."""

    path: str
    format: str
    type: str = "file"

    @classmethod
    def read(cls, facts: dict[str, Any]) -> Self:
        """From the form that is kept in records."""
        return cls(str(facts["path"]), str(facts["format"]), str(facts["type"]))

    def source(self) -> DiskSource:
        """The `<source>` of it."""
        return DiskSource(dev=self.path) if self.type == "block" else DiskSource(file=self.path)


def find_disk(domain: Domain, name: str) -> Disk:
    """The disk with that target (`vda`) or that image. Raises InvalidArgument."""
    disks = domain.devices.all(Disk) if domain.devices else []
    for disk in disks:
        if disk.target == name:
            return disk
    for disk in disks:
        if disk.source is not None and disk.image == name:
            return disk
    raise InvalidArgument(f"disk '{name}' not found in domain")


def image_of(disk: Disk) -> Image:
    """The image that the document gives the disk. Raises InvalidArgument for an empty drive or a remote image."""
    if disk.empty or disk.image is None:
        raise InvalidArgument(f"disk '{disk.target}' does not have a source")
    if disk.type not in ("file", "block"):
        raise InvalidArgument(f"disk '{disk.target}' is not on a local file or device")
    return Image(disk.image, disk.format or "raw", disk.type)


def put_image(disk: Disk, image: Image, *, keep_backing: bool) -> None:
    """Gives the disk of a document another image. `keep_backing` says that what lies below it is the same as before."""
    policy = disk.source.startup_policy if disk.source is not None else None
    disk.type = image.type
    disk.format = image.format
    disk.source = image.source()
    disk.source.startup_policy = policy
    disk.mirror = None
    if not keep_backing and disk.backing is not None:
        disk.backing = BackingStore()


def put_mirror(disk: Disk, image: Image, *, job: str, ready: str | None = None) -> None:
    """Shows in a live document where a job writes to."""
    disk.mirror = Mirror(type=image.type, job=job, ready=ready, format=ImageFormat(type=image.format),
                         source=image.source())


def qemu_name(guest: Guest, path: str) -> str:
    """A name for an image that a monitor command can carry: its own, or a link in QEMU's folder.

    The link stays until the guest ends, because QEMU goes on calling the image by that name.
    """
    if _CLEAN.fullmatch(path):
        return path
    from virtctl.qemu.monitor import short_path

    return guest.reach(short_path(guest.work, Path(path)))


def absolute_name(guest: Guest, path: str) -> str:
    """The same where only an absolute name will do; the way to its own folder is not shut to any QEMU."""
    name = qemu_name(guest, path)
    return name if name.startswith("/") else f"{_HERE}{name}"


def real_path(guest: Guest, name: str) -> str:
    """The image behind a name that QEMU uses: a link that `qemu_name` made is resolved."""
    name = name.removeprefix(_HERE)
    place = Path(name) if name.startswith("/") else guest.work / name
    if place.parent != guest.work:
        return name
    try:
        return str(place.readlink())
    except OSError:
        return name
