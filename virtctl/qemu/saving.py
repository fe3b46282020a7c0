"""Saving a guest's memory into a file, and ending the guest when every byte of it is on the disk.

The order, and what a crash at each arrow leaves: record -> stream -> sync and rename -> end of QEMU -> record gone. Up
to the renaming the guest goes on (a guard process sees to it at once, else the next command); from there on the image
is whole and the guest is ended.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from virtctl.errors import ImageError, InvalidOperation, OperationFailed, OperationTimeout, VirtctlError
from virtctl.qemu.context import Context, Target
from virtctl.qemu.failures import explained
from virtctl.qemu.guest import Guest
from virtctl.qemu.lifecycle import DESTROY_DEADLINE, end
from virtctl.qemu.process import ended_within, terminate
from virtctl.qemu.savestream import SOCKET, stream
from virtctl.qemu.standstill import take_back
from virtctl.state import status as statuses
from virtctl.state.atomic import make_dir, reap, remove_file, sync_folder, temp_beside
from virtctl.state.journal import Journal, Operation, Record
from virtctl.state.settings import load_settings
from virtctl.values import SaveOptions

if TYPE_CHECKING:
    from virtctl.qemu.monitor import Monitor
    from virtctl.qemu.savewriter import ImageWriter

PATIENCE = 5.0  # seconds within which QEMU sees that nobody reads its stream any more
FINISHING = "finish-migrate"

def save(context: Context, target: Target, path: Path, options: SaveOptions) -> None:
    """Saves the guest into `path`. Whatever fails, the guest goes on as it was and an older file stays whole."""
    from virtctl.qemu.savewriter import ImageWriter

    path = path.absolute()
    with context.lock(target.uuid):
        target = context.again(target)
        guest = Guest(context, target.active)
        _refuse_jobs(guest)
        was_running = _is_running(guest)
        xml = options.xml or saved_document(guest)
        compression = options.compression or load_settings(context.paths).save_image_format
        record = Journal(context.paths, command=context.command).open(
            target.uuid, "save", name=guest.status.name, final=os.path.realpath(path), file=None, kept=None,
            running=was_running)
        with Guard(guest, record):
            try:
                with ImageWriter(path, xml, compression=compression,
                                 bypass_cache=options.bypass_cache) as writer:
                    _note_files(record, path, writer)
                    stream(guest, writer, options.progress)
                    writer.finish(running=was_running if options.running is None else options.running)
                statuses.expect_end(context.paths, target.uuid, statuses.SAVED)
            except BaseException:
                _undo(guest, was_running, record)
                raise
            terminate(guest.identity, deadline=DESTROY_DEADLINE)
            statuses.conclude(context.paths, guest.status)
            if record.record.facts["kept"] is not None:
                remove_file(Path(record.record.facts["kept"]))
            record.done()


def _note_files(record: Operation, path: Path, writer: ImageWriter) -> None:
    """The record says which file (by its inode) will be the image: whether it has its name yet can be seen later."""
    if writer.temp is None:
        raise ImageError("the image is already complete or given up")
    found = writer.temp.stat()
    record.phase("writing", file=[found.st_dev, found.st_ino], kept=_keep_older(path))


def _keep_older(path: Path) -> str | None:
    """Another name for the image that is to be replaced, under which it is found when the replacing fails."""
    kept = temp_beside(path)
    try:
        kept.hardlink_to(os.path.realpath(path))
    except OSError:  # there is none, or the file system has no links: then only a failed sync of the folder can hurt
        return None
    return str(kept)


def saved_document(guest: Guest) -> str:
    """The document that goes into the image: what a start needs, secrets included, nothing of this run."""
    from virtctl.domain.domain import write_domain
    from virtctl.qemu.documents import forget_runtime
    from virtctl.schema.element import Mode

    live = guest.live()
    forget_runtime(live, guest.work)
    return write_domain(live, Mode(secure=True, migratable=True))


def _refuse_jobs(guest: Guest) -> None:
    """A guest whose disks are being copied cannot be saved; a job that ended unnoticed, or was told to end, is not in
    the way.
    """
    from virtctl.qemu import verbs
    from virtctl.qemu.blockjobs import await_given_up, remembered, settle

    await_given_up(guest)
    with guest.monitor() as monitor:
        if verbs.block_jobs(monitor):
            raise InvalidOperation("domain has active block job")
    for job in remembered(guest).values():
        try:
            settle(guest, job)
        except OperationFailed as error:
            guest.context.warn(error.message)


def _is_running(guest: Guest) -> bool:
    from virtctl.qemu import verbs

    take_back(guest)  # it may stand still since a save that was cut off
    with guest.monitor() as monitor:
        found = verbs.status(monitor)
        verbs.migration(monitor)  # what will have to be understood later is seen to be, before anything begins
    if found.reason in ("inmigrate", FINISHING):
        raise OperationFailed(f"the guest cannot be saved now: it is {found.reason}")
    return found.running


class Guard:
    """A child that ends the save if this process dies in the middle of it, whatever kills it: mostly, lets the guest
    go on, or has it paused with its disks its own again.

    It waits for the end of a pipe; the word `done` first means that all is well. It has our lock as well, so nobody
    comes in between.
    """

    def __init__(self, guest: Guest, record: Operation) -> None:
        self._guest = guest
        self._record = record
        self._end = -1
        self._pid = 0

    def __enter__(self) -> Guard:
        reader, self._end = os.pipe()
        saver = os.pidfd_open(os.getpid())
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._end)
            _stand_by(self._guest, self._record.record.path, reader, saver)
        os.close(saver)
        os.close(reader)
        return self

    def __exit__(self, *_: object) -> None:
        if self._end < 0:
            return
        with suppress(OSError):  # somebody may have killed it
            os.write(self._end, b"done")
        os.close(self._end)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def _stand_by(guest: Guest, path: Path, reader: int, saver: int) -> NoReturn:
    """The child: in a session of its own, so that a terminal's Ctrl-C does not reach it."""
    try:
        os.setsid()
        if os.read(reader, 4) == b"":
            guest.context.warn = _say_nothing
            ended_within(saver, 5.0)  # its files are closed a moment before it is gone
            for record in Journal(guest.context.paths).interrupted(guest.status.uuid, []):
                if record.path == path:
                    finish_interrupted(guest.context, guest if statuses.is_running(guest.status) else None, record)
    except (OSError, VirtctlError):
        os._exit(1)
    finally:
        os._exit(0)


