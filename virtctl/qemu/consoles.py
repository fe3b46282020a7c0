"""Words for the machine monitor: JSON in, JSON out, as `qemu-monitor-command` without --hmp has it."""

from __future__ import annotations

import json

from virtctl.errors import InternalError
from virtctl.qemu.guest import Guest
from virtctl.qemu.qmp import Qmp

DEADLINE = 30.0


def qmp_text(guest: Guest, text: str) -> str:
    """The answer to one QMP command, errors of QEMU included, on one line. A bare word is a command's name."""
    try:
        request = json.loads(text)
    except ValueError as error:
        if not text.replace("-", "").replace("_", "").isalnum():
            raise InternalError(f"cannot parse json {text}: {error}") from error
        request = {"execute": text}
    if not isinstance(request, dict):
        raise InternalError(f"cannot parse json {text}: it is not an object")
    with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        return json.dumps(qmp.send(request, DEADLINE), separators=(",", ":"))
