"""Switching a disk to its copy while the guest stands still, so that nobody can be mistaken about which image counts.

The order, and what a crash at each arrow leaves: record on disk -> stop -> complete the job -> ask QEMU which image is
in use -> stored definition gets its name -> cont -> live definition written -> record gone. From stop to cont both
images hold the same, and the guest cannot end by itself; whoever finds the record asks QEMU, puts the definitions right
and lets the guest go on if it ran. (A guest with an IDE disk that runs through the switch makes QEMU 7.2 abort.)

In between stands nothing that can be done before or after: both images are synced just before, since `stop` syncs them
again, and for the conversation with QEMU this process goes before all that wait for a processor.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from virtctl.domain.domain import read_domain, write_domain
from virtctl.errors import (
    BlockCopyActive,
    InvalidArgument,
    InvalidOperation,
    MonitorError,
    MonitorGone,
    OperationFailed,
    SystemFault,
    VirtctlError,
)
from virtctl.qemu.blockjobs import ACTIVE_COMMIT, COPY, Job, clear_job, forget, is_ready, no_job, progress, remembered
from virtctl.qemu.blockjobs import settle as settle_job
from virtctl.qemu.context import Context, Target
from virtctl.qemu.guest import Guest
from virtctl.qemu.sources import find_disk, put_image
from virtctl.schema.element import Mode
from virtctl.state.atomic import remove_file
from virtctl.state.journal import Journal, Operation, Record
from virtctl.state.names import identify
from virtctl.state.rewrite import Rewrite

if TYPE_CHECKING:
    from virtctl.qemu.monitor import Monitor

SWITCH_DEADLINE = 60.0
LIVE, STORED = Mode(live=True, secure=True), Mode(secure=True)
DEFINITION = "definition"  # the phase in which all is done but the stored definition
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def pivot(context: Context, target: Target, disk: str) -> float:
    """Switches the disk to the copy that its job has made; the milliseconds for which the guest was paused.

    The stored definition names the new image before the guest goes on. Raises BlockCopyActive when the copy is not
    ready, OperationFailed when QEMU did not switch (the guest goes on with the old image), and, with the guest going
    on with the new one, what kept the definition from being written: every later command tries again.
    """
    from virtctl.qemu import verbs

    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        found = find_disk(guest.live(), disk)
        job = remembered(guest).get(found.target or "")
        if job is None:
            raise no_job(found.target)
        _refuse_unready(guest, job)
        with _prepared(guest, job) as papers, _uninterrupted(), guest.monitor() as monitor:
            running = verbs.status(monitor).running
            record = Journal(context.paths, command=context.command).open(
                target.uuid, "pivot", name=guest.status.name, job=job.facts(), running=running)
            try:
                paused = _switch(guest, monitor, job, papers, record)
            except BaseException:
                if record.record.path.exists():
                    record.abandon()
                raise
        remove_gone(guest, job)
        return paused


def _refuse_unready(guest: Guest, job: Job) -> None:
    with guest.monitor() as monitor:
        found = progress(monitor, job.drive)
    if found is None:
        settle_job(guest, job)
        raise no_job(job.target)
    if job.kind not in (COPY, ACTIVE_COMMIT):
        raise InvalidOperation(f"job type '{job.kind}' does not support pivot")
    if not is_ready(guest, found):
        raise BlockCopyActive(f"disk '{job.target}' not ready for pivot yet")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Keeps the few milliseconds of the switch from being cut in two by a Ctrl-C; it is heard right after."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Papers:
    """The live and the stored document with the new image, ready to be put in place of the old ones."""

    def __init__(self, guest: Guest, job: Job, rewrite: Rewrite | None) -> None:
        self._guest = guest
        self._job = job
        self._rewrite = rewrite
        self._live = _changed(guest.live_text(), job, LIVE)

    def store(self) -> VirtctlError | None:
        """Puts the stored one in place; gives back what kept it from it, for the guest is to go on all the same."""
        try:
            if self._rewrite is not None:
                self._rewrite.commit()
        except VirtctlError as error:
            return error
        return None

    def show(self) -> None:
        """Puts the live one in place: the job is over."""
        self._guest.write_live_text(self._live)
        forget(self._guest, self._job.target)


def _changed(text: str | bytes, job: Job, mode: Mode) -> str:
    """A document in which the job's disk has its new image."""
    domain = read_domain(text, mode)
    disk = find_disk(domain, job.target)
    put_image(disk, job.new, keep_backing=job.shallow)
    if job.kind == ACTIVE_COMMIT:
        disk.backing = None  # what lies below the base, its own head says
    return write_domain(domain, mode)


