"""The verbs that are swept: how each is set up, what it does, and what may be true afterwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.faults.attempts import UUID
from tests.support.waiting import eventually
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import VirtctlError
from virtctl.qemu.images import create
from virtctl.values import (
    Affect,
    BlockCommit,
    BlockCopy,
    DumpCoreOptions,
    DumpOptions,
    ListFilter,
    RestoreOptions,
    SaveOptions,
    StartOptions,
    UndefineOptions,
)

NAME = "g"
_EVERYTHING = ListFilter(inactive=True)
_EVERYWHERE = Affect(live=True, config=True)
BOTH = frozenset({"running", "shut off"})


def document(disk: Path, note: str = "old", format: str = "raw") -> str:
    """A small guest with one disk; `note` is its description."""
    return f"""<domain type='qemu'>
  <name>{NAME}</name><uuid>{UUID}</uuid><description>{note}</description>
  <memory unit='MiB'>8</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='{format}'/><source file='{disk}'/><target dev='vda' bus='virtio'/>
    </disk>
    <controller type='usb' model='none'/><controller type='scsi' model='virtio-scsi'/><memballoon model='none'/>
  </devices>
</domain>"""


class Lab:
    """The state of one sweep: a driver, a disk, files to save to."""

    def __init__(self, folder: Path, driver: QemuDriver) -> None:
        self.driver = driver
        self.folder = folder
        self.disk = folder / "disk.img"
        self.copy = folder / "copy.img"
        self.overlay = folder / "overlay.qcow2"
        self.image = folder / "memory.save"
        self.core = folder / "core"
        self.more = folder / "more.img"
        self.note = "old"

    def wipe(self) -> None:
        """Nothing defined, nothing running, no files."""
        driver = self.driver
        driver.recover()
        for row in driver.rows(_EVERYTHING):
            if row.id is not None:
                driver.destroy(row.name)
        for row in driver.rows(_EVERYTHING):
            driver.undefine(row.name, UndefineOptions(managed_save=True, nvram=True))
        settings = self.folder.parent / "etc" / "qemu.conf"
        for path in (self.copy, self.overlay, self.image, self.core, settings, *self.folder.parent.rglob(".tmp-*")):
            path.unlink(missing_ok=True)
        self.disk.write_bytes(b"\0" * 65536)

    def nothing(self) -> None:
        """Not even the folders of the state."""
        for name in ("etc", "lib", "run", "log"):
            shutil.rmtree(self.folder.parent / name, ignore_errors=True)

    def define(self, note: str = "old") -> None:
        """The domain, defined."""
        self.driver.define(document(self.disk, note))

    def running(self) -> None:
        """The domain, defined and running."""
        self.define()
        self.driver.start(NAME, StartOptions())

    def paused(self) -> None:
        """The domain, running and suspended."""
        self.running()
        self.driver.suspend(NAME)

    def redefined(self) -> None:
        """The domain, defined twice."""
        self.define("old")
        self.define("new")

    def saved(self) -> None:
        """The domain's memory in the image; it does not run."""
        self.running()
        self.driver.save(NAME, self.image, SaveOptions())

    def managed(self) -> None:
        """The domain with a managed save."""
        self.running()
        self.driver.managedsave(NAME, SaveOptions())

    def copying(self) -> None:
        """The domain running, its disk copied and the copy ready."""
        self.running()
        self.driver.blockcopy(NAME, "vda", BlockCopy(str(self.copy)))
        eventually(lambda: (job := self.driver.blockjob(NAME, "vda")) is not None and job.ready, "the copy is ready")

    def chained(self) -> None:
        """The domain running on an image above the disk."""
        self.overlay.unlink(missing_ok=True)
        create(self.overlay, "qcow2", 65536, backing=(str(self.disk), "raw"))
        self.driver.define(document(self.overlay, format="qcow2"))
        self.driver.start(NAME, StartOptions())

    def committing(self) -> None:
        """The same, what it wrote committed to the disk and ready to be switched to."""
        self.chained()
        self.driver.blockcommit(NAME, "vda", BlockCommit(active=True))
        eventually(lambda: (job := self.driver.blockjob(NAME, "vda")) is not None and job.ready, "it is committed")

    def spared(self) -> None:
        """The domain running, and another disk's image beside it."""
        self.more.write_bytes(bytes(65536))
        self.more.chmod(0o600)
        self.running()

    def second(self) -> str:
        """Another disk, as a device."""
        return (f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{self.more}'/>"
                "<target dev='sda' bus='scsi'/></disk>")

    def plugged(self) -> None:
        """The domain running with the other disk plugged in, and defined with it."""
        self.spared()
        self.driver.attach_device(NAME, self.second(), _EVERYWHERE)

    def has_second(self) -> list[bool]:
        """Whether the live document, the definition and QEMU have the other disk."""
        texts = [self.driver.dumpxml(NAME, DumpOptions(inactive=inactive)) for inactive in (False, True)]
        return [*("'sda'" in text for text in texts), "scsi0-0-0-0" in self.driver.monitor_hmp(NAME, "info block")]

    def depth(self) -> int:
        """How many images QEMU has in the disk's chain."""
        told = json.loads(self.driver.monitor_qmp(NAME, '{"execute": "query-block"}'))["return"]
        image = next(one["inserted"]["image"] for one in told if one.get("inserted"))
        return 2 if "backing-image" in image else 1

    def description(self) -> str:
        """The note in the stored document."""
        text = self.driver.dumpxml(NAME, DumpOptions(inactive=True))
        return text.partition("<description>")[2].partition("</description>")[0]


