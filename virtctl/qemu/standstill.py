"""Making a guest that stands still behind a complete stream of its memory a paused one again.

QEMU has given up the disks by then (`postmigrate`), refuses a second stream, and knows one way back: `cont`, with which
the guest would run until a `stop` arrives. Its stub for debuggers closes that gap. It reads many bytes at a time, runs
a command of the human monitor that comes in a packet (`qRcmd`) at once, and stops a running guest at the byte after
it. All of that happens in one turn of QEMU's main loop, which holds the lock that a processor needs to run, so the
guest executes no instruction: it has its disks and is paused.
"""

from __future__ import annotations

import re
import socket
import time
from typing import TYPE_CHECKING

from virtctl.errors import InternalError, OperationFailed, SystemFault
from virtctl.qemu.failures import explain
from virtctl.qemu.guest import Guest
from virtctl.qemu.savestream import listening

if TYPE_CHECKING:
    from virtctl.qemu.monitor import Monitor

SOCKET = "debug.sock"
DEADLINE = 10.0  # seconds for QEMU to take the disks back
POSTMIGRATE = "postmigrate"
_COMMAND = b"qRcmd," + b"cont".hex().encode()
_ACKNOWLEDGED, _INTERRUPT = b"+", b"\x03"
_OUTPUT = re.compile(rb"\$O((?:[0-9a-f]{2})+)#")


def take_back(guest: Guest) -> None:
    """Pauses a guest that is `postmigrate`, its disks its own again; a guest in another state is left alone.

    Raises OperationFailed with QEMU's reason when the disks cannot be had, mostly because another process uses them.
    """
    from virtctl.qemu import verbs

    with guest.monitor(DEADLINE) as monitor:
        if verbs.status(monitor).reason != POSTMIGRATE:
            return
        said = _cont_and_stop(guest, monitor)
        found = verbs.status(monitor)
    if found.reason == POSTMIGRATE:
        why = explain(InternalError(said), guest.context.paths, asker=guest.status.pid).message
        raise OperationFailed(f"the disks of domain '{guest.status.name}' cannot be taken back: {why}")


def _cont_and_stop(guest: Guest, monitor: Monitor) -> str:
    """Both, in one turn; what QEMU had to say to `cont`."""
    packet = b"$" + _COMMAND + b"#%02x" % (sum(_COMMAND) % 256)
    with listening(guest, SOCKET) as (door, name):
        refused = monitor.command(f"gdbserver unix:{name}", DEADLINE).strip()
        try:
            with door.accept()[0] as channel:
                channel.sendall(packet + _ACKNOWLEDGED + _INTERRUPT)  # one message: it is read in one go
                return _answer(channel)
        except TimeoutError as cause:
            raise OperationFailed(f"QEMU's stub for debuggers did not answer: {refused}") from cause
        except OSError as cause:
            raise SystemFault("cannot talk to QEMU's stub for debuggers", cause) from cause
        finally:
            monitor.command("gdbserver none", DEADLINE)


def _answer(channel: socket.socket) -> str:
    """What `cont` printed, which is nothing when all is well."""
    limit = time.monotonic() + DEADLINE
    said = b""
    while b"$OK#" not in said and time.monotonic() < limit:
        channel.settimeout(max(0.01, limit - time.monotonic()))
        piece = channel.recv(4096)
        if not piece:
            break
        said += piece
    text = b"".join(bytes.fromhex(part.decode()) for part in _OUTPUT.findall(said))
    return text.decode(errors="replace").removeprefix("Error: ").strip() or "QEMU did not say why"