@contextmanager
def _prepared(guest: Guest, job: Job) -> Iterator[Papers]:
    """The documents, written and synced under other names before the guest is stopped."""
    with rewriting(guest.context, guest.status.name, guest.status.uuid, job) as rewrite:
        yield Papers(guest, job, rewrite)


def rewriting(context: Context, name: str, uuid: str, job: Job) -> AbstractContextManager[Rewrite | None]:
    """The change of the stored definition, None where there is none or where its disk has another image already."""
    store = context.store
    try:
        text = store.load(name)  # one that cannot be read just now is there all the same: the error goes up
        if identify(text).uuid != uuid:
            return nullcontext()
    except SystemFault:
        raise
    except VirtctlError:  # there is none, or it is no definition
        return nullcontext()
    try:
        disk = find_disk(read_domain(text, STORED), job.target)
    except InvalidArgument:
        return nullcontext()
    if disk.image != job.old.path:
        return nullcontext()
    return Rewrite(context.paths, store.path_of(name), uuid, _changed(text, job, STORED),
                   what=f"disk {job.target} moved to {job.new.path}", command=context.command,
                   timeout=context.lock_timeout)


def _switch(guest: Guest, monitor: Monitor, job: Job, papers: Papers, record: Operation) -> float:
    """The window: from `stop` to `cont`."""
    from virtctl.qemu import verbs

    running = bool(record.record.facts["running"])
    for image in (job.old, job.new):
        _sync(image.path)
    with _urgent():
        began = time.perf_counter()
        if running:
            verbs.stop(monitor)
        refusal = _complete(monitor, job)
        done = switched(monitor, job)
        trouble = papers.store() if done else None
        if trouble is not None:
            record.phase(DEFINITION)
        if running:
            verbs.cont(monitor)
        paused = (time.perf_counter() - began) * 1000
    if not done:
        record.done()
        _drop_if_over(guest, monitor, job)
        raise OperationFailed(f"block job '{job.drive}' failed while pivoting{refusal}; "
                              f"disk '{job.target}' still uses '{job.old.path}'")
    papers.show()
    if trouble is not None:
        raise _unwritten(guest.context, guest.status.name, job, trouble) from trouble
    record.done()
    return paused


def _sync(path: str) -> None:
    """What is written to an image goes to its disk now, as far as it can be told; not every image is a file."""
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)


@contextmanager
def _urgent() -> Iterator[None]:
    """Goes before all ordinary processes, where it may: a guest that stands still waits for no busy host."""
    try:
        before = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setscheduler(0, *before)


def _complete(monitor: Monitor, job: Job) -> str:
    """Tells the job to switch and waits for its end; why it refused, "" when it did not."""
    from virtctl.qemu import verbs

    try:
        verbs.block_job_complete(monitor, job.drive, SWITCH_DEADLINE)
        verbs.await_job_end(monitor, job.drive, SWITCH_DEADLINE)
    except MonitorGone:
        raise
    except MonitorError as error:
        return f": {error.message}"
    return ""


def switched(monitor: Monitor, job: Job) -> bool:
    """Whether the disk uses the copy now, from QEMU itself."""
    from virtctl.qemu import verbs

    drive = verbs.drives(monitor).get(job.drive)
    return drive is not None and drive.file == job.after


