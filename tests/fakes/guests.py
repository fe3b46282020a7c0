"""A QEMU, real or fake, started through virtctl's own process and monitor layer and nothing above it."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.fakes.fake_qemu import install
from virtctl.qemu.monitor import Monitor, first_contact
from virtctl.qemu.process import ProcessId, terminate
from virtctl.qemu.spawn import spawn

EMULATOR = shutil.which("qemu-system-x86_64") or "/usr/bin/qemu-system-x86_64"
UUID = "c7a5fdbd-edaf-9455-926a-d65c16db1809"
BARE = ("-machine", "none", "-nodefaults", "-no-user-config", "-display", "none")


class Guest:
    """A running one: who it is and where its monitor is."""

    def __init__(self, identity: ProcessId, pts: str, folder: Path) -> None:
        self.identity = identity
        self.pts = pts
        self.folder = folder

    @property
    def lock(self) -> Path:
        return self.folder / "monitor.lock"

    def monitor(self, deadline: float = 10.0) -> Monitor:
        """The monitor, opened anew."""
        return Monitor.connect(self.pts, pid=self.identity.pid, lock_path=self.lock, name="vm1", deadline=deadline,
                               started=self.identity.start_time)


def monitored(emulator: str | Path, *options: str) -> list[str]:
    """A command line with the two monitors that virtctl gives every guest."""
    human = ["-chardev", "pty,id=charmonitor", "-mon", "chardev=charmonitor,mode=readline"]
    machine = ["-chardev", "socket,id=charqmp,path=qmp.sock,server=on,wait=off", "-mon", "chardev=charqmp,mode=control"]
    return [str(emulator), "-uuid", UUID, "-pidfile", "qemu.pid", *human, *machine, *options]


@contextlib.contextmanager
def running(argv: Sequence[str], folder: Path) -> Iterator[Guest]:
    """A guest that is ended with the block."""
    folder.mkdir(exist_ok=True)
    with spawn(argv, cwd=folder, log_path=folder / "qemu.log") as child:
        guest = Guest(child.identity, child.pts, folder)
        try:
            first_contact(child, lock_path=guest.lock, name="vm1").close()
            yield guest
        finally:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(child.pidfd, signal.SIGCONT)
            terminate(child.identity)


@contextlib.contextmanager
def fake(folder: Path, *options: str, **script: object) -> Iterator[Guest]:
    """A fake one with this script."""
    with running(monitored(install(folder, **script), *options), folder / UUID) as guest:
        yield guest
