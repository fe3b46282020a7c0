"""What QEMU is told when a device is plugged in or out: the device itself and the host's side behind it.

The same options as on the command line, in the same order, as commands of the human monitor; a network card's taps are
open files and go over the machine-readable monitor, the only one that takes files.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from virtctl.argv import Opt
from virtctl.domain.devices.interface import Interface
from virtctl.errors import MonitorError, OperationTimeout
from virtctl.qemu import verbs
from virtctl.qemu.guest import Guest
from virtctl.qemu.plan import Plan

if TYPE_CHECKING:
    from virtctl.qemu.monitor import Monitor
    from virtctl.qemu.qmp import Qmp

UNPLUG = 5.0  # seconds in which a guest that has an operating system lets a device go
Back = tuple[str, str]  # what has to be removed again: the kind of option, the id

_ADD = {"drive": verbs.drive_add, "netdev": verbs.netdev_add, "chardev": verbs.chardev_add, "object": verbs.object_add,
        "device": verbs.device_add, "action": verbs.set_action}
_REMOVE = {"drive": verbs.drive_del, "netdev": verbs.netdev_del, "chardev": verbs.chardev_remove,
           "object": verbs.object_del, "device": verbs.device_del}


def pluggable(options: Iterable[Opt]) -> bool:
    """Whether a running QEMU can be told all of it, and a device is among it."""
    names = {one.name for one in options}
    return "device" in names and names <= _ADD.keys()


def behind(options: Iterable[Opt]) -> list[Back]:
    """What stands behind a device, the first made first."""
    return [(one.name, _id(one)) for one in options if one.name in _REMOVE and one.name != "device"]


def _id(option: Opt) -> str:
    for part in (option.value or "").split(","):
        if part.startswith("id="):
            return part.removeprefix("id=")
    return ""


def plug(guest: Guest, options: list[Opt], card: Interface | None, plan: Plan) -> None:
    """Adds everything, or nothing: what was added is removed again when a later part is refused."""
    done: list[Back] = []
    with guest.monitor() as monitor:
        try:
            for option in options:
                if option.name == "netdev" and card is not None and card.id in plan.taps:
                    _add_tap(guest, card, plan)
                else:
                    _ADD[option.name](monitor, option.value or "")
                if option.name in _REMOVE:
                    done.append((option.name, _id(option)))
        except BaseException:
            remove(monitor, done)
            raise


def remove(monitor: Monitor, backs: list[Back]) -> None:
    """Removes what stands behind a device, the last made first; what is gone already is no fault."""
    for kind, name in reversed(backs):
        with suppress(MonitorError):
            _REMOVE[kind](monitor, name)


def _add_tap(guest: Guest, card: Interface, plan: Plan) -> None:
    from virtctl.qemu.qmp import Qmp

    with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        taps = _hand_over(qmp, f"tap-{card.id}", plan.taps[card.id])
        vhost = _hand_over(qmp, f"vhost-{card.id}", plan.vhost.get(card.id, []))
        many = "s" if len(taps) > 1 else ""
        arguments: dict[str, object] = {"type": "tap", "id": f"host{card.id}", f"fd{many}": ":".join(taps)}
        if vhost:
            arguments |= {"vhost": True, f"vhostfd{many}": ":".join(vhost)}
        if card.sndbuf is not None:
            arguments["sndbuf"] = card.sndbuf
        reply = qmp.send({"execute": "netdev_add", "arguments": arguments})
        if "error" in reply:
            raise MonitorError(str(reply["error"].get("desc")))


def _hand_over(qmp: Qmp, word: str, fds: list[int]) -> list[str]:
    names = [f"{word}-{number}" for number in range(len(fds))]
    for name, fd in zip(names, fds, strict=True):
        qmp.pass_fd(name, fd)
    return names


def present(guest: Guest, alias: str) -> bool:
    """Whether QEMU has the device."""
    with guest.monitor() as monitor:
        return alias in verbs.peripherals(monitor)


def unplug(guest: Guest, alias: str, backs: list[Back]) -> None:
    """Asks the guest to let the device go, waits until it has, and removes what stood behind it.

    Raises OperationTimeout when it has not within `UNPLUG` seconds; the request stands.
    """
    from virtctl.qemu.qmp import Qmp

    with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        qmp.execute("device_del", id=alias)
        try:
            _await_gone(qmp, alias)
        except OperationTimeout as error:
            raise OperationTimeout(
                f"domain '{guest.status.name}' has not let go of device '{alias}' within {UNPLUG:g} seconds",
                hint="it is taken out of the documents as soon as the guest lets it go") from error
    with guest.monitor() as monitor:
        remove(monitor, backs)


def _await_gone(qmp: Qmp, alias: str) -> None:
    import time

    limit = time.monotonic() + UNPLUG
    while True:
        left = max(0.0, limit - time.monotonic())
        event = qmp.wait_event("DEVICE_DELETED", "DEVICE_UNPLUG_GUEST_ERROR", deadline=left)
        if event.get("data", {}).get("device") != alias:
            continue
        if event["event"] == "DEVICE_DELETED":
            return
        raise MonitorError(f"the guest refuses to let go of device '{alias}'")
