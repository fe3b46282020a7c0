"""What a command that died left half done: finished where that is certain to be right, else undone, and said.

Nobody has to call for it: `Context.find` and `Context.again` look for records of the domain that a command names, and
this module is loaded when there are some. A record whose writer lives is left alone. No guest is ended here unless it
has never run, or its memory is whole in a file that it was being saved to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from virtctl.errors import OperationFailed, OperationTimeout, VirtctlError
from virtctl.qemu import process
from virtctl.qemu.context import Context
from virtctl.qemu.guest import Guest
from virtctl.state import status as statuses
from virtctl.state.atomic import reap
from virtctl.state.history import Log
from virtctl.state.journal import Journal, Record
from virtctl.state.lock import DomainLock
from virtctl.state.owners import give_back, records
from virtctl.state.status import Status

NEVER_RAN = ("", "prelaunch", "inmigrate")  # QEMU's words for a guest that stands still and has no reason of its own


def recover(context: Context, uuid: str | None = None) -> list[str]:
    """Puts right what was interrupted on one domain or on all; a line for each thing done or not possible."""
    said: list[str] = []
    told = context.warn
    context.warn = said.append
    try:
        _start_keepers(context, [status for status in context.running() if uuid in (None, status.uuid)])
        _adopt_strays(context, uuid)
        problems: list[str] = []
        for one in dict.fromkeys(record.uuid for record in Journal(context.paths).interrupted(uuid, problems)):
            said += _locked(context, one, context.lock_timeout) or []
        said += [text for text in problems if text not in said]
        said += _clear_accounts(context)
    finally:
        context.warn = told
    return said + [f"removed temporary file '{path}'" for path in _reap_all(context)]


def _start_keepers(context: Context, running: list[Status]) -> None:
    """Log keepers that ended before their guests."""
    for status in running:
        if status.facts.get("logs"):
            from virtctl.qemu.logkeeping import revive

            with suppress(OperationTimeout), DomainLock(context.paths, status.uuid, command=context.command, timeout=0):
                revive(context, status)


def _clear_accounts(context: Context) -> Iterator[str]:
    """What guests that ran as another user have left: files that could not go back to their owners, empty folders."""
    paths = context.paths
    for uuid in sorted({*records(paths), *_names_in(paths.work)}):
        try:
            with DomainLock(paths, uuid, command=context.command, timeout=0):
                if statuses.load(paths, uuid) is None and not process.find_strays(paths.runtime, uuid, work=paths.work):
                    yield from give_back(paths, uuid)
                    statuses.clear(paths, uuid)
        except OperationTimeout:  # somebody is at work on it
            continue
        except VirtctlError as error:
            yield str(error)


def _names_in(folder: Path) -> list[str]:
    with suppress(OSError):
        return os.listdir(folder)  # noqa: PTH208 - names only
    return []


def _reap_all(context: Context) -> Iterator[Path]:
    """Temporary files of dead writers, wherever we keep anything."""
    for root in (context.paths.config, context.paths.lib, context.paths.run, context.paths.log):
        for folder, _folders, _files in os.walk(root):
            yield from reap(Path(folder))


def repair(context: Context, uuid: str) -> bool:
    """The same for the domain that a command names, told as warnings; whether there was anything to put right."""
    lines = _locked(context, uuid, 0)
    for line in lines or ():
        context.warn(line)
    with suppress(VirtctlError):  # domstate says nothing: whoever asks later finds it here
        _keep(context, uuid, lines or [])
    return bool(lines)


def _keep(context: Context, uuid: str, lines: list[str]) -> None:
    if lines:
        with Log(context.paths, uuid) as log:
            for line in lines:
                log.add(f"repaired: {line}", context.store.name_of(uuid) or "", context.command)


def _locked(context: Context, uuid: str, timeout: float) -> list[str] | None:
    """Under the domain's lock; None when somebody else is at work on it, who does the same."""
    problems: list[str] = []
    journal = Journal(context.paths, command=context.command)
    if not journal.interrupted(uuid, problems) and not problems:
        return None
    try:
        with DomainLock(context.paths, uuid, command=context.command, timeout=timeout):
            problems = []
            lines = [_mend(context, record) for record in journal.interrupted(uuid, problems)]
    except OperationTimeout:
        return None
    return problems + [line for line in lines if line]


def _mend(context: Context, record: Record) -> str:
    handler = _HANDLERS.get(record.op)
    try:
        if handler is None:
            raise OperationFailed(f"this virtctl knows nothing of '{record.op}'")
        return handler(context, record)
    except (VirtctlError, OSError) as error:
        return f"interrupted {record.op} ({record.command or 'unknown command'}) is still to be put right: {error}"


def _guest(context: Context, uuid: str) -> Guest | None:
    status = statuses.load(context.paths, uuid)
    return Guest(context, status) if status is not None and statuses.is_running(status) else None


