"""One defined guest of a test: its document, its disk, its log, and what it has done so far."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support import documents, guests
from tests.support.program import Program
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Machine:
    """A guest of one boot sector that `program` manages."""

    program: Program
    name: str
    folder: Path

    @classmethod
    def make(
        cls, program: Program, folder: Path, name: str = "counter", *, writer: bool = False, bus: str = "virtio"
    ) -> Machine:
        """Writes disk and document, and defines the domain."""
        made = cls(program, name, folder)
        (guests.writer_image if writer else guests.counter_image)(made.image)
        made.document.write_text(
            documents.machine(name, made.image, log=made.log, target=made.target_on(bus), bus=bus), encoding="utf-8"
        )
        program.ok("define", made.document)
        return made

    @staticmethod
    def target_on(bus: str) -> str:
        """The disk's name inside the guest."""
        return {"virtio": "vda", "ide": "hda"}[bus]

    @property
    def image(self) -> Path:
        """The disk."""
        return self.folder / f"{self.name}.img"

    @property
    def log(self) -> Path:
        """What the guest prints."""
        return self.folder / f"{self.name}.log"

    @property
    def document(self) -> Path:
        """The XML file it was defined from."""
        return self.folder / f"{self.name}.xml"

    def start(self) -> None:
        """Starts it, and waits until it counts."""
        self.program.ok("start", self.name)
        self.counts()

    def counts(self, beyond: int = 0) -> int:
        """Waits until it has printed a higher number, which is handed back."""
        eventually(lambda: guests.last_printed(self.log) > beyond, f"{self.name} counts beyond {beyond}")
        return guests.last_printed(self.log)

    def state(self) -> str:
        """`domstate --reason`."""
        return self.program.ok("domstate", self.name, "--reason").strip()
