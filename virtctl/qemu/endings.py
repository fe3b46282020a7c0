"""Guests that are gone, and guests whose start was cut off: what they left is cleared away, or the start finished."""

from __future__ import annotations

from virtctl.errors import OperationTimeout, VirtctlError
from virtctl.qemu.context import Context
from virtctl.state import status as statuses
from virtctl.state.lock import DomainLock
from virtctl.state.owners import record_path
from virtctl.state.status import Status


def conclude(context: Context, status: Status) -> None:
    """Keeps how a guest that is gone has ended, and clears away what it left. The caller holds the domain's lock."""
    statuses.conclude(context.paths, status)
    if status.facts.get("account") and record_path(context.paths, status.uuid).exists():
        context.warn(f"images of domain '{status.name}' could not be given back to their owners: "
                     "'recover' tries again and says why")


def settle(context: Context, status: Status) -> list[Status]:
    """Concludes a guest whose process is gone, and decides about one whose starter is; what runs after that.

    Whoever starts a guest holds its lock until it runs; the guest has its name from the first record on, so for others
    it is there. A reader that cannot have the lock leaves all to its holder.
    """
    try:
        with DomainLock(context.paths, status.uuid, command=context.command, timeout=0):
            return _settle(context, status.uuid)
    except OperationTimeout:
        return [status] if status.facts.get("starting") or statuses.is_running(status) else []
    except VirtctlError as error:
        if statuses.is_running(status):
            context.warn(f"the interrupted start of domain '{status.name}' cannot be looked into: {error}")
            return [status]
        context.warn(f"domain '{status.name}' ended, and what it left cannot be cleared away: {error}")
        return []


def _settle(context: Context, uuid: str) -> list[Status]:
    now = statuses.load(context.paths, uuid)
    if now is None:
        return []
    if statuses.is_running(now):
        if not now.facts.get("starting"):
            return [now]
        from virtctl.qemu.recovery import finish_start

        return finish_start(context, now)
    if now.facts.get("starting"):
        from virtctl.qemu.recovery import end_unknown

        end_unknown(context, now)
    from virtctl.qemu.lastwords import note

    note(context, now)
    conclude(context, now)
    return []
