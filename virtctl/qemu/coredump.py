"""`dump`: the guest's memory as a core file for crash and gdb, or as a bare migration stream."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from virtctl.errors import InvalidArgument, OperationFailed, OperationUnsupported
from virtctl.qemu.context import Context, Target
from virtctl.qemu.guest import Guest
from virtctl.qemu.lifecycle import end
from virtctl.state import status as statuses
from virtctl.state.atomic import create_temp, discard, sync_folder
from virtctl.values import DumpCoreOptions

FORMATS = {"elf": "elf", "kdump-zlib": "kdump-zlib", "kdump-lzo": "kdump-lzo", "kdump-snappy": "kdump-snappy",
           "win-dmp": "win-dmp"}


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
    import os

    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        fd, temp = create_temp(path)
        try:
            _write(guest, temp, options)
            os.fsync(fd)
            temp.rename(path)
        except BaseException:
            discard(fd, temp)
            raise
        os.close(fd)
        sync_folder(path.parent)
        _afterwards(context, guest, options)


def _write(guest: Guest, temp: Path, options: DumpCoreOptions) -> None:
    from virtctl.qemu import verbs
    from virtctl.qemu.monitor import short_path
    from virtctl.qemu.qmp import Qmp

    with guest.monitor() as monitor:
        was_running = verbs.status(monitor).running
        if was_running and not options.live:
            verbs.stop(monitor)
    link = short_path(guest.folder, temp)
    try:
        with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
            arguments: dict[str, Any] = {"paging": False, "protocol": f"file:{link}", "detach": True}
            if options.format is not None:
                arguments["format"] = FORMATS[options.format]
            qmp.execute("dump-guest-memory", 10.0, **arguments)
            _await(qmp, options)
    finally:
        (guest.folder / link).unlink(missing_ok=True)
        if was_running and not options.live and not options.crash:
            with guest.monitor() as monitor:
                verbs.cont(monitor)


def _await(qmp: Any, options: DumpCoreOptions) -> None:  # noqa: ANN401 - a Qmp, which is loaded where it is used
    while True:
        found = qmp.execute("query-dump")
        if options.progress is not None and found["total"]:
            options.progress(found["completed"], found["total"])
        if found["status"] == "completed":
            return
        if found["status"] == "failed":
            raise OperationFailed("QEMU could not write the dump", hint="is there room for the guest's memory?")
        time.sleep(0.02)


def _afterwards(context: Context, guest: Guest, options: DumpCoreOptions) -> None:
    from virtctl.qemu import verbs

    if options.crash:
        end(context, guest.status, statuses.CRASHED)
    elif options.reset:
        with guest.monitor() as monitor:
            verbs.system_reset(monitor)