def _say_nothing(text: str) -> None:
    """Where nobody reads."""


def finish_interrupted(context: Context, guest: Guest | None, record: Record) -> str:
    """Ends a save that was cut off; one line that says how. The caller holds the domain's lock.

    An image that has its name is whole: the guest whose memory it holds is ended. Before that the guest goes on if it
    ran, and what was written is removed.
    """
    name, final = str(record.facts["name"]), Path(str(record.facts["final"]))
    if not _has_its_name(final, record):
        return _take_back(guest, record)
    sync_folder(final.parent)
    if record.facts["kept"] is not None:
        remove_file(Path(str(record.facts["kept"])))
    if guest is not None and not _stands_still(guest):
        aside = final.with_name(f"{final.name}.outdated")
        final.rename(aside)
        record.done()
        return f"domain '{name}' went on after it had been saved: its image is kept as '{aside}'"
    if guest is not None:
        end(context, guest.status, statuses.SAVED)
    record.done()
    return f"an interrupted save of domain '{name}' was brought to its end: it is in '{final}'"


def _has_its_name(final: Path, record: Record) -> bool:
    try:
        found = final.stat()
    except OSError:
        return False
    device, inode = record.facts["file"] or (0, 0)
    return (found.st_dev, found.st_ino) == (int(device), int(inode))


def _stands_still(guest: Guest) -> bool:
    """Whether the guest is as the stream left it: it cannot have changed anything since."""
    from virtctl.qemu import verbs

    with guest.monitor() as monitor:
        found = verbs.status(monitor)
    return not found.running and found.reason == "postmigrate"


