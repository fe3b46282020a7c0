"""Guests that are started through virtctl's own layer, with one disk that they write all the time."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.guests import last_printed, writer_image
from tests.support.program import end_guests
from tests.support.waiting import eventually
from virtctl.domain.domain import Domain, write_domain
from virtctl.domain.pipeline import complete
from virtctl.paths import Paths
from virtctl.qemu.context import Context, Target
from virtctl.qemu.guest import Guest
from virtctl.qemu.startup import Launch, launch
from virtctl.schema.element import Mode

DOCUMENT = """
<domain type='qemu'>
  <name>{name}</name><uuid>{uuid}</uuid>
  <memory unit='MiB'>16</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='{format}'/><source file='{image}'/><target dev='{target}' bus='{bus}'/>
    </disk>
    {more}
    <serial type='file'><source path='{serial}'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
"""
TARGETS = {"virtio": "vda", "ide": "hda", "sata": "sda", "scsi": "sda"}


@dataclass
class Lab:
    """A folder with the state of one connection, and the guests in it. `said` is what was told to the user."""

    folder: Path
    said: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def context(self, command: str = "test") -> Context:
        """A connection, as a new command would make it."""
        return Context(Paths.under(self.root), warn=self.said.append, command=command, lock_timeout=10)

    def document(self, name: str = "vm1", *, bus: str = "virtio", image: Path | None = None, format: str = "raw",
                 more: str = "") -> Domain:
        """A guest of the writing boot sector."""
        image = image or writer_image(self.folder / f"{name}.img")
        machine = "q35" if bus == "sata" else "pc"
        if bus == "scsi":
            more += "<controller type='scsi' index='0' model='virtio-scsi'/>"
        text = DOCUMENT.format(name=name, uuid=uuid.uuid4(), machine=machine, image=image, target=TARGETS[bus], bus=bus,
                               serial=self.serial(name), more=more, format=format)
        return complete(text, self.context().host)

    def full_image(self, name: str = "vm1") -> Path:
        """A disk of the writing guest that holds 4 MiB of data, so that a copy of it takes space and time."""
        image = writer_image(self.folder / f"{name}.img", 10)
        with image.open("r+b") as disk:
            disk.seek(6 * 2**20)
            disk.write(b"data" * 2**20)
        return image

    def serial(self, name: str = "vm1") -> Path:
        return self.folder / f"{name}.log"

    def define(self, domain: Domain) -> Target:
        context = self.context()
        context.store.save(domain.name or "", domain.uuid or "", write_domain(domain, Mode(secure=True)))
        return context.find(domain.name or "")

    def start(self, domain: Domain, *, paused: bool = False) -> Target:
        """Defines and starts it; back once it writes its disk."""
        self.define(domain)
        context = self.context("start")
        with context.lock(domain.uuid or ""):
            launch(context, domain, Launch(paused=paused))
        name = domain.name or ""
        if not paused:
            eventually(lambda: last_printed(self.serial(name)), "the guest writes")
        return context.find(name)

    def guest(self, name: str = "vm1") -> Guest:
        context = self.context()
        return Guest(context, context.find(name).active)

    def goes_on(self, name: str = "vm1") -> None:
        """Waits until the guest has written more than now."""
        before = last_printed(self.serial(name))
        eventually(lambda: last_printed(self.serial(name)) > before + 64, "the guest goes on writing")

    def end(self) -> None:
        end_guests(self.root)
