"""Copying a disk into another image while the guest goes on: the job after which `pivot` can switch to the copy."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.disk_chain import FORMATS
from virtctl.domain.domain import Domain, read_domain, write_domain
from virtctl.errors import InvalidArgument, MonitorGone, OperationFailed, SystemFault, UnsupportedConfig, VirtctlError
from virtctl.qemu import images
from virtctl.qemu.blockjobs import COPY, Job, await_given_up, refuse_second, remember, remembered, settle
from virtctl.qemu.chains import chain
from virtctl.qemu.context import Context, Target
from virtctl.qemu.disks import drive_name
from virtctl.qemu.guest import Guest
from virtctl.qemu.imagechains import check_chain
from virtctl.qemu.jobstart import Beginning
from virtctl.qemu.ownership import admit, admit_chain, hand_over
from virtctl.qemu.sources import Image, find_disk, image_of, put_mirror, qemu_name
from virtctl.schema.element import Mode
from virtctl.state.atomic import sync_folder
from virtctl.values import BlockCopy

_LONG = 60.0


def blockcopy(context: Context, target: Target, disk: str, copy: BlockCopy) -> None:
    """Starts copying a disk to `copy.dest`; the job goes on inside QEMU when this returns.

    A persistent domain may be copied as well, without --transient-job, for unlike libvirt's a pivot is followed in the
    stored definition. Unless `reuse_external`, the target is made here, with mode 0600, and never over an image that
    is there. Whatever fails, what was made is removed and the disk stays as it was.
    """
    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        live, found, before = take_disk(guest, disk)
        old = image_of(found)
        new = _target_image(found, old, copy)
        put_mirror(found, new, job=COPY)
        _refuse_unwritable(live, found, new)
        job = Job(COPY, found.target or "", drive_name(found), old, new, before, qemu_name(guest, new.path),
                  shallow=copy.shallow)
        with Beginning(guest, job) as beginning:
            _make_target(guest, found, new, copy, beginning)
            remember(guest, job)
            guest.write_live(live)
            _begin(guest, job, copy)


def take_disk(guest: Guest, name: str) -> tuple[Domain, Disk, str]:
    """A disk for a new job: the live document, the disk in it, and QEMU's name of the image in use.

    A job that is over, unnoticed so far, is concluded first. Raises BlockCopyActive for a disk that has a job.
    """
    from virtctl.qemu import verbs

    disk = find_disk(guest.live(), name)
    await_given_up(guest)
    with guest.monitor() as monitor:
        refuse_second(guest, disk, monitor)
        drive = verbs.drives(monitor).get(drive_name(disk))
    earlier = remembered(guest).get(disk.target or "")
    if earlier is not None:
        try:
            settle(guest, earlier)
        except OperationFailed as error:  # told, and over: the new job may begin
            guest.context.warn(str(error))
    if drive is None or drive.file is None:
        raise InvalidArgument(f"disk '{disk.target}' does not have a source")
    live = guest.live()
    return live, find_disk(live, name), drive.file


def _target_image(disk: Disk, old: Image, copy: BlockCopy) -> Image:
    """What the copy will be, once it is certain that it may be. Raises in libvirt's words."""
    if not copy.dest.startswith("/"):
        raise InvalidArgument("absolute path must be used as block copy target")
    if copy.format is not None and copy.format not in FORMATS:
        raise UnsupportedConfig(f"unknown driver format value '{copy.format}'")
    there = _look(disk, copy)
    if there is None:
        return Image(copy.dest, copy.format or old.format, "block" if copy.block_device else "file")
    if not stat.S_ISBLK(there.st_mode):
        _check_file(disk, there, copy)
    if _same(old.path, there):
        raise UnsupportedConfig(f"disk '{disk.target}' cannot be copied onto itself: {copy.dest}")
    format = copy.format or (_probe(copy.dest) if copy.reuse_external else old.format)
    if copy.reuse_external:
        check_chain(copy.dest, format, f"disk '{disk.target}'")
    return Image(copy.dest, format, "block" if stat.S_ISBLK(there.st_mode) else "file")


def _look(disk: Disk, copy: BlockCopy) -> os.stat_result | None:
    """What is there; None where nothing is and nothing has to be."""
    try:
        return os.stat(copy.dest)  # noqa: PTH116 - the user's path as it is
    except FileNotFoundError as cause:
        if copy.reuse_external or copy.block_device:
            raise SystemFault(f"missing destination file for disk {disk.target}: {copy.dest}", cause) from cause
        return None
    except OSError as cause:
        raise SystemFault(f"unable to stat for disk {disk.target}: {copy.dest}", cause) from cause


