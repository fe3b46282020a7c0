"""What another command does with a running guest's memory now, and ending it: domjobinfo, domjobabort."""

from __future__ import annotations

import re
import time

from virtctl.errors import InvalidOperation
from virtctl.qemu.context import Context, Target
from virtctl.qemu.guest import Guest
from virtctl.state.journal import Journal
from virtctl.values import JobInfo

STREAMING = ("setup", "active", "pre-switchover", "device", "cancelling")
# JobInfo's fields, QEMU's words for them in `info migrate`, and the factor from QEMU's unit.
_FIGURES = (("elapsed", "total time", 1), ("processed", "transferred ram", 1024), ("remaining", "remaining ram", 1024),
            ("total", "total ram", 1024), ("constant", "duplicate", 1), ("normal", "normal", 1),
            ("normal_bytes", "normal bytes", 1024), ("dirty_rate", "dirty pages rate", 1),
            ("page_size", "page size", 1024), ("iteration", "dirty sync count", 1),
            ("downtime", "expected downtime", 1), ("setup", "setup", 1))


def job_info(context: Context, target: Target) -> JobInfo | None:
    """The save or dump that is under way, None when there is none. Nothing is waited for."""
    from virtctl.qemu import verbs

    guest = Guest(context, target.active)
    with guest.monitor() as monitor:
        reply = monitor.command("info migrate")
        streaming = verbs.migration(monitor).status in STREAMING
    if streaming:
        return read_figures(reply)
    for record in Journal(context.paths).pending(target.uuid, []):
        if record.op == "dump" and record.in_progress():
            return JobInfo("Dump", elapsed=int((time.time() - record.began) * 1000))
    return None


def read_figures(reply: str) -> JobInfo:
    """The answer to `info migrate`; a figure that QEMU does not give yet is 0."""
    told = dict(re.findall(r"^([a-z ]+): (\d+)", reply, re.MULTILINE))
    rate = re.search(r"^throughput: ([\d.]+) mbps", reply, re.MULTILINE)
    figures = {field: int(told.get(name, 0)) * factor for field, name, factor in _FIGURES}
    return JobInfo("Save", bandwidth=int(float(rate[1]) * 125000) if rate else 0, **figures)


def abort_job(context: Context, target: Target) -> None:
    """Ends a save that another command is at; that command lets the guest go on and removes what it wrote.

    The domain's lock is not taken: the command that saves has it. The stream is torn, not cancelled: QEMU 7.2 goes on
    without its disks when it is cancelled in the last phase (see `saving.let_go_on`).
    """
    from virtctl.errors import MonitorGone
    from virtctl.qemu import verbs
    from virtctl.qemu.qmp import Qmp
    from virtctl.qemu.savestream import ABORTED
    from virtctl.state.atomic import write_file

    guest = Guest(context, target.active)
    with guest.monitor() as monitor:
        if verbs.migration(monitor).status not in STREAMING:
            raise InvalidOperation("no job is active on the domain")
    write_file(guest.folder / ABORTED, b"", sync=False)
    try:
        with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
            qmp.execute("yank", instances=[{"type": "migration"}])
    except MonitorGone:  # the guest was found again and has no other monitor any more
        with guest.monitor() as monitor:
            verbs.migrate_cancel(monitor)
