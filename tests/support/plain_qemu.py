"""A QEMU that the test starts itself, without the program under test: what the embedded guests are proved with."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

EMULATOR = shutil.which("qemu-system-x86_64") or "qemu-system-x86_64"


@dataclass
class PlainQemu:
    """One running emulator with its serial port in a file and its monitor on standard input."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, folder: Path, *options: str) -> PlainQemu:
        """Starts an emulator without any default device; `options` give machine, memory and disks."""
        log = folder / "serial.log"
        fixed = ["-accel", "tcg", "-display", "none", "-no-user-config", "-nodefaults", "-monitor", "stdio"]
        with (folder / "qemu.log").open("wb") as output:
            process = subprocess.Popen(
                [EMULATOR, *fixed, "-serial", f"file:{log}", *options],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )
        return cls(process, log)

    def monitor(self, command: str) -> None:
        """Types one line into the monitor."""
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """Ends it, if it has not ended by itself."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
