"""A libvirtd of our own, beside which the program is compared: unprivileged, with all its state in one folder.

It is a session daemon (as user nobody, when the tests run as root), so that it shares nothing with a libvirtd of the
system. It and its guests are ended by pid.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.program import Program
from tests.support.waiting import eventually

NOBODY = 65534
CONFIGURATION = 'stdio_handler = "file"\nsecurity_driver = "none"\ncgroup_controllers = []\nremember_owner = 0\n'


def missing() -> str:
    """What is not installed, empty when all is there."""
    tools = ["libvirtd", "virsh", *(["setpriv"] if os.geteuid() == 0 else [])]
    return ", ".join(tool for tool in tools if shutil.which(tool) is None)


@dataclass(frozen=True)
class PrivateLibvirtd:
    """One running daemon, its folder, and `virsh` connected to it."""

    folder: Path
    process: subprocess.Popen[bytes]
    virsh: Program

    @classmethod
    def start(cls, **settings: str) -> PrivateLibvirtd:
        """Starts it, with these settings in its qemu.conf, and waits until it answers."""
        configuration = CONFIGURATION + "".join(f'{name} = "{value}"\n' for name, value in settings.items())
        folder = Path(tempfile.mkdtemp(prefix="virtctl-libvirtd-"))  # short: sockets stand in it
        folder.chmod(0o755)
        environment = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "run")}
        for kind in ("config", "cache", "data"):
            environment[f"XDG_{kind.upper()}_HOME"] = str(folder / kind)
        for name in ("run", "config/libvirt", "cache", "data", "files"):
            (folder / name).mkdir(parents=True)
        (folder / "config/libvirt/qemu.conf").write_text(configuration, encoding="utf-8")
        give_away(folder)
        virsh = Program(folder, (*unprivileged(), "virsh", "-c", "qemu:///session"), environment)
        with (folder / "libvirtd.log").open("wb") as log:
            process = subprocess.Popen(
                [*unprivileged(), "libvirtd"], env=virsh.environ(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        daemon = cls(folder, process, virsh)
        eventually(lambda: virsh("version").status == 0, "libvirtd answers", seconds=60)
        return daemon

    @property
    def files(self) -> Path:
        """A folder for disks and saved guests that both sides may use."""
        return self.folder / "files"

    def share(self, *paths: Path) -> None:
        """Lets the daemon's user read and write files that the test made."""
        for path in paths:
            give_away(path)

    def end(self) -> None:
        """Ends its guests and itself, and removes its folder."""
        for name in self.virsh("list", "--name").out.split():
            self.virsh("destroy", name)
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def unprivileged() -> tuple[str, ...]:
    """What root puts before a command that is to run as nobody."""
    if os.geteuid() != 0:
        return ()
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


def give_away(path: Path) -> None:
    """Makes nobody the owner of a file, or of a folder with all that is in it."""
    if os.geteuid() != 0:
        return
    for place in (path, *path.rglob("*")):
        os.chown(place, NOBODY, NOBODY, follow_symlinks=False)
