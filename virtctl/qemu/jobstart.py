"""Beginning a block job: what was made for one that did not begin is taken away again, by us or by the next command."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from virtctl.errors import InternalError, VirtctlError
from virtctl.qemu.blockjobs import Job, progress, remembered, settle
from virtctl.qemu.guest import Guest
from virtctl.state.atomic import reap, remove_file
from virtctl.state.journal import Journal, Operation, Record


class Beginning:
    """A `with` block in which a job is made ready and QEMU is told to begin it; there is a record of it on disk.

    An error in the block undoes what was made, unless QEMU has the job all the same. The caller holds the domain's
    lock.
    """

    def __init__(self, guest: Guest, job: Job) -> None:
        self._guest = guest
        self._job = job
        self._record: Operation | None = None

    def __enter__(self) -> Beginning:
        context = self._guest.context
        self._record = Journal(context.paths, command=context.command).open(
            self._guest.status.uuid, "block-job", name=self._guest.status.name, job=self._job.facts(), file=None,
            empty=False)
        return self

    def made(self, found: os.stat_result, *, empty: bool = False) -> None:
        """Notes which file, by its inode, is the job's new image; `empty`: it was there already and held nothing."""
        if self._record is not None:
            self._record.phase("made", file=[found.st_dev, found.st_ino], empty=empty)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._record is None:
            return
        try:
            if error is None:
                self._record.done()
            else:
                finish_interrupted(self._guest, self._record.record)
        except (VirtctlError, OSError) as trouble:
            self._guest.context.warn(f"the next command on domain '{self._guest.status.name}' clears up: {trouble}")
            with suppress(VirtctlError):
                self._record.abandon()
        if isinstance(error, InternalError):
            raise self._explained(error) from error

    def _explained(self, error: InternalError) -> VirtctlError:
        """Who uses the image where QEMU could not lock it."""
        from virtctl.qemu.failures import explain

        return explain(error, self._guest.context.paths, image=self._job.base or self._job.new.path,
                       asker=self._guest.status.pid)


def finish_interrupted(guest: Guest | None, record: Record) -> str:
    """What becomes of a job whose beginning was cut off: QEMU is asked whether it has it. One line that says so."""
    job = Job.read(record.facts["job"])
    what = f"block {job.kind} of disk '{job.target}' of domain '{record.facts['name']}'"
    if guest is not None:
        if _has(guest, job):
            record.done()
            return f"an interrupted command had begun the {what}: it goes on"
        if job.target in remembered(guest):
            settle(guest, job._replace(aborting=True))
    _take_away(Path(job.new.path), record)
    record.done()
    return f"the {what} had not begun when its command was interrupted"


def _has(guest: Guest, job: Job) -> bool:
    """Whether QEMU has the job, or is done with it: then the new image is its own."""
    from virtctl.qemu import verbs

    with guest.monitor() as monitor:
        if progress(monitor, job.drive) is not None:
            return True
        drive = verbs.drives(monitor).get(job.drive)
    return job.after != job.before and drive is not None and drive.file == job.after


def _take_away(path: Path, record: Record) -> None:
    """Removes the image that was made, or empties the file that was there; nothing else that may be there by now."""
    reap(path.parent)
    with suppress(FileNotFoundError):
        found = path.stat()
        if [found.st_dev, found.st_ino] != record.facts["file"]:
            return
        if record.facts["empty"]:
            os.truncate(path, 0)
        else:
            remove_file(path)
