"""Control groups of the tests, of the first or the second version, where this machine lets us make any."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.waiting import eventually

ROOT = Path("/sys/fs/cgroup")


class Group:
    """One control group."""

    def __init__(self, path: Path, *, second: bool) -> None:
        self.path = path
        self.second = second

    @property
    def procs(self) -> Path:
        """The file that takes a process in."""
        return self.path / "cgroup.procs"

    def take(self, pid: int) -> None:
        """Takes a process in."""
        self.procs.write_text(str(pid))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing in it runs, and no signal reaches it."""
        self._freeze(on=True)
        try:
            yield
        finally:
            self._freeze(on=False)

    def _freeze(self, *, on: bool) -> None:
        if self.second:
            (self.path / "cgroup.freeze").write_text(str(int(on)))
            state = self.path / "cgroup.events"
            eventually(lambda: f"frozen {int(on)}" in state.read_text(), "it is frozen or thawed")
            return
        state, word = self.path / "freezer.state", "FROZEN" if on else "THAWED"
        state.write_text(word)
        eventually(lambda: state.read_text().strip() == word, f"it is {word}")

    def used(self) -> int:
        """Bytes of memory in use."""
        return int((self.path / ("memory.current" if self.second else "memory.usage_in_bytes")).read_text())

    def limit(self, size: int) -> None:
        """No more memory than that."""
        (self.path / ("memory.max" if self.second else "memory.limit_in_bytes")).write_text(str(size))


@contextmanager
def group(controller: str) -> Iterator[Group | None]:
    """A new control group with `freezer` or `memory`; None where that cannot be had. What is in it is let out."""
    found = _make(controller)
    try:
        yield found
    finally:
        if found is not None:
            _remove(found)


def _make(controller: str) -> Group | None:
    probe = {"freezer": ("freezer.state", "cgroup.freeze"), "memory": ("memory.limit_in_bytes", "memory.max")}
    for parent, second in ((ROOT / controller, False), (ROOT, True), (ROOT / "unified", True)):
        path = parent / f"virtctl-test-{os.getpid()}"
        with suppress(OSError):
            path.mkdir()
            if (path / probe[controller][second]).exists():
                return Group(path, second=second)
            path.rmdir()
    return None


def _remove(made: Group) -> None:
    for pid in made.procs.read_text().split():
        with suppress(OSError):
            (made.path.parent / "cgroup.procs").write_text(pid)

    def gone() -> bool:
        with suppress(OSError):
            made.path.rmdir()
        return not made.path.exists()

    eventually(gone, "the control group is empty")
