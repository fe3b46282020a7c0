"""The live document of a running guest, from its stored definition and what QEMU says."""

from __future__ import annotations

from contextlib import suppress

from virtctl.domain.aliases import assign_aliases
from virtctl.domain.devices.disk import Disk
from virtctl.domain.domain import Domain, read_domain, write_domain
from virtctl.errors import OperationFailed, VirtctlError
from virtctl.qemu.chains import chain, show_chain
from virtctl.qemu.disks import drive_name
from virtctl.qemu.guest import Guest
from virtctl.qemu.replies import Drive
from virtctl.qemu.sources import Image, put_image, real_path
from virtctl.schema.element import Mode


def rebuilt_text(guest: Guest) -> str:
    """The document. Raises OperationFailed for a transient guest, of which nothing is stored."""
    from virtctl.qemu import verbs

    status = guest.status
    if not status.persistent:
        raise OperationFailed(f"domain '{status.name}' is transient and its document is lost",
                              hint=f"its QEMU is process {status.pid}")
    domain = read_domain(guest.context.store.load(status.name), Mode(secure=True))
    domain.id = status.id
    assign_aliases(domain)
    with guest.monitor() as monitor:
        drives = verbs.drives(monitor)
        chardevs = verbs.chardevs(monitor)
    _take_images(guest, domain, drives)
    _take_ptys(domain, chardevs)
    return write_domain(domain, Mode(live=True, secure=True))


def _take_images(guest: Guest, domain: Domain, drives: dict[str, Drive]) -> None:
    """The images that are in use now: a definition may have been changed since the guest was started."""
    for disk in domain.devices.all(Disk) if domain.devices else ():
        drive = drives.get(drive_name(disk))
        if drive is None or drive.file is None or disk.type not in ("file", "block"):
            continue
        now = real_path(guest, drive.file)
        if now.startswith("/") and now != disk.image:
            put_image(disk, Image(now, drive.format or "raw"), keep_backing=False)
        with suppress(VirtctlError):  # what lies below is told where it can be found out
            show_chain(disk, chain(guest, disk))


def _take_ptys(domain: Domain, chardevs: dict[str, str]) -> None:
    from virtctl.qemu.chardevs import adopt_ptys

    ptys = {label.removeprefix("char"): name.removeprefix("pty:")
            for label, name in chardevs.items() if name.startswith("pty:")}
    if domain.devices is not None:
        adopt_ptys(domain.devices, ptys)
