"""What lies below a disk's image, asked of QEMU, and shown in the live document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.disk_chain import BackingStore, ImageFormat
from virtctl.domain.devices.disk_source import DiskSource
from virtctl.errors import InvalidArgument, MonitorGone, MonitorTimeout
from virtctl.qemu import images
from virtctl.qemu.disks import drive_name
from virtctl.qemu.guest import Guest
from virtctl.qemu.sources import real_path


class Link(NamedTuple):
    """One image of a chain: its path, QEMU's name of it, its format, and what a guest would see of it in bytes."""

    path: str
    name: str
    format: str
    size: int


def chain(guest: Guest, disk: Disk) -> list[Link]:
    """The images of a disk, the one in use first. Without the machine monitor it is read from the files themselves."""
    top = _ask(guest, drive_name(disk))
    if top is not None:
        return list(_links(guest, top))
    return [Link(str(one["filename"]), str(one["filename"]), str(one["format"]), int(one["virtual-size"]))
            for one in images.chain(disk.image or "", disk.format)]


def _ask(guest: Guest, drive: str) -> dict[str, Any] | None:
    """`query-block`: the human monitor shows one image below at most."""
    from virtctl.qemu.qmp import Qmp

    try:
        with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
            listed = qmp.execute("query-block")
    except (MonitorGone, MonitorTimeout):
        return None
    for one in listed:
        if one["device"] == drive and one.get("inserted"):
            found: dict[str, Any] = one["inserted"]["image"]
            return found
    return None


def show_chains(guest: Guest, disks: Iterable[Disk]) -> None:
    """Writes into a live document what lies below each disk's image, by one question for all of them."""
    from virtctl.qemu.qmp import Qmp

    with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        listed = {one["device"]: one.get("inserted") for one in qmp.execute("query-block")}
    for disk in disks:
        inserted = listed.get(drive_name(disk))
        if inserted and disk.backing is None:
            show_chain(disk, list(_links(guest, inserted["image"])))


def _links(guest: Guest, image: dict[str, Any] | None) -> Iterator[Link]:
    while image is not None:
        name = str(image["filename"])
        yield Link(real_path(guest, name), name, str(image["format"]), int(image["virtual-size"]))
        image = image.get("backing-image")


def find_link(links: list[Link], disk: Disk, wanted: str) -> int:
    """The place in the chain of an image named by path or as `vda[1]`. Raises InvalidArgument."""
    for number, link in enumerate(links):
        if wanted in (link.path, link.name, f"{disk.target}[{number}]") or _same_file(wanted, link.path):
            return number
    raise InvalidArgument(f"could not find image '{wanted}' in chain for '{disk.image}'")


def _same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):
        return False


def show_chain(disk: Disk, links: Iterable[Link]) -> None:
    """Writes the images below into a live document's disk; `links` begins with the disk's own."""
    _, *below = links
    store = BackingStore()
    for link in reversed(below):
        store = BackingStore(type="file", format=ImageFormat(type=link.format), source=DiskSource(file=link.path),
                             backing=store)
    disk.backing = store
