"""What could not be written to a guest's log files: `logs.json` in its runtime folder, and lines in its history.

The log keeper (qemu/logkeeper.py) rewrites the file in place; whoever reads it in just that moment sees nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

from virtctl.errors import VirtctlError
from virtctl.paths import Paths
from virtctl.state.atomic import read_file

FILE = "logs.json"
_MAX_REPORT = 1 << 20


def lost(folder: Path) -> dict[str, tuple[str, int, str]]:
    """For each log that misses something: its path, how many bytes, and why the last of them."""
    try:
        data = read_file(folder / FILE, _MAX_REPORT)
        found = json.loads(data) if data.strip(b"\0 \n") else {}
        return {str(key): (str(log["path"]), int(log["lost"]), str(log["error"])) for key, log in found.items()}
    except (OSError, VirtctlError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return {}


def lines(folder: Path) -> list[str]:
    """The same in words, a line each."""
    return [f"log file '{path}': {f'{size} bytes' if size else 'output'} lost: {error}"
            for path, size, error in lost(folder).values()]


def keep(paths: Paths, uuid: str, name: str) -> None:
    """Writes the lines into the domain's history, when its runtime folder is about to go. Raises `SystemFault`."""
    found = lines(paths.runtime / uuid)
    if found:
        from virtctl.state.history import Log

        with Log(paths, uuid) as log:
            for line in found:
                log.add(line, name, "")