def _take_back(guest: Guest | None, record: Record) -> str:
    name, final = str(record.facts["name"]), str(record.facts["final"])
    reap(Path(final).parent)  # the unfinished image, and the second name of an older one
    went_on = ""
    if guest is not None:
        (guest.work / SOCKET).unlink(missing_ok=True)
        let_go_on(guest, run=bool(record.facts["running"]))
        went_on = ", the guest goes on" if record.facts["running"] else ""
    record.done()
    return f"an interrupted save of domain '{name}' into '{final}' was undone{went_on}"


def let_go_on(guest: Guest, *, run: bool = True, deadline: float = 10.0) -> None:
    """Waits until the stream whose reader is gone is over, and lets the guest run, or has it paused as it was.

    Raises OperationTimeout, and OperationFailed when a paused guest cannot have its disks back.

    QEMU finds out by itself. Cancelling would be wrong: in the stream's last phase that makes QEMU 7.2 go on with disks
    that it has given up already, and abort at the next save.
    """
    from virtctl.qemu import verbs

    limit = time.monotonic() + deadline
    while time.monotonic() < limit:
        with guest.monitor(deadline) as monitor:
            found = verbs.migration(monitor).status
            if found not in ("setup", "active", "cancelling", "device") and not _is_finishing(monitor):
                if run:
                    with explained(guest.context.paths, asker=guest.status.pid):
                        _continue(monitor, cancelled=found == "cancelled")
                break
            if time.monotonic() > limit - deadline + PATIENCE:
                verbs.stop(monitor)  # a guest that stands still loses nothing by being cancelled
                verbs.migrate_cancel(monitor)
        time.sleep(0.005)
    else:
        raise OperationTimeout("QEMU did not give up the broken stream of the guest's memory")
    if not run:
        take_back(guest)


def _is_finishing(monitor: Monitor) -> bool:
    """QEMU tells the outcome of a stream a moment before it has done with it."""
    from virtctl.qemu import verbs

    return verbs.status(monitor).reason == FINISHING


def _continue(monitor: Monitor, *, cancelled: bool) -> None:
    from virtctl.qemu import verbs

    if cancelled:  # by somebody else: then the disks are only sure to be QEMU's again after a `cont`
        verbs.stop(monitor)
    if not verbs.status(monitor).running:
        verbs.cont(monitor)


def _undo(guest: Guest, was_running: bool, record: Operation) -> None:
    """The guest goes on, the older image has its name; the record is dropped only when that is certain."""
    try:
        _put_older_back(record.record)
        if statuses.is_running(guest.status):
            statuses.expect_end(guest.context.paths, guest.status.uuid, None)
            let_go_on(guest, run=was_running)
            (guest.work / SOCKET).unlink(missing_ok=True)
        record.done()
    except (VirtctlError, OSError) as error:
        guest.context.warn(f"domain '{guest.status.name}' could not be resumed: {error}")
        with suppress(VirtctlError):
            record.abandon()


def _put_older_back(record: Record) -> None:
    final, kept = Path(str(record.facts["final"])), record.facts["kept"]
    if _has_its_name(final, record):
        final.unlink() if kept is None else Path(kept).rename(final)
    elif kept is not None:
        Path(kept).unlink(missing_ok=True)


def managed_save(context: Context, target: Target, options: SaveOptions) -> None:
    """Saves the guest where the next start finds it."""
    with context.lock(target.uuid):
        target = context.again(target)
        if not target.persistent:
            raise InvalidOperation("cannot do managed save for transient domain")
        make_dir(context.paths.saves)
        save(context, target, context.store.managed_save(target.name), options)


def remove_managed(context: Context, target: Target) -> bool:
    """Removes the managed save; False when there is none."""
    from virtctl.qemu.saveimage import remove_image

    with context.lock(target.uuid):
        return remove_image(context.store.managed_save(context.again(target).name))
