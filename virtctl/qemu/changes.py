"""Small changes of a domain: in the running guest, in its definition, or in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from virtctl.domain.domain import Domain, write_domain
from virtctl.errors import InvalidOperation, OperationTimeout, VirtctlError
from virtctl.qemu.context import Context, Target
from virtctl.qemu.documents import stored
from virtctl.qemu.guest import Guest
from virtctl.schema.element import Mode
from virtctl.state.journal import Journal, Operation
from virtctl.state.store import Entry
from virtctl.values import Affect


def places(target: Target, affect: Affect) -> Affect:
    """Where a change goes: without a wish into the running guest, or into the definition when none runs."""
    live, config = affect
    if not live and not config:
        live, config = target.status is not None, target.status is None
    if live and target.status is None:
        raise InvalidOperation("domain is not running")
    if config and not target.persistent:
        raise InvalidOperation("transient domains do not have any persistent config")
    return Affect(live, config)


def document_of(context: Context, target: Target, affect: Affect) -> Domain:
    """The document that a question is about."""
    if places(target, affect).live:
        return Guest(context, target.active).live()
    return stored(context, target)


def change_stored(context: Context, target: Target, change: Callable[[Domain], None],
                  after: Affect | None = None) -> None:
    """Changes the definition, durably; the caller holds the domain's lock. A failure `after` the running guest was
    changed says that it was.
    """
    try:
        domain = stored(context, target)
        change(domain)
        store_domain(context, domain)
    except VirtctlError as error:
        if after is not None and after.live:
            error.message = f"the running guest was changed, its definition was not: {error.message}"
        raise


def recorded(context: Context, target: Target, op: str, **facts: object) -> Operation:
    """The record of a change of the running guest, for the time between QEMU and the guest's document."""
    return Journal(context.paths, command=context.command).open(target.uuid, op, name=target.name, **facts)


@contextmanager
def refusals_end(operation: Operation) -> Iterator[None]:
    """What QEMU refuses has not happened: there is nothing to put right. What it did not answer in time may have."""
    try:
        yield
    except OperationTimeout:
        raise
    except VirtctlError:
        operation.done()
        raise


def store_domain(context: Context, domain: Domain) -> None:
    """Writes a definition."""
    running = [Entry(status.name, status.uuid) for status in context.running()]
    context.store.save(domain.name or "", domain.uuid or "", write_domain(domain, Mode(secure=True)), running=running)


def change_live(context: Context, target: Target, change: Callable[[Domain], None]) -> None:
    """Changes the live document; the caller holds the domain's lock."""
    guest = Guest(context, target.active)
    domain = guest.live()
    change(domain)
    guest.write_live(domain)


def change(context: Context, target: Target, affect: Affect, edit: Callable[[Domain], None]) -> None:
    """Changes the documents alone, for what QEMU need not know."""
    with context.lock(target.uuid):
        target = context.again(target)
        where = places(target, affect)
        if where.config:
            change_stored(context, target, edit)
        try:
            if where.live:
                change_live(context, target, edit)
        except VirtctlError as error:
            if where.config:
                error.message = f"the definition was changed, the live document was not: {error.message}"
            raise
