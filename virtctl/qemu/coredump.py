"""`dump`: the guest's memory as a core file for crash and gdb, or as a bare migration stream."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virtctl.errors import (
    InvalidArgument,
    MonitorGone,
    OperationFailed,
    OperationUnsupported,
    SystemFault,
    VirtctlError,
)
from virtctl.qemu.context import Context, Target
from virtctl.qemu.guest import Guest
from virtctl.qemu.lifecycle import end
from virtctl.state import status as statuses
from virtctl.state.atomic import create_temp, discard, reap, sync_folder
from virtctl.state.journal import Journal, Operation, Record
from virtctl.values import DumpCoreOptions, Progress

if TYPE_CHECKING:
    from virtctl.qemu.qmp import Qmp

FORMATS = {"elf": "elf", "kdump-zlib": "kdump-zlib", "kdump-lzo": "kdump-lzo", "kdump-snappy": "kdump-snappy",
           "win-dmp": "win-dmp"}
WHOLE = "whole"  # the phase in which the file has its name, and only the guest's end or reset is left


def dump(context: Context, target: Target, path: Path, options: DumpCoreOptions) -> None:
    """Writes the dump beside its name and renames it when it is whole. The guest goes on as it was, or is ended or
    reset where that was asked for; on failure it goes on and nothing is left behind.
    """
    if options.format is not None and not options.memory_only:
        raise InvalidArgument("dumpformat is only supported with --memory-only")
    if options.format is not None and options.format not in FORMATS:
        raise InvalidArgument(f"format '{options.format}' is not supported, expecting 'kdump-zlib', 'kdump-lzo', "
                              "'kdump-snappy', 'elf' or 'win-dmp'")
    if not options.memory_only:
        raise OperationUnsupported("only dumps of the memory are made: use --memory-only",
                                   hint="'save' writes the whole state of the guest")
    from virtctl.qemu.savewriter import regular_target

    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        real = regular_target(path)
        record = Journal(context.paths, command=context.command).open(
            target.uuid, "dump", name=guest.status.name, final=os.path.realpath(real), running=_is_running(guest))
        try:
            _into(guest, real, options, record)
            record.phase(WHOLE, crash=options.crash, reset=options.reset)
        except BaseException:
            _undo(guest, record)
            raise
        _afterwards(context, guest, record.record)
        record.done()


def _is_running(guest: Guest) -> bool:
    from virtctl.qemu import verbs

    with guest.monitor() as monitor:
        return verbs.status(monitor).running


def _into(guest: Guest, path: Path, options: DumpCoreOptions, record: Operation) -> None:
    """QEMU writes beside the name, which is given when all is on the disk."""
    fd, temp = create_temp(path)
    try:
        _write(guest, fd, options, running=bool(record.record.facts["running"]))
        os.fsync(fd)
        temp.rename(path)
    except BaseException as error:
        discard(fd, temp)
        if isinstance(error, OSError):
            raise SystemFault(f"cannot write dump '{path}'", error) from error
        raise
    os.close(fd)
    sync_folder(path.parent)


def _write(guest: Guest, fd: int, options: DumpCoreOptions, *, running: bool) -> None:
    """QEMU stops the guest for the dump and lets it go on by itself, even if we are gone by then; one that is to end
    with the dump must not go on.
    """
    from virtctl.qemu import verbs
    from virtctl.qemu.qmp import Qmp

    if running and options.crash:
        with guest.monitor() as monitor:
            verbs.stop(monitor)
    with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        qmp.pass_fd("dump", fd)
        arguments: dict[str, Any] = {"paging": False, "protocol": "fd:dump", "detach": True}
        if options.format is not None:
            arguments["format"] = FORMATS[options.format]
        qmp.execute("dump-guest-memory", 10.0, **arguments)
        _await(qmp, options)


def _undo(guest: Guest, record: Operation) -> None:
    """The guest goes on; where that is not certain the record stays for the next command."""
    try:
        if statuses.is_running(guest.status):
            _let_go_on(guest, running=bool(record.record.facts["running"]))
        record.done()
    except VirtctlError as error:
        guest.context.warn(f"domain '{guest.status.name}' could not be resumed: {error}")
        with suppress(VirtctlError):
            record.abandon()


def _let_go_on(guest: Guest, *, running: bool) -> None:
    """Waits for the end of a dump that QEMU still writes, and undoes our own `stop`."""
    from virtctl.qemu import verbs
    from virtctl.qemu.qmp import Qmp

    with suppress(MonitorGone), Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        _await_end(qmp)
    if not running:
        return
    with guest.monitor() as monitor:
        found = verbs.status(monitor)
        if not found.running and found.reason in ("", "save-vm"):
            verbs.cont(monitor)


def finish_interrupted(context: Context, guest: Guest | None, record: Record) -> str:
    """Ends a dump that was cut off: the guest goes on if it ran, what was written is removed; but one that is whole is
    followed by what was to follow it.
    """
    name, final = str(record.facts["name"]), Path(str(record.facts["final"]))
    whole = record.phase == WHOLE
    if guest is not None:
        if whole:
            _afterwards(context, guest, record)
        else:
            _let_go_on(guest, running=bool(record.facts["running"]))
    reap(final.parent)
    record.done()
    return f"an interrupted dump of domain '{name}' into '{final}' was {'brought to its end' if whole else 'undone'}"


def _await_end(qmp: Qmp, progress: Progress | None = None) -> str:
    """Waits while QEMU writes a dump; its word for how that ended."""
    while True:
        found = qmp.execute("query-dump")
        if progress is not None and found["total"]:
            progress(found["completed"], found["total"])
        if found["status"] != "active":
            return str(found["status"])
        time.sleep(0.02)


def _await(qmp: Qmp, options: DumpCoreOptions) -> None:
    if _await_end(qmp, options.progress) != "completed":
        raise OperationFailed("QEMU could not write the dump", hint="is there room for the guest's memory?")


def _afterwards(context: Context, guest: Guest, record: Record) -> None:
    from virtctl.qemu import verbs

    if record.facts["crash"]:
        end(context, guest.status, statuses.CRASHED)
    elif record.facts["reset"]:
        with guest.monitor() as monitor:
            verbs.system_reset(monitor)
