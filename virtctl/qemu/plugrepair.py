"""Plugging in or out that was cut off: QEMU is asked whether the device is there, and the documents follow it.

A record `attach` holds the definition `before` the change, where that was changed too; a record `detach` the one
`after` it. A guest that has not yet let go of a device keeps its record, which every later command looks at.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from virtctl.domain import plugging
from virtctl.domain.domain import read_domain
from virtctl.errors import InternalError
from virtctl.qemu import plugs
from virtctl.qemu.changes import store_domain
from virtctl.qemu.context import Context
from virtctl.qemu.guest import Guest
from virtctl.schema import xmlio
from virtctl.schema.element import Mode
from virtctl.schema.node import to_text
from virtctl.state.journal import Record

LIVE, STORED = Mode(live=True, secure=True), Mode(secure=True)
ATTACH, DETACH = "attach", "detach"


def finish_interrupted(context: Context, guest: Guest | None, record: Record) -> str:
    """Puts right what the record tells of. One line about it; none while a guest has not decided yet.

    The caller holds the domain's lock.
    """
    facts = record.facts
    there = guest is not None and plugs.present(guest, facts["alias"])
    said = (_attached if record.op == ATTACH else _detached)(context, guest, facts, there)
    if said is None:
        return ""
    record.done()
    return said


def _attached(context: Context, guest: Guest | None, facts: dict[str, Any], there: bool) -> str | None:
    if not there:
        _put(context, facts["name"], facts["before"])
    if guest is not None and there:
        _remember_live(guest, facts["devices"])
    elif guest is not None:
        _clear(guest, facts["backs"])
    how = "brought to its end" if there else "undone"
    return f"the interrupted plugging in of device '{facts['alias']}' of domain '{facts['name']}' was {how}"


def _detached(context: Context, guest: Guest | None, facts: dict[str, Any], there: bool) -> str | None:
    if there:
        return None
    _put(context, facts["name"], facts["after"])
    if guest is None:
        return ""
    _clear(guest, facts["backs"])
    forget_live(guest, facts["alias"])
    return f"the guest has let go of device '{facts['alias']}' of domain '{facts['name']}'"


def _put(context: Context, name: str, text: str | None) -> None:
    """Writes the definition, where it is another."""
    if text is not None and context.store.exists(name) and context.store.load(name).decode() != text:
        store_domain(context, read_domain(text, STORED))


def _clear(guest: Guest, backs: list[list[str]]) -> None:
    with guest.monitor() as monitor:
        plugs.remove(monitor, [(kind, name) for kind, name in backs])


def _remember_live(guest: Guest, devices: list[str]) -> None:
    root = xmlio.read(guest.live_text())
    known = {one.get("alias/@name") for one in plugging.devices_node(root).children}
    for text in devices:
        device = xmlio.read(text)
        if device.get("alias/@name") not in known:
            plugging.put_in(root, device)
    guest.write_live(read_domain(to_text(root), LIVE))


def forget_live(guest: Guest, alias: str) -> None:
    """Takes a device out of the live document, if it is in it."""
    root = xmlio.read(guest.live_text())
    with suppress(InternalError):
        plugging.take_out(root, plugging.find_alias(root, alias))
    guest.write_live(read_domain(to_text(root), LIVE))