def _refuse_unwritable(live: Domain, disk: Disk, new: Image) -> None:
    """A name that does not come back from a document as it went in (with a line break, say) could not be followed."""
    mode = Mode(live=True, secure=True)
    try:
        mirror = find_disk(read_domain(write_domain(live, mode), mode), disk.target or "").mirror
        survives = mirror is not None and mirror.source is not None and mirror.source.image(new.type) == new.path
    except VirtctlError:
        survives = False
    if not survives:
        raise InvalidArgument(f"path {new.path!r} cannot be written in a domain document")


def _check_file(disk: Disk, there: os.stat_result, copy: BlockCopy) -> None:
    if copy.block_device:
        raise InvalidArgument(f"blockdev flag requested for disk {disk.target}, "
                              f"but file '{copy.dest}' is not a block device")
    if not stat.S_ISREG(there.st_mode):
        raise UnsupportedConfig(f"destination for disk {disk.target} is no regular file: {copy.dest}")
    if there.st_size and not copy.reuse_external:
        raise UnsupportedConfig(f"external destination file for disk {disk.target} already exists and is not a block "
                                f"device: {copy.dest}")


def _same(path: str, there: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), there)  # noqa: PTH116 - the document's path as it is
    except OSError:
        return False


def _probe(path: str) -> str:
    return str(images.info(path).get("format", "raw"))


def _make_target(guest: Guest, disk: Disk, new: Image, copy: BlockCopy, beginning: Beginning) -> None:
    """The image that the mirror writes to, unless the user has made it."""
    if copy.shallow and new.format == "raw":
        raise UnsupportedConfig(f"shallow copy of disk '{disk.target}' into a raw file is not possible")
    if copy.reuse_external:
        admit_chain(guest, new.path, new.format, write=True)
        return
    size, below = _measure(guest, disk)
    backing = below if copy.shallow else None
    if new.type == "block":
        _format_device(new, size, backing)
        admit(guest, new.path, write=True)
        return
    path = Path(new.path)
    if path.exists():  # empty, as `_check_file` saw
        _fill_empty(path, new, size, backing, beginning)
        admit(guest, new.path, write=True)
        return
    images.create(path, new.format, size, backing=backing, note=beginning.made)
    hand_over(guest, path)


def _format_device(new: Image, size: int, backing: tuple[str, str] | None) -> None:
    if new.format == "raw":
        return
    fd = os.open(new.path, os.O_RDWR | os.O_CLOEXEC)
    try:
        images.fill(fd, Path(new.path), new.format, size, backing=backing)
    finally:
        os.close(fd)


def _fill_empty(path: Path, new: Image, size: int, backing: tuple[str, str] | None, beginning: Beginning) -> None:
    """Takes an empty file that is there already."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as cause:
        raise SystemFault(f"cannot open '{path}'", cause) from cause
    try:
        there = os.fstat(fd)
        if there.st_size:
            raise UnsupportedConfig(f"'{path}' is no longer empty")
        beginning.made(there, empty=True)
        images.fill(fd, path, new.format, size, backing=backing)
    finally:
        os.close(fd)
    sync_folder(path.parent)


def _measure(guest: Guest, disk: Disk) -> tuple[int, tuple[str, str] | None]:
    """What the guest sees of the disk in bytes, and path and format of the image below."""
    links = chain(guest, disk)
    return links[0].size, (links[1].path, links[1].format) if len(links) > 1 else None


def _begin(guest: Guest, job: Job, copy: BlockCopy) -> None:
    """Starts the mirror: over the human monitor, or over the other one for what that has no words for."""
    from virtctl.qemu import verbs

    if copy.granularity or copy.buffer or copy.synchronous_writes:
        _begin_by_qmp(guest, job, copy)
        return
    if copy.bandwidth:  # the human monitor can only slow down a copy that runs already
        with suppress(MonitorGone):
            _begin_by_qmp(guest, job, copy)
            return
    with guest.monitor() as monitor:
        verbs.drive_mirror(monitor, job.drive, job.after, format=job.new.format, reuse=True, full=not copy.shallow,
                           speed=copy.bandwidth)


def _begin_by_qmp(guest: Guest, job: Job, copy: BlockCopy) -> None:
    from virtctl.qemu.qmp import Qmp

    wishes: dict[str, object] = {"granularity": copy.granularity, "buf_size": copy.buffer, "speed": copy.bandwidth,
                                 "copy_mode": "write-blocking" if copy.synchronous_writes else None}
    given = {name: value for name, value in wishes.items() if value}
    with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        qmp.execute("drive-mirror", deadline=_LONG, device=job.drive, target=job.after, format=job.new.format,
                    sync="top" if copy.shallow else "full", mode="existing", **given)
