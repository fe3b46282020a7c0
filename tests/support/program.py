"""The program as its users run it: a process, its exit status, what it printed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Another program may be named, such as a real virsh, to see that the tests themselves are right.
PROGRAM = os.environ.get("VIRTCTL_TEST_PROGRAM", str(Path(sys.executable).with_name("virtctl")))


@dataclass(frozen=True)
class Result:
    """How one run ended."""

    status: int
    out: str
    err: str

    def lines(self) -> list[str]:
        """The lines of standard output that are not empty."""
        return [line for line in self.out.splitlines() if line.strip()]


@dataclass(frozen=True)
class Program:
    """Runs a program with its state below `root`: `program("start", "vm1")`, or `program.ok(...)` where it must."""

    root: Path
    command: tuple[str, ...] = (PROGRAM,)
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str | Path, stdin: str = "", seconds: float = 60) -> Result:
        done = subprocess.run(
            [*self.command, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=self.environ(),
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str | Path, stdin: str = "", seconds: float = 60) -> str:
        """Standard output of a run that must succeed and has nothing to complain of."""
        result = self(*arguments, stdin=stdin, seconds=seconds)
        assert result.status == 0, f"{arguments} ended {result.status}: {result.err}{result.out}"
        assert not result.err, f"{arguments} complained: {result.err}"
        return result.out

    def error(self, *arguments: str | Path, stdin: str = "", seconds: float = 60) -> str:
        """Standard error of a run that must fail, with exit status 1 and no traceback."""
        result = self(*arguments, stdin=stdin, seconds=seconds)
        assert result.status == 1, f"{arguments} ended {result.status}: {result.err}{result.out}"
        assert "Traceback" not in result.err
        return result.err

    def environ(self) -> dict[str, str]:
        """The environment of each run: the caller's, and where state lives."""
        return {**os.environ, "LC_ALL": "C.UTF-8", "VIRTCTL_ROOT": str(self.root), **self.environment}


def end_guests(root: Path) -> None:
    """Ends every QEMU whose working folder is below `root`, which nobody but the test can have started."""
    for pid in pids_below(root):
        os.kill(pid, signal.SIGKILL)


def pids_below(root: Path) -> Sequence[int]:
    """The QEMU processes that work in a folder below `root`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            folder = (process / "cwd").readlink()
            emulator = (process / "exe").readlink().name.startswith("qemu-system-")
        except OSError:
            continue
        if emulator and folder.is_relative_to(root.resolve()):
            found.append(int(process.name))
    return found
