"""What a guest that has just been loaded is told before it runs: what QEMU's command line cannot or must not say.

It goes over the machine's monitor: the human one would keep passwords in its history of lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from virtctl.domain.devices import Devices
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.devices.interface import Interface
from virtctl.domain.devices.memballoon import Memballoon
from virtctl.domain.domain import Domain
from virtctl.qemu.guest import Guest

Command = tuple[str, dict[str, Any]]


def finish(guest: Guest, live: Domain) -> None:
    """Tells QEMU what is left to tell. Raises MonitorError when it refuses."""
    commands = list(last_commands(live))
    searched = [one for one in (live.devices or Devices()).all(Graphics) if _searches(one)]
    if not commands and not searched:
        return
    from virtctl.qemu.qmp import Qmp

    with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        for name, arguments in commands:
            qmp.execute(name, **arguments)
        found = int(qmp.execute("query-vnc").get("service") or 0) if searched else 0
    if searched and found and searched[0].port != found:  # the port that was free has been taken meanwhile
        searched[0].port = found
        guest.write_live(live)


def _searches(graphics: Graphics) -> bool:
    """Whether QEMU itself looks for a free port."""
    on_tcp = not graphics.listens or graphics.listens[0].type in ("address", "network")
    return graphics.type == "vnc" and bool(graphics.autoport) and on_tcp and graphics.socket is None


def last_commands(live: Domain) -> Iterator[Command]:
    """Passwords and how long they hold, cables that are not plugged in, the period of the balloon's statistics."""
    devices = live.devices or Devices()
    for graphics in devices.all(Graphics):
        yield from _password(graphics)
    for interface in devices.all(Interface):
        if interface.link_state == "down":
            yield "set_link", {"name": interface.id, "up": False}
    for balloon in devices.all(Memballoon):
        if balloon.period and balloon.model != "none":
            yield "qom-set", {"path": f"/machine/peripheral/{balloon.id}", "property": "guest-stats-polling-interval",
                              "value": balloon.period}


def _password(graphics: Graphics) -> Iterator[Command]:
    if graphics.passwd is None or graphics.type not in ("vnc", "spice"):
        return
    what: dict[str, Any] = {"protocol": graphics.type, "password": graphics.passwd}
    yield "set_password", {**what, **({"connected": graphics.connected} if graphics.connected else {})}
    if graphics.passwd_valid_to is not None:
        end = datetime.strptime(graphics.passwd_valid_to, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
        yield "expire_password", {"protocol": graphics.type, "time": str(int(end.timestamp()))}
