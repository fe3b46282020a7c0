"""Guests that are gone: how they ended is kept, what they left is cleared away."""

from __future__ import annotations

from virtctl.errors import OperationTimeout, VirtctlError
from virtctl.qemu.context import Context
from virtctl.state import status as statuses
from virtctl.state.lock import DomainLock
from virtctl.state.status import Status


def settle(context: Context, status: Status) -> None:
    """Concludes a guest whose process is gone. A reader that cannot have the lock leaves it to the next command."""
    try:
        with DomainLock(context.paths, status.uuid, command=context.command, timeout=0):
            now = statuses.load(context.paths, status.uuid)
            if now is not None and not statuses.is_running(now):
                statuses.conclude(context.paths, now)
    except OperationTimeout:
        return
    except VirtctlError as error:
        context.warn(f"domain '{status.name}' ended, and what it left cannot be cleared away: {error}")

