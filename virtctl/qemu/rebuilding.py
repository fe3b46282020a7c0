"""What was lost of a running guest, from its stored definition and what QEMU says: its live document, its jobs."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from virtctl.domain.aliases import assign_aliases
from virtctl.domain.devices.disk import Disk
from virtctl.domain.domain import Domain, read_domain, write_domain
from virtctl.errors import MonitorError, OperationFailed, OperationTimeout, VirtctlError
from virtctl.qemu.blockjobs import ACTIVE_COMMIT, COPY, Job
from virtctl.qemu.chains import chain, show_chain
from virtctl.qemu.disks import drive_name
from virtctl.qemu.guest import Guest
from virtctl.qemu.replies import Drive
from virtctl.qemu.sources import Image, image_of, put_image, real_path
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


# Jobs


def unrecorded_jobs(guest: Guest, known: set[str]) -> dict[str, dict[str, Any]]:
    """The copies and active commits that QEMU is at and of which nothing is recorded, as `facts["jobs"]` keeps them.

    What a shallow copy shares with its disk, and what a commit was to remove, cannot be found out.
    """
    drives, targets, kinds = _ask_jobs(guest)
    found = {}
    for disk in _disks(guest) if targets else ():
        drive, node = drives.get(drive_name(disk)), targets.get(drive_name(disk))
        if drive is None or node is None or disk.target is None or disk.target in known:
            continue
        path = real_path(guest, node["file"])
        new = Image(path, node["drv"], "block" if _is_device(path) else "file")
        kind = ACTIVE_COMMIT if kinds[drive_name(disk)] == "commit" else COPY
        found[disk.target] = Job(kind, disk.target, drive_name(disk), image_of(disk), new, drive.file or "",
                                 node["file"]).facts()
    return found


def _ask_jobs(guest: Guest) -> tuple[dict[str, Drive], dict[str, dict[str, Any]], dict[str, str]]:
    """The drives; for each job that writes to another image that image's node; the kind of each job."""
    from virtctl.qemu import verbs
    from virtctl.qemu.qmp import Qmp

    with guest.monitor() as monitor:
        drives = verbs.drives(monitor)
    try:
        with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
            kinds = {one["device"]: one["type"] for one in qmp.execute("query-block-jobs")}
            graph = qmp.execute("x-debug-query-block-graph") if kinds else {"nodes": [], "edges": []}
            nodes = {one["node-name"]: one for one in qmp.execute("query-named-block-nodes", flat=True)}
    except (MonitorError, OperationTimeout):
        return drives, {}, {}
    named = {one["id"]: one["name"] for one in graph["nodes"]}
    targets = {named[edge["parent"]]: nodes[named[edge["child"]]] for edge in graph["edges"]
               if edge["name"] == "target" and named[edge["parent"]] in kinds and named[edge["child"]] in nodes}
    return drives, targets, kinds


def _disks(guest: Guest) -> list[Disk]:
    devices = guest.live().devices
    return devices.all(Disk) if devices is not None else []


def _is_device(path: str) -> bool:
    try:
        return stat.S_ISBLK(Path(path).stat().st_mode)
    except OSError:
        return False


def relink(guest: Guest, jobs: dict[str, dict[str, Any]]) -> None:
    """Makes the links anew by which QEMU knows images of unusual names (see `sources.qemu_name`)."""
    from virtctl.qemu import verbs

    with guest.monitor() as monitor:
        drives = verbs.drives(monitor)
    names = {facts["after"]: facts["new"]["path"] for facts in jobs.values()}
    for disk in _disks(guest):
        drive = drives.get(drive_name(disk))
        if drive is not None and drive.file is not None and disk.image is not None:
            names[drive.file] = disk.image
    for name, path in names.items():
        place = Path(name) if name.startswith("/") else guest.work / name
        if place.parent == guest.work and place.name.startswith("path-"):
            with suppress(FileExistsError):
                place.symlink_to(path)
