"""The life of a running guest: what it does now, stopping it, letting it go on, ending it."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from virtctl.errors import (
    InvalidArgument,
    InvalidOperation,
    MonitorError,
    MonitorGone,
    MonitorTimeout,
    OperationFailed,
    SystemFault,
    UnsupportedConfig,
    VirtctlError,
)
from virtctl.qemu import process
from virtctl.qemu.context import Context, Target
from virtctl.qemu.endings import conclude
from virtctl.qemu.failures import explained
from virtctl.qemu.guest import Guest
from virtctl.state import status as statuses
from virtctl.state.status import Ended, Status

if TYPE_CHECKING:
    from virtctl.qemu.monitor import Monitor
    from virtctl.qemu.replies import Status as Reply

DESTROY_DEADLINE = 14.0
RETRY = 1.0  # seconds within which a disk that is still full stops a resumed guest again
QUERY_DEADLINE = 1.5
ENDING = 1.0  # seconds for which a killed QEMU may still be seen after its monitor is gone
# QEMU's word in brackets -> libvirt's state and reason.
_QEMU_STATES = {"": ("paused", "user"), "inmigrate": ("paused", "migrating"), "prelaunch": ("paused", "starting up"),
                "postmigrate": ("paused", "migrating"), "io-error": ("paused", "I/O error"),
                "watchdog": ("paused", "watchdog"), "guest-panicked": ("crashed", "panicked"),
                "internal-error": ("paused", "internal error"), "save-vm": ("paused", "saving"),
                "restore-vm": ("paused", "migrating"), "shutdown": ("in shutdown", "unknown"),
                "suspended": ("pmsuspended", "unknown"), "finish-migrate": ("paused", "saving"),
                "debug": ("paused", "unknown"), "colo": ("paused", "migrating")}


def translate(status: Status, running: bool, reason: str) -> tuple[str, str]:
    """libvirt's state and reason for what QEMU says, keeping the recorded reason where it still holds."""
    if running:
        shutting = status.facts.get("shutdown")
        if shutting:
            return "in shutdown", "unknown"
        return "running", status.reason if status.state in ("running", "in shutdown") else "unpaused"
    if reason in ("", "prelaunch", "postmigrate") and status.state == "paused":
        return "paused", status.reason
    return _QEMU_STATES.get(reason, ("paused", "unknown"))


def ask(guest: Guest, deadline: float) -> tuple[str, str]:
    """What the guest does now, from QEMU itself. Raises MonitorTimeout, MonitorError."""
    from virtctl.qemu import verbs

    with guest.monitor(deadline) as monitor:
        found = verbs.status(monitor, deadline)
    return translate(guest.status, found.running, found.reason)


def current_state(context: Context, target: Target) -> tuple[str, str, bool]:
    """State, reason, and whether they are only the last recorded ones because QEMU did not answer."""
    status = target.status
    if status is None:
        return (*statuses.last_end(context.paths, target.uuid), False)
    if status.facts.get("starting"):
        return "paused", "starting up", False
    guest = Guest(context, status)
    try:
        return (*ask(guest, QUERY_DEADLINE), False)
    except (MonitorTimeout, MonitorError, SystemFault) as error:
        if isinstance(error, MonitorGone):
            process.wait_end(guest.identity, ENDING)
        if not statuses.is_running(status):
            return current_state(context, context.again(target))
        context.warn(f"{error.message}; '{status.state}' is what was last known")
        return status.state, status.reason, True


def _record(guest: Guest, state: str, reason: str) -> None:
    guest.update(state=state, reason=reason)


def suspend(context: Context, target: Target) -> None:
    """Stops the guest's processors."""
    from virtctl.qemu import verbs

    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        with guest.monitor() as monitor:
            verbs.stop(monitor)
            found = verbs.status(monitor)
        if found.running:
            raise OperationFailed("QEMU did not stop the guest")
        _record(guest, "paused", "user")


