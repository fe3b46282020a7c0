"""Small changes of a domain: in the running guest, in its definition, or in both."""

from __future__ import annotations

from collections.abc import Callable

from virtctl.domain.domain import Domain, write_domain
from virtctl.errors import InvalidOperation
from virtctl.qemu.context import Context, Target
from virtctl.qemu.documents import stored
from virtctl.qemu.guest import Guest
from virtctl.schema.element import Mode
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


def change_stored(context: Context, target: Target, change: Callable[[Domain], None]) -> None:
    """Changes the definition, durably; the caller holds the domain's lock."""
    domain = stored(context, target)
    change(domain)
    store_domain(context, domain)


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
        if where.live:
            change_live(context, target, edit)
