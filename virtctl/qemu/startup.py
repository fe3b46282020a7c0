"""Starting a guest: record, process, monitor, secrets, go. Whatever fails leaves nothing behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from virtctl.domain.aliases import assign_aliases
from virtctl.domain.domain import Domain
from virtctl.errors import InvalidOperation, OperationTimeout, VirtctlError
from virtctl.qemu import process
from virtctl.qemu.build import build_argv, environment
from virtctl.qemu.context import Context
from virtctl.qemu.guest import MONITOR_LOCK, Guest
from virtctl.qemu.monitorsocket import listen
from virtctl.qemu.plan import Plan
from virtctl.qemu.prepare import prepare, sketch
from virtctl.qemu.privilege import FACT as ACCOUNT
from virtctl.qemu.privilege import chosen_account
from virtctl.state import liveness
from virtctl.state import status as statuses
from virtctl.state.status import Status

if TYPE_CHECKING:
    from virtctl.qemu.monitor import Monitor
    from virtctl.qemu.spawn import Spawned

START_DEADLINE = 30.0
READ_STALL = 2.0  # seconds without reading on after which it has something else to do, or to say
LOAD_STALL = 20.0  # seconds without a byte read, or after the last, after which a restore is given up


class Launch(NamedTuple):
    """How a guest is to be started. `incoming` is an open descriptor of a memory stream; `before_run` is called when
    all is loaded and nothing has run yet.
    """

    persistent: bool = True
    paused: bool = False
    autodestroy: bool = False
    incoming: int | None = None
    reason: str = "booted"
    before_run: Callable[[], None] = lambda: None


def dry_plan(context: Context, domain: Domain) -> Plan:
    """The Plan that a start would have, as far as it can be known without touching the host."""
    live = domain.clone()
    assign_aliases(live)
    return sketch(context, live)


def launch(context: Context, domain: Domain, how: Launch) -> Guest:
    """Starts the guest and returns it running (or paused). The caller holds the domain's lock.

    Raises InvalidOperation when it runs already, QemuFailed with QEMU's words, SystemFault for what the host lacks.
    """
    chosen_account(context.paths)  # a mistake there is told before anything is done
    _refuse_second(context, domain)
    live = domain.clone()
    live.id = statuses.allocate_id(context.paths)
    assign_aliases(live)
    with ExitStack() as undo:
        plan = prepare(context, live, undo, restoring=how.incoming is not None)
        if how.incoming is not None:
            plan.incoming = f"fd:{how.incoming}"
        guest = _record(context, live, plan, how)
        try:
            plan.qmp = listen(context.paths, guest.status.uuid, guest.folder)
            undo.callback(os.close, plan.qmp)
            return _bring_up(guest, plan, how)
        except BaseException:
            statuses.expect_end(context.paths, guest.status.uuid, statuses.FAILED)
            process.terminate(guest.identity, deadline=5.0)
            statuses.conclude(context.paths, guest.status)
            raise


def _refuse_second(context: Context, domain: Domain) -> None:
    """What an earlier start left is cleared away; a guest that runs, known or not, is not started twice."""
    from virtctl.qemu.endings import settle

    uuid = domain.uuid or ""
    known = statuses.load(context.paths, uuid)
    if known is not None and settle(context, known):
        raise InvalidOperation("domain is already running")
    if known is None and process.find_strays(context.paths.runtime, uuid, work=context.paths.work):
        from virtctl.qemu.adoption import find_again

        find_again(context, [uuid])
        raise InvalidOperation("domain is already running")


def _record(context: Context, live: Domain, plan: Plan, how: Launch) -> Guest:
    """The record that is there before the process, so that no crash leaves a guest that nobody knows."""
    status = Status(name=live.name or "", uuid=live.uuid or "", id=live.id or 0, pid=0, start_time=0,
                    boot_id=liveness.boot_id(), state="shut off", reason="starting up", persistent=how.persistent,
                    emulator=plan.emulator, qemu_version=".".join(map(str, plan.qemu_version)),
                    started_at=time.time(), autodestroy=how.autodestroy,
                    facts={"starting": how.reason} | _log_facts(plan) | _account_facts(plan))
    if how.persistent:
        statuses.save(context.paths, status)  # the definition has the name, for as long as we hold the domain's lock
    else:
        context.claim(status)
    guest = Guest(context, status)
    guest.write_live(live)
    return guest


def _account_facts(plan: Plan) -> dict[str, object]:
    return {} if plan.account is None else {ACCOUNT: list(plan.account)}


def _log_facts(plan: Plan) -> dict[str, object]:
    if not plan.logs:
        return {}
    from virtctl.qemu.logkeeping import FACT, facts

    return {FACT: facts(plan.logs)}


def _bring_up(guest: Guest, plan: Plan, how: Launch) -> Guest:
    from virtctl.qemu.failures import explained
    from virtctl.qemu.spawn import clean_environment, spawn

    if plan.account is not None:
        from virtctl.qemu.ownership import admit_all

        admit_all(guest, plan)
    guest.trim_log()
    log_path = guest.context.paths.logs / f"{guest.status.name}.log"
    with explained(guest.context.paths), spawn(
            build_argv(plan), cwd=plan.runtime, log_path=log_path, pass_fds=plan.pass_fds, deadline=START_DEADLINE,
            env=clean_environment(plan.runtime) | environment(plan.domain), account=plan.account) as child:
        who = child.identity
        guest.update(pid=who.pid, start_time=who.start_time, boot_id=who.boot_id, pty=child.pts)
        if plan.keeper is not None:
            plan.keeper.await_up()
        _first_words(guest, plan, how, child)
    for text in plan.warnings:
        guest.context.warn(text)
    return guest


def _first_words(guest: Guest, plan: Plan, how: Launch, child: Spawned) -> None:
    from virtctl.qemu import verbs
    from virtctl.qemu.finishing import finish
    from virtctl.qemu.monitor import first_contact

    if how.incoming is not None:
        _await_read(child, how.incoming)
    with first_contact(child, lock_path=guest.folder / MONITOR_LOCK, name=guest.status.name) as monitor:
        if how.incoming is not None:
            _await_load(monitor, child, how.incoming)
        _fill_in_live(guest, plan, child)
        finish(guest, plan.domain)
        _set_balloon(monitor, plan.domain)
        how.before_run()
        if not how.paused:
            verbs.cont(monitor)
    _note_running(guest, how)


def _note_running(guest: Guest, how: Launch) -> None:
    """From here on the guest is not ended for a fault of ours: what cannot be noted now the next command notes."""
    state, reason = ("paused", "user" if how.reason == "booted" else how.reason) if how.paused else (
        "running", how.reason)
    facts = {key: value for key, value in guest.status.facts.items() if key != "starting"}
    try:
        guest.update(state=state, reason=reason, facts=facts)
        statuses.forget_end(guest.context.paths, guest.status.uuid)
    except VirtctlError as error:
        guest.context.warn(f"domain '{guest.status.name}' runs, but its record could not be written: {error}")


def _fill_in_live(guest: Guest, plan: Plan, child: Spawned) -> None:
    """Writes down which pty each character device got, and what lies below each disk's image."""
    from virtctl.domain.devices.disk import Disk
    from virtctl.qemu.chains import show_chains
    from virtctl.qemu.chardevs import adopt_ptys
    from virtctl.qemu.spawn import shut_out_others

    live = plan.domain
    shut_out_others(child.identity.pid, child.ptys.values())
    if live.devices is not None:
        adopt_ptys(live.devices, {label.removeprefix("char"): pts for label, pts in child.ptys.items()})
        show_chains(guest, live.devices.all(Disk))
    guest.write_live(live)


