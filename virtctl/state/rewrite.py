"""A stored definition that gets another text in one short step: all but the renaming is done beforehand.

For a pivot, where the guest stands still until the new text is on the disk under its name.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from virtctl.errors import SystemFault
from virtctl.paths import Paths
from virtctl.state import history, trash
from virtctl.state.atomic import create_temp, discard, sync_folder, write_all
from virtctl.state.lock import DEFAULT_TIMEOUT, DefinitionsLock


class Rewrite:
    """The new text of the definition at `path`, written and synced beside it when the `with` block is entered.

    `commit` gives it its name; a block that is left without it leaves the old definition as it was.
    """

    def __init__(self, paths: Paths, path: Path, uuid: str, text: str, *, what: str, command: str = "",
                 timeout: float = DEFAULT_TIMEOUT) -> None:
        self._paths = paths
        self._path = path
        self._uuid = uuid
        self._text = text
        self._what = what
        self._command = command
        self._lock = DefinitionsLock(paths, command=command, timeout=timeout)
        self._temp: Path | None = None
        self._kept: Path | None = None
        self.committed = False

    def __enter__(self) -> Rewrite:
        self._lock.__enter__()
        try:
            self._prepare()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def _prepare(self) -> None:
        fd, temp = create_temp(self._path)
        try:
            write_all(fd, self._text.encode())
            os.fsync(fd)
            self._kept = trash.keep(self._paths, self._path, self._uuid)
        except BaseException as cause:
            discard(fd, temp)
            if isinstance(cause, OSError):
                raise SystemFault(f"cannot write file '{self._path}'", cause) from cause
            raise
        os.close(fd)
        self._temp = temp

    def commit(self) -> None:
        """The new text is the definition, durably. Raises `SystemFault`."""
        if self._temp is None:
            return
        try:
            self._temp.rename(self._path)
        except OSError as cause:
            raise SystemFault(f"cannot write file '{self._path}'", cause) from cause
        self._temp = None
        self.committed = True
        sync_folder(self._path.parent)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if self._temp is not None:
                with suppress(OSError):
                    self._temp.unlink()
            if not self.committed and self._kept is not None:
                trash.drop(self._kept)
            elif self.committed:
                with history.Log(self._paths, self._uuid) as log:
                    log.add(self._what, self._path.stem, self._command)
        finally:
            self._lock.__exit__(kind, error, tb)
