"""The jobs that copy, pull or commit the disks of a running guest: what is remembered of them, and how they stand.

A job runs inside QEMU and goes on when the command that began it has ended. What we know of it is in the record of
the guest (`facts["jobs"][TARGET]`); how it stands is QEMU's answer. A copy that failed leaves no trace in the human
monitor: that it is missing while the disk still has its old image is how it shows.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from virtctl.domain.devices.disk import Disk
from virtctl.errors import InvalidArgument, MonitorError, OperationFailed, OperationTimeout, VirtctlError
from virtctl.qemu.context import Context, Target
from virtctl.qemu.disks import drive_name
from virtctl.qemu.guest import Guest
from virtctl.qemu.sources import Image, find_disk, put_mirror
from virtctl.values import BlockJob

if TYPE_CHECKING:
    from virtctl.qemu.monitor import Monitor
    from virtctl.qemu.replies import BlockJob as Progress

ABORT_DEADLINE = 60.0
COPY, PULL, COMMIT, ACTIVE_COMMIT = "copy", "pull", "commit", "active-commit"
_WORDS = {COPY: "Block Copy", PULL: "Block Pull", COMMIT: "Block Commit", ACTIVE_COMMIT: "Active Block Commit"}
_QEMU_KINDS = {"mirror": COPY, "stream": PULL, "commit": COMMIT}


class Job(NamedTuple):
    """A job as we remember it. `drive` is QEMU's name of the disk's drive and of the job, `before` and `after` are
    QEMU's names of the image in use before the job and (copy, active commit) after its pivot. `base` and `top` bound
    a pull or commit, `gone` are the images that are to be removed after it.
    """

    kind: str
    target: str
    drive: str
    old: Image
    new: Image
    before: str
    after: str
    shallow: bool = False
    base: str | None = None
    top: str | None = None
    gone: tuple[str, ...] = ()
    ready: bool = False
    aborting: bool = False

    def facts(self) -> dict[str, Any]:
        """The form that is kept in records."""
        return {**self._asdict(), "old": self.old._asdict(), "new": self.new._asdict()}

    @classmethod
    def read(cls, facts: dict[str, Any]) -> Job:
        """From that form."""
        known = {field: facts[field] for field in cls._fields if field in facts}
        return cls(**{**known, "old": Image.read(facts["old"]), "new": Image.read(facts["new"]),
                      "gone": tuple(facts.get("gone", ()))})


def remembered(guest: Guest) -> dict[str, Job]:
    """The jobs that we began, by the target of their disk."""
    return {target: Job.read(facts) for target, facts in (guest.status.facts.get("jobs") or {}).items()}


def remember(guest: Guest, job: Job) -> None:
    """Keeps a job; the caller holds the domain's lock."""
    guest.set_facts(jobs={**(guest.status.facts.get("jobs") or {}), job.target: job.facts()})


def forget(guest: Guest, target: str) -> None:
    """Drops a job that is over; the caller holds the domain's lock."""
    jobs = {name: facts for name, facts in (guest.status.facts.get("jobs") or {}).items() if name != target}
    guest.set_facts(jobs=jobs or None)


def no_job(target: str | None) -> VirtctlError:
    """What is said where there is nothing to abort or to pivot."""
    return InvalidArgument(f"disk {target} does not have an active block job")


def progress(monitor: Monitor, drive: str) -> Progress | None:
    """The job that QEMU has on a drive now."""
    from virtctl.qemu import verbs

    return next((found for found in verbs.block_jobs(monitor) if found.device == drive), None)


def is_ready(guest: Guest, found: Progress) -> bool:
    """Whether a copy can be switched to. Only the machine monitor says so; without it, equal numbers must do."""
    from virtctl.qemu.qmp import Qmp

    try:
        with Qmp.connect(guest.folder, name=guest.status.name, deadline=1.0) as qmp:
            listed = qmp.execute("query-block-jobs", deadline=1.0)
    except (MonitorError, OperationTimeout):
        return found.total > 0 and found.done == found.total
    return any(one["device"] == found.device and one.get("ready", False) for one in listed)


def job(context: Context, target: Target, disk: str) -> BlockJob | None:
    """How the job on a disk stands, None when there is none.

    A job of ours that ended without being told to is reported here, once: a finished pull or commit ends well, a copy
    that is gone has failed. Raises OperationFailed then.
    """
    guest = Guest(context, target.active)
    found = find_disk(guest.live(), disk)
    ours = remembered(guest).get(found.target or "")
    now = _ask(guest, found)
    if now is None and ours is not None:
        conclude(context, target, ours)
        now = _ask(guest, found)  # it may only have been about to begin
    if now is None:
        return None
    kind = ours.kind if ours is not None else _QEMU_KINDS.get(now.kind, COPY)
    ready = now.kind in ("mirror", "commit") and kind != COMMIT and is_ready(guest, now)
    if ready and ours is not None and not ours.ready:
        _note_ready(context, target, ours)
    return BlockJob(_WORDS[kind], now.speed, now.done, now.total, ready)


def _ask(guest: Guest, disk: Disk) -> Progress | None:
    with guest.monitor() as monitor:
        return progress(monitor, drive_name(disk))


