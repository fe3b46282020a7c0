"""xm's files to domain documents."""

from __future__ import annotations

from virtctl.schema.node import Node
from virtctl.xen.config import read_config
from virtctl.xen.disks import parse_xm_disk
from virtctl.xen.document import XL, write_document
from virtctl.xen.from_config import Source, note_left, read_common
from virtctl.xen.guest import HVMLOADER, Disk, Guest
from virtctl.xen.mapping import parse_boot


def from_xm(text: str, notes: list[str] | None = None) -> Node:
    """The domain document of an xm file. What has no place in it is said in `notes`."""
    guest = guest_of_xm(text)
    if notes is not None:
        notes += guest.notes
    return write_document(guest, XL)


def guest_of_xm(text: str) -> Guest:
    """The guest that an xm file describes."""
    source = Source(read_config(text, "xm"))
    guest = Guest(kind="hvm" if source.text("builder") == "hvm" else "linux")
    read_common(source, guest)
    if guest.hvm:
        # xend boots an emulated machine with its loader, whatever else is said.
        guest.loader = source.text("kernel") or HVMLOADER
        guest.boot = parse_boot(source.text("boot") or "c")
    else:
        guest.bootloader = source.text("bootloader")
        guest.bootloader_args = source.text("bootargs") or source.text("bootloader_args")
        guest.kernel = source.text("kernel")
        guest.initrd = source.text("ramdisk")
        guest.root = source.text("root")
        guest.cmdline = source.text("extra")
    guest.disks = [parse_xm_disk(disk, guest.hvm) for disk in source.texts("disk")]
    _read_old_drives(source, guest)
    note_left(source, guest)
    return guest


def _read_old_drives(source: Source, guest: Guest) -> None:
    """The CD-ROM and floppies of Xen 3.0.2, which had names of their own."""
    if not guest.hvm:
        return
    present = {disk.target for disk in guest.disks}
    cdrom = source.text("cdrom")
    if cdrom and "hdc" not in present:
        guest.disks.append(Disk("hdc", "ide", cdrom, device="cdrom", driver="file", format="raw", readonly=True))
    for target in ("fda", "fdb"):
        path = source.text(target)
        if path and target not in present:
            guest.disks.append(Disk(target, "fdc", path, device="floppy", driver="file", format="raw"))
