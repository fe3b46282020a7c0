"""What was changed, when and by which command: one JSON object a line in `UUID.log`, bounded in size.

Callers hand in the command's name and operands; nothing that could be a secret (documents, passwords) comes here.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from virtctl.errors import SystemFault, VirtctlError
from virtctl.paths import Paths
from virtctl.state.atomic import make_dir, read_file, write_all, write_file

MAX_BYTES = 256 * 1024
_MAX_COMMAND = 200


class Change(NamedTuple):
    """One line of a domain's history. `when` is in seconds since 1970."""

    when: float
    what: str
    name: str
    command: str


class Log:
    """The open history of one domain.

    It is opened before a change is made, so that a history that cannot be written stops the change instead of losing
    its line.
    """

    def __init__(self, paths: Paths, uuid: str) -> None:
        make_dir(paths.history)
        self.path = paths.history / f"{uuid}.log"
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            self._fd = os.open(self.path, flags, 0o600)
        except OSError as cause:
            raise SystemFault(f"cannot open history '{self.path}'", cause) from cause

    def __enter__(self) -> Log:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with suppress(OSError):
            os.close(self._fd)

    def add(self, what: str, name: str, command: str) -> None:
        """Appends one line, after the change. Raises `SystemFault`."""
        facts = {"when": round(time.time(), 3), "what": what, "name": name, "command": command[:_MAX_COMMAND]}
        line = json.dumps(facts).encode() + b"\n"
        try:
            size = os.fstat(self._fd).st_size
            if size and os.pread(self._fd, 1, size - 1) != b"\n":
                line = b"\n" + line  # the last writer died in the middle of its line
            write_all(self._fd, line)
        except OSError as cause:
            hint = f"the change itself ({what}) was made"
            raise SystemFault(f"cannot write history '{self.path}'", cause, hint=hint) from cause
        if size > MAX_BYTES:
            self._shorten()

    def _shorten(self) -> None:
        """Drops the older half; a history that cannot be shortened only stays long."""
        with suppress(VirtctlError, OSError):
            lines = read_file(self.path, 4 * MAX_BYTES).splitlines(keepends=True)
            write_file(self.path, b"".join(lines[len(lines) // 2 :]), sync=False)


def read(paths: Paths, uuid: str) -> list[Change]:
    """The changes of one domain, oldest first; lines that are torn or not ours are left out."""
    try:
        data = read_file(paths.history / f"{uuid}.log", 8 * MAX_BYTES)
    except FileNotFoundError:
        return []
    changes = []
    for line in data.splitlines():
        try:
            facts = json.loads(line)
            when = float(facts["when"])
            changes.append(Change(when, str(facts["what"]), str(facts["name"]), str(facts["command"])))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return changes


def uuids_named(paths: Paths, name: str) -> list[str]:
    """The uuids of domains that ever bore `name`, the one changed last first; for those that are no longer defined."""
    try:
        with os.scandir(paths.history) as entries:
            logs = [Path(entry.path) for entry in entries if entry.name.endswith(".log")]
    except FileNotFoundError:
        return []
    except OSError as cause:
        raise SystemFault(f"cannot read folder '{paths.history}'", cause) from cause
    found = []
    for log in logs:
        last = [change.when for change in read(paths, log.stem) if change.name == name]
        if last:
            found.append((last[-1], log.stem))
    return [uuid for _when, uuid in sorted(found, reverse=True)]
