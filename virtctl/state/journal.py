"""One record on disk per operation that a crash may interrupt: written before the first step, removed after the last.

A record that is still there while its writer is dead is work for `recover`. A record whose writer lives is a step in
progress and nobody else's business. Records are durable: they survive a power loss.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from virtctl.errors import OperationFailed, SystemFault, VirtctlError
from virtctl.paths import Paths
from virtctl.state import liveness
from virtctl.state.atomic import make_dir, read_file, reap, remove_file, write_file

FORMAT = 1
NEWER = "use that version for this domain"
_SUFFIX = ".json"
_MAX_RECORD = 16 * 1024 * 1024


class Record(NamedTuple):
    """An operation that began and is not known to have ended. `began` is in seconds since 1970."""

    path: Path
    uuid: str
    op: str
    phase: str
    facts: dict[str, Any]
    command: str
    began: float
    pid: int
    start_time: int
    boot_id: str

    def in_progress(self) -> bool:
        """Whether the process that writes this record still runs and has not given the operation up."""
        return liveness.is_alive(self.pid, self.start_time, self.boot_id)

    def done(self) -> None:
        """Removes the record: the operation is complete, or was undone."""
        remove_file(self.path)

    def advance(self, phase: str) -> None:
        """Records, durably, that whoever recovers this operation has brought it to a phase; it stays interrupted."""
        _write(self._replace(phase=phase, pid=0, start_time=0))


class Operation:
    """An operation of this process. Leaving its `with` block by an error keeps the record, for `recover`."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def __enter__(self) -> Operation:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None:
            self.done()
        elif self.record.path.exists():
            with suppress(VirtctlError):  # the error that led here is the one to tell
                self.abandon()

    def phase(self, name: str, **facts: Any) -> None:  # noqa: ANN401 - any JSON value
        """Records, durably, that the operation reached a phase; `facts` are added to those known."""
        self.record = self.record._replace(phase=name, facts={**self.record.facts, **facts})
        _write(self.record)

    def abandon(self) -> None:
        """Leaves the record to `recover` although this process goes on."""
        self.record = self.record._replace(pid=0, start_time=0)
        _write(self.record)

    def done(self) -> None:
        """Removes the record, durably."""
        self.record.done()


class Journal:
    """The records below one `Paths`."""

    def __init__(self, paths: Paths, *, command: str = "") -> None:
        self.paths = paths
        self.command = command

    def open(self, uuid: str, op: str, **facts: Any) -> Operation:  # noqa: ANN401 - any JSON value
        """Begins an operation on a domain: its record is on disk when this returns. Raises `SystemFault`."""
        make_dir(self.paths.journal)
        pid = os.getpid()
        path = self.paths.journal / f"{uuid}.{op}.{os.urandom(4).hex()}{_SUFFIX}"
        started = liveness.start_time(pid) or 0
        boot = liveness.boot_id()
        record = Record(path, uuid, op, "begun", facts, self.command, time.time(), pid, started, boot)
        _write(record)
        return Operation(record)

    def pending(self, uuid: str | None = None, problems: list[str] | None = None) -> list[Record]:
        """The records of one domain or of all, oldest first, those in progress included.

        A record that cannot be read, or that a newer virtctl wrote, is told in `problems`; without that list it
        raises `OperationFailed`, so that nobody changes a domain over an operation it does not understand.
        """
        found = []
        for path in self._files(uuid):
            try:
                found.append(_read(path))
            except FileNotFoundError:
                continue
            except VirtctlError as error:
                if problems is None:
                    raise
                problems.append(str(error))
        return sorted(found, key=lambda record: record.began)

    def interrupted(self, uuid: str | None = None, problems: list[str] | None = None) -> list[Record]:
        """The records whose writer is gone: what `recover` has to finish or to undo."""
        return [record for record in self.pending(uuid, problems) if not record.in_progress()]

    def refuse_newer(self, uuid: str) -> None:
        """Raises `OperationFailed` over a record of a newer virtctl: nobody changes a domain in the middle of what he
        does not understand.
        """
        for path in self._files(uuid):
            try:
                _read(path)
            except FileNotFoundError:
                continue
            except OperationFailed as error:
                if error.hint == NEWER:
                    raise

    def holds(self, uuid: str) -> bool:
        """Whether there is any record of a domain: one reading of a folder, for the start of every command."""
        return bool(self._files(uuid))

    def reap(self) -> None:
        """Removes temporary files of dead writers."""
        reap(self.paths.journal)

    def _files(self, uuid: str | None) -> list[Path]:
        try:
            names = os.listdir(self.paths.journal)  # noqa: PTH208 - names only, for every command's start
        except FileNotFoundError:
            return []
        except OSError as cause:
            raise SystemFault(f"cannot read folder '{self.paths.journal}'", cause) from cause
        wanted = "" if uuid is None else f"{uuid}."
        return [
            self.paths.journal / name
            for name in names
            if name.endswith(_SUFFIX) and name.startswith(wanted) and not name.startswith(".")
        ]


def _write(record: Record) -> None:
    facts = record._asdict()
    del facts["path"]
    write_file(record.path, json.dumps({"format": FORMAT, **facts}, indent=1).encode() + b"\n")


def _read(path: Path) -> Record:
    data = read_file(path, _MAX_RECORD)
    try:
        facts = json.loads(data)
        if facts.pop("format") > FORMAT:
            raise OperationFailed(f"journal record '{path}' was written by a newer virtctl", hint=NEWER)
        record = Record(path=path, **{field: facts[field] for field in Record._fields if field != "path"})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as cause:
        raise OperationFailed(f"journal record '{path}' is broken: {cause}") from cause
    if not isinstance(record.facts, dict) or not isinstance(record.pid, int):
        raise OperationFailed(f"journal record '{path}' is broken: it names no operation")
    return record