def _set_balloon(monitor: Monitor, live: Domain) -> None:
    """A guest that is to begin with less than all of its memory is told so; its balloon driver obeys when it is up."""
    from virtctl.domain.devices.memballoon import Memballoon
    from virtctl.qemu import verbs

    balloons = live.devices.all(Memballoon) if live.devices else []
    wanted, most = live.current_memory or 0, live.memory or 0
    if balloons and balloons[0].model != "none" and 0 < wanted < most:
        verbs.balloon(monitor, max(wanted // 1024, 1))


def _await_read(child: Spawned, stream: int) -> None:
    """Waits while QEMU reads the memory, however much it is: it answers nobody meanwhile. Its place in the file is
    ours, so it can be seen to get on.
    """
    length, place = os.fstat(stream).st_size, os.lseek(stream, 0, os.SEEK_CUR)
    limit = time.monotonic() + START_DEADLINE
    while place < length and time.monotonic() < limit:
        if child.ended(0.005):
            raise child.failure()
        before, place = place, os.lseek(stream, 0, os.SEEK_CUR)
        if place != before:
            limit = time.monotonic() + READ_STALL


def _await_load(monitor: Monitor, child: Spawned, stream: int) -> None:
    """Waits until QEMU has read all of the memory. It ends by itself when the stream is not one."""
    from virtctl.qemu import verbs

    limit = time.monotonic() + LOAD_STALL
    pause, place = 0.002, -1
    while True:
        now = os.lseek(stream, 0, os.SEEK_CUR)  # QEMU reads through the same open file
        if now != place:
            limit, place = time.monotonic() + LOAD_STALL, now
        try:
            found = verbs.status(monitor)
        except VirtctlError as error:
            if child.ended(2.0):
                raise child.failure() from error
            raise
        if found.reason != "inmigrate":
            return
        if child.ended(pause):
            raise child.failure()
        if time.monotonic() > limit:
            raise OperationTimeout(f"QEMU did not finish loading the saved memory; it stopped at byte {place}")
        pause = min(pause * 1.3, 0.05)
