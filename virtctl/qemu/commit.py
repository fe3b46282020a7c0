"""Shortening a disk's chain of images while the guest goes on: pulling from below, committing to below.

A pull and a commit of images below the top end by themselves. The commit of the top one stays ready until it is
pivoted, as a copy does, or given up. The human monitor has no word for a commit in the background, so both kinds go
over the machine-readable one.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from virtctl.domain.devices.disk import Disk
from virtctl.errors import InvalidArgument, OperationFailed, UnsupportedConfig
from virtctl.qemu.blockcopy import take_disk
from virtctl.qemu.blockjobs import ACTIVE_COMMIT, COMMIT, PULL, Job, forget, remember
from virtctl.qemu.chains import Link, chain, find_link, show_chain
from virtctl.qemu.context import Context, Target
from virtctl.qemu.disks import drive_name
from virtctl.qemu.guest import Guest
from virtctl.qemu.jobstart import Beginning
from virtctl.qemu.ownership import admit
from virtctl.qemu.sources import Image, find_disk, image_of, put_mirror
from virtctl.values import BlockCommit

_LONG = 60.0


def blockpull(context: Context, target: Target, disk: str, *, base: str | None = None, bandwidth: int = 0) -> None:
    """Starts filling a disk's image from those below it, down to `base` where it is given, which stays below."""
    from virtctl.qemu import verbs

    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        _, found, before = take_disk(guest, disk)
        links = chain(guest, found)
        below = links[find_link(links, found, base)] if base is not None else None
        if below is links[0]:
            raise InvalidArgument(f"image '{base}' is the one that is to be filled")
        own = image_of(found)
        job = Job(PULL, found.target or "", drive_name(found), own, own, before, before,
                  base=below.path if below else None)
        with Beginning(guest, job):
            remember(guest, job)
            with guest.monitor() as monitor:
                verbs.block_stream(monitor, job.drive, speed=bandwidth, base=below.name if below else None)


def blockcommit(context: Context, target: Target, disk: str, commit: BlockCommit) -> None:
    """Starts writing what images hold into the one below them. `commit.top` is the disk's own image by default."""
    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        live, found, before = take_disk(guest, disk)
        links = chain(guest, found)
        top, base = _ends(found, links, commit)
        job = _job(found, links, top, base, before, commit)
        for written in (max(top - 1, 0), base):
            admit(guest, links[written].path, write=True)
        with Beginning(guest, job):
            remember(guest, job)
            if top == 0:
                put_mirror(found, job.new, job=ACTIVE_COMMIT)
                guest.write_live(live)
            _begin(guest, job, links[top], links[base], commit.bandwidth)


def _ends(disk: Disk, links: list[Link], commit: BlockCommit) -> tuple[int, int]:
    """The places in the chain from which and into which is written. Raises in libvirt's words."""
    top = find_link(links, disk, commit.top) if commit.top is not None else 0
    if top == 0 and not commit.active:
        raise InvalidArgument(f"commit of '{disk.target}' active layer requires active flag")
    if top != 0 and commit.active:
        raise InvalidArgument(f"active commit requested but '{links[top].path}' is not active")
    if top == len(links) - 1:
        raise InvalidArgument(f"top '{links[top].path}' in chain for '{disk.image}' has no backing file")
    base = find_link(links, disk, commit.base) if commit.base is not None else top + 1 if commit.shallow else -1
    base %= len(links)
    if base <= top:
        raise InvalidArgument(f"base '{links[base].path}' is not beneath top '{links[top].path}'")
    if commit.shallow and base != top + 1:
        raise InvalidArgument(f"base '{links[base].path}' is not immediately below '{links[top].path}' in chain")
    return top, base


def _job(disk: Disk, links: list[Link], top: int, base: int, before: str, commit: BlockCommit) -> Job:
    own = image_of(disk)
    gone = tuple(link.path for link in links[top:base]) if commit.delete else ()
    if commit.delete and own.type != "file":
        raise UnsupportedConfig("only images in files can be removed after a commit")
    if top:
        return Job(COMMIT, disk.target or "", drive_name(disk), own, own, before, before, base=links[base].path,
                   top=links[top].path, gone=gone)
    new = Image(links[base].path, links[base].format)
    return Job(ACTIVE_COMMIT, disk.target or "", drive_name(disk), own, new, before, links[base].name, gone=gone)


def _begin(guest: Guest, job: Job, top: Link, base: Link, bandwidth: int) -> None:
    from virtctl.qemu.qmp import Qmp

    speed = {"speed": bandwidth} if bandwidth else {}
    with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        qmp.execute("block-commit", deadline=_LONG, job_id=job.drive, device=job.drive, top=top.name, base=base.name,
                    **speed)


def settle_chain(guest: Guest, ours: Job) -> None:
    """A pull or commit that QEMU no longer has: what became of it. The caller holds the domain's lock."""
    live = guest.live()
    disk = find_disk(live, ours.target)
    links = chain(guest, disk)
    paths = [link.path for link in links]
    if ours.kind == PULL:
        done = len(links) == 1 if ours.base is None else len(links) > 1 and _is(paths[1], ours.base)
    else:
        done = not any(_is(path, ours.top or "") for path in paths)
    show_chain(disk, links)
    guest.write_live(live)
    forget(guest, ours.target)
    if done:
        from virtctl.qemu.pivot import remove_gone

        remove_gone(guest, ours)
    elif not ours.aborting:
        raise OperationFailed(f"block {ours.kind} of disk '{ours.target}' failed; its images are as they were")


def _is(one: str, other: str) -> bool:
    with suppress(OSError):
        return Path(one).samefile(other)
    return one == other