def _save(context: Context, record: Record) -> str:
    from virtctl.qemu.saving import finish_interrupted

    return finish_interrupted(context, _guest(context, record.uuid), record)


def _pivot(context: Context, record: Record) -> str:
    from virtctl.qemu.pivot import finish

    return finish(context, _guest(context, record.uuid), record)


def _dump(context: Context, record: Record) -> str:
    from virtctl.qemu.coredump import finish_interrupted

    return finish_interrupted(context, _guest(context, record.uuid), record)


def _image_define(_context: Context, record: Record) -> str:
    from virtctl.qemu.imagefiles import finish_interrupted

    return finish_interrupted(record)


def _block_job(context: Context, record: Record) -> str:
    from virtctl.qemu.jobstart import finish_interrupted

    return finish_interrupted(_guest(context, record.uuid), record)


def _hotplug(context: Context, record: Record) -> str:
    from virtctl.qemu.plugrepair import finish_interrupted

    return finish_interrupted(context, _guest(context, record.uuid), record)


def _vcpus(context: Context, record: Record) -> str:
    from virtctl.qemu.vcpus import finish_interrupted

    return finish_interrupted(_guest(context, record.uuid), record)


def _rename(context: Context, record: Record) -> str:
    context.store.finish_rename(record)
    old, new = record.facts["old"], record.facts["new"]
    return f"an interrupted renaming of domain '{old}' to '{new}' was brought to its end"


def _media(context: Context, record: Record) -> str:
    from virtctl.qemu import media

    finish = media.finish_media if record.op == "media" else media.finish_link
    return finish(_guest(context, record.uuid), record)


def _undefine(context: Context, record: Record) -> str:
    from virtctl.qemu.definitions import finish_undefine

    return finish_undefine(context, record)


def _start_saved(context: Context, record: Record) -> str:
    from virtctl.qemu.restoring import conclude_start

    status = statuses.load(context.paths, record.uuid)
    if status is None or not statuses.is_running(status):
        return conclude_start(record, ran=None)
    if not status.facts.get("starting"):
        return conclude_start(record, ran=True)
    finish_start(context, status)
    return ""


_HANDLERS: dict[str, Callable[[Context, Record], str]] = {
    "save": _save, "pivot": _pivot, "dump": _dump, "save-image-define": _image_define,
    "block-job": _block_job, "rename": _rename, "undefine": _undefine, "start-saved": _start_saved,
    "attach": _hotplug, "detach": _hotplug, "media": _media, "link": _media, "vcpus": _vcpus}


# Interrupted starts


def finish_start(context: Context, status: Status) -> list[Status]:
    """A QEMU whose starter died: one that runs is a guest like any other, one that has never run is ended.

    The caller holds the domain's lock, so the starter is gone. Gives the guest when it runs.
    """
    from virtctl.qemu import verbs

    guest = Guest(context, status)
    with guest.monitor() as monitor:
        found = verbs.status(monitor)
    ran = found.running or found.reason not in NEVER_RAN
    _conclude_saved(context, status.uuid, ran)
    if not ran:
        _end_never_run(context, status)
        return []
    reason = str(status.facts["starting"])
    facts = {key: value for key, value in status.facts.items() if key != "starting"}
    guest.update(state="running" if found.running else "paused", reason=reason if found.running else "unknown",
                 facts=facts)
    statuses.forget_end(context.paths, status.uuid)
    context.warn(f"the start of domain '{status.name}' was interrupted after the guest had begun to run: it goes on")
    return [guest.status]


def _conclude_saved(context: Context, uuid: str, ran: bool) -> None:
    from virtctl.qemu.restoring import conclude_start

    for record in Journal(context.paths).interrupted(uuid, []):
        if record.op == "start-saved":
            context.warn(conclude_start(record, ran=ran))


def _end_never_run(context: Context, status: Status) -> None:
    statuses.expect_end(context.paths, status.uuid, statuses.FAILED)
    process.terminate(process.ProcessId(status.pid, status.start_time, status.boot_id), deadline=5.0)
    statuses.conclude(context.paths, status)
    context.warn(f"the start of domain '{status.name}' was interrupted before the guest ran: it is shut off")


def end_unknown(context: Context, status: Status) -> None:
    """Ends a QEMU that was started for a guest and is not in its record yet: it cannot have run."""
    if status.pid:
        return
    for stray in process.find_strays(context.paths.runtime, status.uuid, work=context.paths.work):
        process.terminate(stray.identity, deadline=5.0)


def _adopt_strays(context: Context, uuid: str | None) -> None:
    """QEMUs of ours of which nothing is recorded anywhere."""
    from virtctl.qemu.adoption import find_again

    known = {status.uuid for status in statuses.all_statuses(context.paths)}
    strays = [stray.uuid for stray in process.find_strays(context.paths.runtime, uuid, work=context.paths.work)
              if stray.uuid not in known]
    if strays:
        find_again(context, strays)

