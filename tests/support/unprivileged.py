"""A site whose QEMUs run as nobody: settings, images in a place that nobody reaches, whose files are meanwhile."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.machines import Machine
from tests.support.program import Program, pids_below

NOBODY = 65534
ROOTS = (0, 0)
GIVEN = (NOBODY, NOBODY)


@dataclass(frozen=True)
class Site:
    """State in a folder that is shut to everybody else, and images in one that others may pass through."""

    program: Program
    images: Path

    def settings(self, text: str) -> None:
        folder = self.program.root / "etc"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "qemu.conf").write_text(text)
        (folder / "qemu.conf").chmod(0o600)

    def machine(self, name: str = "counter", **how: str) -> Machine:
        machine = Machine.make(self.program, self.images, name, **how)
        machine.image.chmod(0o600)
        return machine

    def pid(self) -> int:
        (pid,) = pids_below(self.program.root)
        return pid

    def owners(self) -> set[tuple[int, int]]:
        found = [path.stat() for path in self.images.glob("*.img")]
        return {(one.st_uid, one.st_gid) for one in found}


@contextmanager
def images() -> Iterator[Path]:
    """A folder through which others may pass, which none of pytest's is."""
    folder = Path(tempfile.mkdtemp(prefix="virtctl-images-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def facts(pid: int) -> dict[str, str]:
    """The lines of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: " ".join(rest.split()) for name, _, rest in (line.partition(":") for line in lines)}


def confined(pid: int) -> None:
    """The process is nobody's, can do nothing more, and never will."""
    found = facts(pid)
    assert found["Uid"].split() == [str(NOBODY)] * 4
    assert found["Gid"].split() == [str(NOBODY)] * 4
    assert found["Groups"].split() == [str(NOBODY)]
    for powers in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(found[powers], 16) == 0, powers
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"