def resume(context: Context, target: Target) -> None:
    """Lets them go on. A guest that stops again at once, because its disk is still full, is an error."""
    from virtctl.qemu import verbs
    from virtctl.qemu.sources import real_path

    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        with guest.monitor() as monitor:
            before = verbs.status(monitor)
            if before.running and guest.status.state != "paused":
                raise InvalidOperation("domain is already running")
            if before.reason == "guest-panicked":
                raise OperationFailed("domain is crashed", hint="use reset or destroy")
            with explained(context.paths, asker=guest.status.pid):
                verbs.cont(monitor)
            found = _after_retry(monitor) if before.reason == "io-error" else verbs.status(monitor)
            broken = [drive.file for drive in verbs.drives(monitor).values() if drive.io_status != "ok"]
        if not found.running:
            raise _still_stopped(found.reason, [real_path(guest, name) for name in broken if name])
        _record(guest, "running", "unpaused")


def _after_retry(monitor: Monitor) -> Reply:
    """What a guest does that is to repeat what its disk refused: it runs for a moment before it is refused again."""
    from virtctl.qemu import verbs

    limit = time.monotonic() + RETRY
    while (found := verbs.status(monitor)).running and time.monotonic() < limit:
        time.sleep(0.01)
    return found


def _still_stopped(reason: str, images: list[str]) -> VirtctlError:
    if reason == "io-error":
        where = ", ".join(f"'{image}'" for image in images) or "its disks"
        return OperationFailed(f"the guest stopped again with an I/O error on {where}",
                               hint=f"free space on, or repair, what holds {where}, then resume once more")
    if reason == "postmigrate":
        return OperationFailed("the guest's disks cannot be taken back: another process uses them")
    return OperationFailed(f"QEMU did not let the guest go on ({reason or 'paused'})")


def shutdown(context: Context, target: Target, mode: str | None) -> None:
    """Presses the power button; `mode` is virsh's list, of which we have acpi and signal."""
    from virtctl.qemu import verbs

    modes = [word for word in (mode or "acpi").split(",") if word]
    for word in modes:
        if word not in ("acpi", "agent", "initctl", "signal", "paravirt"):
            raise InvalidArgument(f"Unknown mode {word} value, expecting 'acpi', 'agent', 'initctl', 'signal', "
                                  "or 'paravirt'")
    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        if "acpi" not in modes and "agent" in modes:
            raise _no_agent(guest)
        if "acpi" not in modes and "signal" not in modes:
            raise UnsupportedConfig(f"shutdown mode '{modes[0]}' is not supported for QEMU guests")
        if "acpi" in modes:
            with guest.monitor() as monitor:
                verbs.system_powerdown(monitor)
            guest.set_facts(shutdown=True)
            return
        statuses.expect_end(context.paths, target.uuid, statuses.SHUTDOWN)
        process.send_signal(guest.identity, signal.SIGTERM)


def _no_agent(guest: Guest) -> VirtctlError:
    return InvalidOperation("QEMU guest agent is not configured",
                            hint="add a channel named org.qemu.guest_agent.0, or use --mode acpi")


def reboot(context: Context, target: Target, mode: str | None) -> None:
    """Asks the guest to reboot: without its agent that is a power button followed by a reset, so a reset."""
    if mode and "agent" in mode.split(",") and "acpi" not in mode.split(","):
        with context.lock(target.uuid):
            raise _no_agent(Guest(context, context.again(target).active))
    from virtctl.qemu import verbs

    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        with guest.monitor() as monitor:
            verbs.sendkey(monitor, "ctrl-alt-delete")


def reset(context: Context, target: Target) -> None:
    """Presses the reset button."""
    from virtctl.qemu import verbs

    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        with guest.monitor() as monitor:
            verbs.system_reset(monitor)


def destroy(context: Context, target: Target, *, graceful: bool) -> None:
    """Pulls the plug. The reason is on disk before the process is gone, so that it is never called a crash."""
    with context.lock(target.uuid):
        target = context.again(target)
        end(context, target.active, statuses.DESTROYED, graceful=graceful)


def end(context: Context, status: Status, ended: Ended, *, graceful: bool = False) -> None:
    """Ends the QEMU process and keeps why; the caller holds the domain's lock.

    The reason stays when a process does not end that was told so by SIGKILL: then it can do nothing else any more.
    """
    guest = Guest(context, status)
    statuses.expect_end(context.paths, status.uuid, ended)
    try:
        process.terminate(guest.identity, graceful=graceful, deadline=DESTROY_DEADLINE)
    except VirtctlError:
        if graceful:
            statuses.expect_end(context.paths, status.uuid, None)
        raise
    conclude(context, status)