class Verb(NamedTuple):
    """`states` are the legal states after a fault, `keeps` says that a guest that ran must never be lost."""

    name: str
    prepare: Callable[[Lab], None]
    act: Callable[[Lab], Callable[[QemuDriver], object]]
    done: Callable[[Lab], bool]
    states: frozenset[str] = frozenset({"shut off"})
    keeps: bool = False
    defined: bool | None = True

    @property
    def guest(self) -> bool:
        """Whether it has to do with a guest that runs."""
        return "running" in self.states


def _state(lab: Lab) -> str:
    try:
        return lab.driver.state(NAME).state
    except VirtctlError:
        return "undefined"


VERBS = [
    Verb("first-define", lambda lab: lab.nothing(), lambda lab: lambda d: d.define(document(lab.disk)),
         lambda lab: _state(lab) == "shut off", defined=None),
    Verb("define", lambda lab: None, lambda lab: lambda d: d.define(document(lab.disk)),
         lambda lab: _state(lab) == "shut off", defined=None),
    Verb("redefine", lambda lab: lab.define("old"), lambda lab: lambda d: d.define(document(lab.disk, "new")),
         lambda lab: lab.description() == "new"),
    Verb("define-running", lambda lab: lab.running(), lambda lab: lambda d: d.define(document(lab.disk, "new")),
         lambda lab: lab.description() == "new", frozenset({"running"}), keeps=True),
    Verb("undefine", lambda lab: lab.define(), lambda lab: lambda d: d.undefine(NAME, UndefineOptions()),
         lambda lab: _state(lab) == "undefined", defined=None),
    Verb("undefine-saved", lambda lab: lab.managed(),
         lambda lab: lambda d: d.undefine(NAME, UndefineOptions(managed_save=True)),
         lambda lab: _state(lab) == "undefined", defined=None),
    Verb("autostart", lambda lab: lab.define(), lambda lab: lambda d: d.set_autostart(NAME, True),
         lambda lab: lab.driver.info(NAME).autostart),
    Verb("undo", lambda lab: lab.redefined(), lambda lab: lambda d: d.undo(NAME),
         lambda lab: lab.description() == "old"),
    Verb("start", lambda lab: lab.define(), lambda lab: lambda d: d.start(NAME, StartOptions()),
         lambda lab: _state(lab) == "running", BOTH),
    Verb("create", lambda lab: None, lambda lab: lambda d: d.create(document(lab.disk), StartOptions()),
         lambda lab: _state(lab) == "running", frozenset({"running", "undefined"}), defined=None),
    Verb("suspend", lambda lab: lab.running(), lambda lab: lambda d: d.suspend(NAME),
         lambda lab: _state(lab) == "paused", frozenset({"running", "paused"}), keeps=True),
    Verb("resume", lambda lab: lab.paused(), lambda lab: lambda d: d.resume(NAME),
         lambda lab: _state(lab) == "running", frozenset({"running", "paused"}), keeps=True),
    Verb("destroy", lambda lab: lab.running(), lambda lab: lambda d: d.destroy(NAME),
         lambda lab: _state(lab) == "shut off", BOTH),
    Verb("save", lambda lab: lab.running(), lambda lab: lambda d: d.save(NAME, lab.image, SaveOptions()),
         lambda lab: _state(lab) == "shut off" and lab.image.exists(), BOTH),
    Verb("restore", lambda lab: lab.saved(), lambda lab: lambda d: d.restore(lab.image, RestoreOptions()),
         lambda lab: _state(lab) == "running", BOTH),
    Verb("managedsave", lambda lab: lab.running(), lambda lab: lambda d: d.managedsave(NAME, SaveOptions()),
         lambda lab: lab.driver.info(NAME).managed_save, BOTH),
    Verb("start-managed", lambda lab: lab.managed(), lambda lab: lambda d: d.start(NAME, StartOptions()),
         lambda lab: _state(lab) == "running", BOTH),
    Verb("start-force-boot", lambda lab: lab.managed(),
         lambda lab: lambda d: d.start(NAME, StartOptions(force_boot=True)),
         lambda lab: _state(lab) == "running" and not lab.driver.info(NAME).managed_save, BOTH),
    Verb("managedsave-remove", lambda lab: lab.managed(), lambda lab: lambda d: d.managedsave_remove(NAME),
         lambda lab: not lab.driver.info(NAME).managed_save),
    Verb("save-image-define", lambda lab: lab.saved(),
         lambda lab: lambda d: d.define_image_xml(lab.image, document(lab.disk, "new")),
         lambda lab: "new" in lab.driver.image_xml(lab.image)),
    Verb("dump", lambda lab: lab.running(),
         lambda lab: lambda d: d.dump(NAME, lab.core, DumpCoreOptions(memory_only=True)),
         lambda lab: lab.core.exists(), frozenset({"running"}), keeps=True),
    Verb("dump-crash", lambda lab: lab.running(),
         lambda lab: lambda d: d.dump(NAME, lab.core, DumpCoreOptions(memory_only=True, crash=True)),
         lambda lab: lab.core.exists() and _state(lab) == "shut off", BOTH),
    Verb("blockcopy", lambda lab: lab.running(),
         lambda lab: lambda d: d.blockcopy(NAME, "vda", BlockCopy(str(lab.copy))),
         lambda lab: lab.driver.blockjob(NAME, "vda") is not None, frozenset({"running"}), keeps=True),
    Verb("pivot", lambda lab: lab.copying(), lambda lab: lambda d: d.blockjob_pivot(NAME, "vda"),
         lambda lab: str(lab.copy) in lab.driver.dumpxml(NAME, DumpOptions(inactive=True)), frozenset({"running"}),
         keeps=True),
    Verb("abort", lambda lab: lab.copying(), lambda lab: lambda d: d.blockjob_abort(NAME, "vda"),
         lambda lab: lab.driver.blockjob(NAME, "vda") is None, frozenset({"running"}), keeps=True),
    Verb("blockpull", lambda lab: lab.chained(), lambda lab: lambda d: d.blockpull(NAME, "vda"),
         lambda lab: lab.driver.blockjob(NAME, "vda") is not None or lab.depth() == 1, frozenset({"running"}),
         keeps=True),
    Verb("blockcommit", lambda lab: lab.chained(),
         lambda lab: lambda d: d.blockcommit(NAME, "vda", BlockCommit(active=True)),
         lambda lab: lab.driver.blockjob(NAME, "vda") is not None, frozenset({"running"}), keeps=True),
    Verb("commit-pivot", lambda lab: lab.committing(), lambda lab: lambda d: d.blockjob_pivot(NAME, "vda"),
         lambda lab: str(lab.disk) in lab.driver.dumpxml(NAME, DumpOptions(inactive=True)), frozenset({"running"}),
         keeps=True),
    Verb("attach-disk", lambda lab: lab.spared(),
         lambda lab: lambda d: d.attach_device(NAME, lab.second(), _EVERYWHERE),
         lambda lab: all(lab.has_second()), frozenset({"running"}), keeps=True),
    Verb("detach-disk", lambda lab: lab.plugged(),
         lambda lab: lambda d: d.detach_device(NAME, "<disk><target dev='sda'/></disk>", _EVERYWHERE),
         lambda lab: not any(lab.has_second()), frozenset({"running"}), keeps=True),
    Verb("blockresize", lambda lab: lab.running(), lambda lab: lambda d: d.blockresize(NAME, "vda", 131072),
         lambda lab: lab.disk.stat().st_size == 131072, frozenset({"running"}), keeps=True),
]
