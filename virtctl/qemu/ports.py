"""Ports and sockets of display servers, chosen at start and written into the running guest's document."""

from __future__ import annotations

import socket

from virtctl.domain.devices import Devices
from virtctl.domain.devices.graphics import Graphics
from virtctl.errors import InternalError, UnsupportedConfig
from virtctl.qemu.plan import Plan

FIRST, LAST = 5900, 65535
WEBSOCKET_FIRST = 5700


def choose_ports(plan: Plan, devices: Devices) -> None:
    """Gives every display server that asks for one its port, in place. Raises InternalError when none is free."""
    shown = devices.all(Graphics)
    for one in shown:
        _refuse_wrong(one)
    taken = {port for one in shown for port in (one.port, one.tls_port, one.websocket) if port is not None and port > 0}
    for graphics in shown:
        if graphics.type not in ("vnc", "spice"):
            continue
        first = graphics.listens[0].type if graphics.listens else "address"
        if first in ("address", "network") and graphics.socket is None and (
                graphics.autoport or graphics.port in (None, -1, 0)) and not (
                graphics.type == "spice" and graphics.tls_port and not graphics.autoport):
            graphics.port = free_port(taken, FIRST)
            taken.add(graphics.port)
            plan.chosen_ports.add(graphics.port)
        if graphics.websocket == -1:
            graphics.websocket, graphics.websocket_generated = free_port(taken, WEBSOCKET_FIRST), True
            taken.add(graphics.websocket)


def _refuse_wrong(graphics: Graphics) -> None:
    """A port that cannot be had is not silently another one."""
    first = FIRST if graphics.type == "vnc" else 1
    for port in (graphics.port, graphics.tls_port):
        if port not in (None, -1, 0) and not first <= port <= LAST:
            raise UnsupportedConfig(f"{graphics.type} port {port} must be in range [{first},{LAST}]")


def free_port(taken: set[int], first: int) -> int:
    """The first port from `first` up on which nobody listens."""
    for port in range(first, LAST):
        if port not in taken and _is_free(port):
            return port
    raise InternalError(f"Unable to find an unused port in range 'vnc' ({first}-{LAST})")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
