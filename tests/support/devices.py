"""Guests made of devices only: they are started, looked at, and ended without ever running."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.support.program import Program, pids_below

QEMU_NS = "http://libvirt.org/schemas/domain/qemu/1.0"


@dataclass(frozen=True)
class Bench:
    """Starts documents under one program: `bench.start(devices)`, paused, so that nothing in them runs."""

    program: Program
    folder: Path

    def image(self, name: str, size: int = 1 << 20) -> Path:
        """An empty raw image."""
        path = self.folder / name
        with path.open("wb") as file:
            file.truncate(size)
        return path

    def document(self, devices: str, *, name: str = "bench", machine: str = "pc", kind: str = "qemu",
                 os: str = "", extra: str = "", memory: str = "<memory unit='MiB'>32</memory>", vcpu: int = 1,
                 features: str = "<features><acpi/></features>") -> Path:
        """Writes a document."""
        path = self.folder / f"{name}.xml"
        path.write_text(
            f"<domain type='{kind}' xmlns:qemu='{QEMU_NS}'><name>{name}</name><uuid>{uuid4()}</uuid>{memory}"
            f"<vcpu>{vcpu}</vcpu><os><type arch='x86_64' machine='{machine}'>hvm</type>{os}</os>{features}{extra}"
            f"<devices>{devices}</devices></domain>", encoding="utf-8")
        return path

    def start(self, devices: str, **settings: str | int) -> str:
        """Starts it, paused, and hands back what start warned of."""
        document = self.document(devices, **settings)  # type: ignore[arg-type] - the settings are document's own
        result = self.program("create", document, "--paused")
        assert result.status == 0, f"{result.err}\n{self.log()}"
        return result.err

    def refused(self, devices: str, **settings: str | int) -> str:
        """What a start that must fail says; nothing of it may be left."""
        document = self.document(devices, **settings)  # type: ignore[arg-type] - the settings are document's own
        words = self.program.error("create", document, "--paused")
        assert not self.program.ok("list", "--all", "--name").strip()
        assert not pids_below(self.program.root)
        return words

    def words(self) -> list[str]:
        """The command line of the only guest, as the kernel has it."""
        (pid,) = pids_below(self.program.root)
        return Path(f"/proc/{pid}/cmdline").read_text(errors="surrogateescape").split("\0")[:-1]

    def opened(self) -> set[str]:
        """The files that the only guest has open."""
        (pid,) = pids_below(self.program.root)
        found = set()
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                found.add(str(entry.readlink()))
            except FileNotFoundError:
                continue
        return found

    def monitor(self, command: str, name: str = "bench") -> str:
        """An answer of the human monitor."""
        return self.program.ok("qemu-monitor-command", "--hmp", name, command)

    def end(self, name: str = "bench") -> None:
        """Pulls the plug."""
        self.program.ok("destroy", name)

    def log(self) -> str:
        """What QEMU printed."""
        return "\n".join(path.read_text(errors="replace") for path in self.program.root.glob("log/qemu/*.log"))
