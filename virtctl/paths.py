"""Where state lives. Made by `cli` and handed down; nothing here touches the disk or the environment."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Paths(NamedTuple):
    """The four roots of one connection, and every folder and file below them that the project names.

    `config` survives everything, `lib` survives a reboot, `run` does not, `log` is for people.
    """

    config: Path
    lib: Path
    run: Path
    log: Path

    @classmethod
    def under(cls, root: Path) -> Paths:
        """Everything below one folder, as `VIRTCTL_ROOT` asks for."""
        return cls(root / "etc", root / "lib", root / "run", root / "log")

    @classmethod
    def system(cls) -> Paths:
        """The places of `qemu:///system`."""
        return cls(Path("/etc/virtctl"), Path("/var/lib/virtctl"), Path("/run/virtctl"), Path("/var/log/virtctl"))

    @property
    def definitions(self) -> Path:
        """One `NAME.xml` per persistent domain."""
        return self.config / "qemu"

    @property
    def autostart(self) -> Path:
        """A symbolic link `NAME.xml` per domain that starts with the host."""
        return self.config / "qemu" / "autostart"

    @property
    def saves(self) -> Path:
        """Managed saves, `NAME.save`."""
        return self.lib / "qemu" / "save"

    @property
    def nvram(self) -> Path:
        """UEFI variable stores, `NAME_VARS.fd`."""
        return self.lib / "qemu" / "nvram"

    @property
    def journal(self) -> Path:
        """One record per step that a crash may interrupt, `UUID.OP.RANDOM.json`."""
        return self.lib / "qemu" / "journal"

    @property
    def running(self) -> Path:
        """What each running guest was started as, `UUID.xml`, and a copy of its record, `UUID.json`: for the case that
        the runtime folder is wiped.
        """
        return self.lib / "qemu" / "running"

    @property
    def monitors(self) -> Path:
        """The sockets of the machine-readable monitors, `UUID.sock`, out of reach of what cleans /run."""
        return self.lib / "qemu" / "monitor"

    @property
    def work(self) -> Path:
        """A folder `UUID` for each guest that runs as another user: that user's own, and QEMU's working folder."""
        return self.lib / "qemu" / "work"

    @property
    def owners(self) -> Path:
        """Whose the files were that a guest was given while it runs, `UUID.json`."""
        return self.lib / "qemu" / "owners"

    @property
    def history(self) -> Path:
        """What was changed, when, by which command: `UUID.log`, one JSON object a line."""
        return self.lib / "qemu" / "history"

    @property
    def trash(self) -> Path:
        """Definitions that were overwritten or undefined."""
        return self.lib / "qemu" / "trash"

    @property
    def runtime(self) -> Path:
        """One folder per running domain, named by its uuid."""
        return self.run / "qemu"

    @property
    def locks(self) -> Path:
        """Lock files, `UUID.lock`, and `definitions.lock` for the names."""
        return self.run / "locks"

    @property
    def logs(self) -> Path:
        """What each QEMU prints, `NAME.log`."""
        return self.log / "qemu"