def _note_ready(context: Context, target: Target, ours: Job) -> None:
    """The live document says that a copy is ready; where another command is at work it is said later."""
    from virtctl.state.lock import DomainLock

    with suppress(VirtctlError), DomainLock(context.paths, target.uuid, command=context.command, timeout=0):
        guest = Guest(context, context.again(target).active)
        if remembered(guest).get(ours.target) == ours:
            live = guest.live()
            put_mirror(find_disk(live, ours.target), ours.new, job=ours.kind, ready="yes")
            guest.write_live(live)
            remember(guest, ours._replace(ready=True))


def conclude(context: Context, target: Target, ours: Job) -> None:
    """A job that QEMU no longer has: keeps what became of it. Raises OperationFailed when it failed."""
    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        if remembered(guest).get(ours.target) == ours:
            settle(guest, ours)


def settle(guest: Guest, ours: Job) -> None:
    """Asks QEMU which images the disk has now and writes it down. The caller holds the domain's lock."""
    from virtctl.qemu import verbs

    with guest.monitor() as monitor:
        if progress(monitor, ours.drive) is not None:
            return
        drive = verbs.drives(monitor).get(ours.drive)
    if ours.kind in (COPY, ACTIVE_COMMIT):
        _settle_copy(guest, ours, drive.file if drive else None)
        return
    from virtctl.qemu.commit import settle_chain

    settle_chain(guest, ours)


def _settle_copy(guest: Guest, ours: Job, now: str | None) -> None:
    if now == ours.after and now != ours.before:
        from virtctl.qemu.pivot import adopt_image

        adopt_image(guest, ours)
        return
    clear_job(guest, ours)
    if ours.aborting:
        return
    reason = _why(ours)
    raise OperationFailed(f"{_WORDS[ours.kind].lower()} of disk '{ours.target}' to '{ours.new.path}' failed{reason}; "
                          f"the disk still uses '{ours.old.path}'")


def _why(ours: Job) -> str:
    """QEMU does not say why a copy failed; a full disk is what it mostly is."""

    with suppress(OSError):
        place = os.statvfs(ours.new.path)
        if place.f_bavail * place.f_frsize < 1 << 20:
            return ": No space left on device"
    return ""


def clear_job(guest: Guest, ours: Job) -> None:
    """Forgets a job, in the live document too; the disk has the image it had."""
    live = guest.live()
    disk = find_disk(live, ours.target)
    disk.mirror = None
    guest.write_live(live)
    forget(guest, ours.target)


def refuse_second(guest: Guest, disk: Disk, monitor: Monitor) -> None:
    """A disk has one job at a time."""
    from virtctl.errors import BlockCopyActive

    if progress(monitor, drive_name(disk)) is not None:
        raise BlockCopyActive(f"disk '{disk.target}' already in active block job")


def abort(context: Context, target: Target, disk: str, *, asynchronous: bool = False) -> None:
    """Gives a job up: the disk stays with its image, what was copied stays in the target's file."""
    from virtctl.qemu import verbs

    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        found = find_disk(guest.live(), disk)
        ours = remembered(guest).get(found.target or "")
        drive = drive_name(found)
        with guest.monitor() as monitor:
            running = progress(monitor, drive)
            if running is not None:
                _expect_abort(guest, ours)  # so that nobody takes its vanishing for a failure
                try:
                    verbs.block_job_cancel(monitor, drive)
                except MonitorError:
                    _expect_abort(guest, ours, aborting=False)
                    raise
        if running is None:
            if ours is None:
                raise no_job(found.target)
            settle(guest, ours)
            return
        if asynchronous:
            return
        await_end(guest, drive)
        if ours is not None:
            _aborted(guest, ours)


def _expect_abort(guest: Guest, ours: Job | None, *, aborting: bool = True) -> None:
    if ours is not None:
        remember(guest, ours._replace(aborting=aborting))


def _aborted(guest: Guest, ours: Job) -> None:
    """A job may have come to its own end while it was being cancelled: QEMU is asked."""
    settle(guest, ours._replace(aborting=True))


def await_end(guest: Guest, drive: str, deadline: float = ABORT_DEADLINE) -> None:
    """Waits until QEMU has no job on a drive, with the monitor free for others in between."""
    limit = time.monotonic() + deadline
    pause = 0.002
    while True:
        with guest.monitor() as monitor:
            if progress(monitor, drive) is None:
                return
        if time.monotonic() > limit:
            raise OperationTimeout(f"the block job on '{drive}' did not end within {deadline:g} seconds")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def await_given_up(guest: Guest) -> None:
    """Waits for the jobs that were told to end (`blockjob --abort --async`) and have not yet."""
    for ours in remembered(guest).values():
        if ours.aborting:
            await_end(guest, ours.drive)


def set_speed(context: Context, target: Target, disk: str, bandwidth: int) -> None:
    """Limits a job to so many bytes a second; 0 is no limit."""
    from virtctl.qemu import verbs

    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        found = find_disk(guest.live(), disk)
        with guest.monitor() as monitor:
            if progress(monitor, drive_name(found)) is None:
                raise no_job(found.target)
            verbs.block_job_set_speed(monitor, drive_name(found), bandwidth)