def _drop_if_over(guest: Guest, monitor: Monitor, job: Job) -> None:
    if progress(monitor, job.drive) is None:
        clear_job(guest, job)


def _unwritten(context: Context, name: str, job: Job, trouble: VirtctlError) -> OperationFailed:
    return OperationFailed(
        f"disk '{job.target}' of domain '{name}' was switched to '{job.new.path}', but the definition "
        f"'{context.store.path_of(name)}' still names '{job.old.path}': {trouble}",
        hint="every later command on this domain tries to write it again; do not start it elsewhere before")


def remove_gone(guest: Guest, job: Job) -> None:
    """Removes the images that a commit was to leave behind, none of which is in use any more."""
    for path in job.gone:
        try:
            remove_file(Path(path))
        except SystemFault as error:
            guest.context.warn(str(error))


def adopt_image(guest: Guest, job: Job) -> None:
    """A switch that QEMU has made and we have not written down: does that. The caller holds the domain's lock."""
    context, name = guest.context, guest.status.name
    trouble = _follow(context, guest, name, guest.status.uuid, job)
    if trouble is not None:
        record = Journal(context.paths, command=context.command).open(
            guest.status.uuid, "pivot", name=name, job=job.facts(), running=False)
        record.phase(DEFINITION)
        record.abandon()
        raise _unwritten(context, name, job, trouble) from trouble


def finish(context: Context, guest: Guest | None, record: Record) -> str:
    """Ends a pivot that was interrupted; one line that says how. The caller holds the domain's lock.

    QEMU is asked which image is in use. Without QEMU both images hold the same, for the guest stood still, and the
    definition may name either; in the last phase it has to name the new one. Raises what keeps it from being written:
    the record stays.
    """
    job = Job.read(record.facts["job"])
    name = str(record.facts["name"])
    begun = record.phase != DEFINITION
    if guest is None and begun:
        record.done()
        return f"a pivot of disk '{job.target}' of domain '{name}' was cut off by the guest's end; its images are equal"
    done = not begun or (guest is not None and _outcome(guest, job))
    trouble = _follow(context, guest, name, record.uuid, job) if done else None
    if begun and guest is not None:
        if trouble is not None:
            record.advance(DEFINITION)
        if record.facts["running"]:
            _let_go_on(guest)
    if trouble is not None:
        raise _unwritten(context, name, job, trouble) from trouble
    record.done()
    if done and guest is not None:
        remove_gone(guest, job)
    if not done:
        return (f"an interrupted pivot of disk '{job.target}' of domain '{name}' did not switch: "
                f"the guest goes on with '{job.old.path}'")
    went_on = "the definition names it now" if not begun else "the guest goes on with it"
    return f"disk '{job.target}' of domain '{name}' was switched to '{job.new.path}' by an interrupted pivot: {went_on}"


def _outcome(guest: Guest, job: Job) -> bool:
    """Whether the switch was made. One that was begun ends within milliseconds; a job that stays was not told to."""
    limit = time.monotonic() + 1.0
    while True:
        with guest.monitor() as monitor:
            if switched(monitor, job):
                return True
            if progress(monitor, job.drive) is None or time.monotonic() > limit:
                return switched(monitor, job)
        time.sleep(0.005)


def _follow(context: Context, guest: Guest | None, name: str, uuid: str, job: Job) -> VirtctlError | None:
    """Writes the new image down, live document first; gives back what kept the stored one from being written."""
    if guest is not None and job.target in remembered(guest):
        Papers(guest, job, None).show()
    try:
        with rewriting(context, name, uuid, job) as rewrite:
            if rewrite is not None:
                rewrite.commit()
    except VirtctlError as error:
        return error
    return None


def _let_go_on(guest: Guest) -> None:
    """Undoes our own `stop`; a guest that stands still for another reason is left alone."""
    from virtctl.qemu import verbs

    with guest.monitor() as monitor:
        found = verbs.status(monitor)
        if not found.running and found.reason == "":
            verbs.cont(monitor)
