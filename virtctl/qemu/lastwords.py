"""What became of a QEMU that is gone, as far as it can be told: how it ended, and what it printed last."""

from __future__ import annotations

from contextlib import suppress

from virtctl.errors import MonitorGone, VirtctlError
from virtctl.qemu.context import Context
from virtctl.state import status as statuses
from virtctl.state.status import Status

GONE = 1.0  # seconds for which a process may still be seen after its monitor is gone
_UNSEEN = (statuses.SHUTDOWN, statuses.CRASHED, statuses.UNKNOWN)  # ends that no command of ours brought about
_MAX_LOG = 16 << 20


def told(context: Context, status: Status) -> str:
    """One line. QEMU removes its pidfile when it ends in good order; nobody but its parent learns the signal else."""
    said = _last_words(context, status.name)
    if statuses.how_ended(context.paths, status) == statuses.SHUTDOWN:
        return f"process {status.pid} ended in good order{': ' * bool(said)}{said}"
    why = "killed by signal 9 (by hand, or by the kernel when memory ran out) or crashed"
    return f"process {status.pid} was {why}{'; its last words: ' * bool(said)}{said}"


def explain(context: Context, uuid: str, error: VirtctlError) -> None:
    """Adds it to an error of a command during which the guest's QEMU ended."""
    from virtctl.qemu.process import ProcessId, wait_end

    with suppress(VirtctlError, OSError):
        status = statuses.load(context.paths, uuid)
        if status is None or not status.pid or status.facts.get("starting"):
            return
        if isinstance(error, MonitorGone):
            wait_end(ProcessId(status.pid, status.start_time, status.boot_id), GONE)
        if not statuses.is_running(status) and statuses.how_ended(context.paths, status) in _UNSEEN:
            error.message += f"; QEMU {told(context, status)}"


def note(context: Context, status: Status) -> None:
    """Keeps how a guest ended in its history, unless a command of ours ended it."""
    from virtctl.state.history import Log

    ended = statuses.how_ended(context.paths, status)
    if ended in _UNSEEN and status.pid:
        with suppress(VirtctlError), Log(context.paths, status.uuid) as log:
            log.add(f"ended: {ended.reason}: {told(context, status)}", status.name, context.command)


def _last_words(context: Context, name: str) -> str:
    """What QEMU printed in this run, which begins where it announced its monitor."""
    from virtctl.qemu.spawn import last_run, last_words
    from virtctl.state.atomic import read_file

    with suppress(OSError, VirtctlError):
        return last_words(last_run(read_file(context.paths.logs / f"{name}.log", _MAX_LOG)))
    return ""
