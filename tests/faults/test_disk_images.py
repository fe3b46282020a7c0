"""Disk images that are missing, damaged or no images: a clear refusal in bounded time, at boot and at restore."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.sweep import guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program
from virtctl.errors import VirtctlError
from virtctl.qemu.images import create
from virtctl.values import Affect, BlockCommit, BlockCopy, DumpOptions, RestoreOptions, SaveOptions, StartOptions

pytestmark = pytest.mark.qemu
PAUSED = StartOptions(paused=True)
SIZE = 65536


def qcow2(path: Path, below: Path | None = None, form: str = "qcow2") -> None:
    path.unlink(missing_ok=True)
    create(path, "qcow2", SIZE, backing=(str(below), form) if below else None)


def missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def wrong_format(path: Path) -> None:
    path.write_bytes(bytes(SIZE))


def cut_header(path: Path) -> None:
    qcow2(path)
    os.truncate(path, 50)


def cut_tables(path: Path) -> None:
    qcow2(path)
    os.truncate(path, 70000)


def bad_header(path: Path) -> None:
    qcow2(path)
    with path.open("r+b") as file:
        file.seek(32)
        file.write(b"\xff" * 32)


def no_base(path: Path) -> None:
    base = path.with_name("base")
    base.write_bytes(bytes(SIZE))
    qcow2(path, base, "raw")
    base.unlink()


def pipe_base(path: Path) -> None:
    no_base(path)
    os.mkfifo(path.with_name("base"))


def loop(path: Path) -> None:
    other, base = path.with_name("other"), path.with_name("base")
    qcow2(base)
    qcow2(other, base)
    qcow2(path, other)
    rebase = ["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", str(path), str(other)]
    subprocess.run(rebase, check=True, timeout=30)


def nobody_said_which(path: Path) -> None:
    """The image below has one below itself, and the top does not say that it is a qcow2 image."""
    base, deep = path.with_name("base"), path.with_name("deep")
    deep.write_bytes(bytes(SIZE))
    qcow2(base, deep, "raw")
    qcow2(path, base, "raw")
    data = path.read_bytes()
    place = data.index(b"\xe2\x79\x2a\xca")  # the extension that holds the format, made one that nobody knows
    path.write_bytes(data[:place] + b"\x7f\x79\x2a\xca" + data[place + 4:])


# The fault, what is said of it, and whether a start may go on without the disk when the policy is `optional`.
FAULTS: list[tuple[Callable[[Path], None], str, bool]] = [
    (missing, "No such file or directory", True), (folder, "is a directory", True),
    (pipe, "neither a file nor a device", True), (empty, "is not in qcow2 format", False),
    (wrong_format, "is not in qcow2 format", False), (cut_header, "is not in qcow2 format", False),
    (cut_tables, "is cut short or damaged", False), (bad_header, "is cut short or damaged", False),
    (no_base, "Cannot access backing file", True), (pipe_base, "neither a file nor a device", True),
    (loop, "leads back to", False), (nobody_said_which, "was not specified in the image metadata", False)]
every_fault = pytest.mark.parametrize(("fault", "said", "may_go"), FAULTS, ids=[one[0].__name__ for one in FAULTS])


def with_policy(path: Path, policy: str) -> str:
    return document(path, format="qcow2").replace("<source file", f"<source startupPolicy='{policy}' file")


def refused(lab: Lab, act: Callable[[], object], said: str, path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(VirtctlError) as caught:
        act()
    assert time.monotonic() - began < 5  # most of it is waiting for the other processes of the machine
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert guests(lab.folder.parent) == []


@pytest.mark.fault(46)
@every_fault
def test_at_boot(lab: Lab, fault: Callable[[Path], None], said: str, may_go: bool) -> None:
    image = lab.folder / "top.qcow2"
    fault(image)
    refused(lab, lambda: lab.driver.create(with_policy(image, "mandatory"), PAUSED), said, image)
    with pytest.raises(VirtctlError, match="'requisite' is allowed only for cdrom or floppy"):
        lab.driver.define(with_policy(image, "requisite"))
    told: list[str] = []
    lab.driver.context.warn = told.append
    if may_go:
        lab.driver.create(with_policy(image, "optional"), PAUSED)
        assert len(told) == 1
        assert said in told[0]
        assert "the guest starts without it (startupPolicy='optional')" in told[0]
        lab.driver.destroy(NAME)
    else:
        refused(lab, lambda: lab.driver.create(with_policy(image, "optional"), PAUSED), said, image)


@pytest.mark.fault(46)
@pytest.mark.parametrize(("policy", "fault", "said", "below"), [
    *(("mandatory", fault, said, False) for fault, said, _ in FAULTS[:8]),
    *(("optional", fault, said, False) for fault, said, _ in FAULTS[:2]),
    *(("mandatory", fault, said, True) for fault, said, _ in FAULTS[:5])])
def test_at_restore(lab: Lab, policy: str, fault: Callable[[Path], None], said: str, below: bool) -> None:
    """The memory knows the disk, so that no policy lets it go missing; what lies below stands in the document."""
    image = top = lab.folder / "top.qcow2"
    if below:
        image = lab.folder / "base.qcow2"
        qcow2(image)
    qcow2(top, image if below else None)
    lab.driver.create(with_policy(top, policy), PAUSED)
    lab.driver.save(NAME, lab.image, SaveOptions())
    whole = lab.image.read_bytes()
    kept = image.with_name("kept")
    image.rename(kept)
    fault(image)
    refused(lab, lambda: lab.driver.restore(lab.image, RestoreOptions()), said, image)
    assert lab.image.read_bytes() == whole
    image.rmdir() if image.is_dir() else image.unlink(missing_ok=True)
    kept.rename(image)
    assert lab.driver.restore(lab.image, RestoreOptions()) == NAME


@pytest.mark.fault(46)
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(("call", "error", "said"), [
    ("openat", "EACCES", "Cannot access storage file '{}': Permission denied"),
    ("pread64", "EIO", "cannot read image '{}': Input/output error")])
def test_an_image_that_cannot_be_read(lab: Lab, program: Program, call: str, error: str, said: str) -> None:
    image, text = lab.folder / "top.qcow2", lab.folder / "g.xml"
    qcow2(image)
    for policy in ("mandatory", "optional"):
        text.write_text(with_policy(image, policy))
        trace = ("strace", "-qq", "-o", "/dev/null", "-P", str(image), "-e", f"trace={call}", "-e",
                 f"inject={call}:error={error}:when=1")
        done = Program(program.root, (*trace, *program.command))("create", text, "--paused")
        assert said.format(image) in done.err
        assert done.status == (1 if policy == "mandatory" else 0)
    assert "the guest starts without it" in done.err


@pytest.mark.fault(46)
@every_fault
def test_what_only_looks_answers_at_once(lab: Lab, fault: Callable[[Path], None], said: str, may_go: bool) -> None:
    image = lab.folder / "top.qcow2"
    fault(image)
    lab.driver.define(document(image, format="qcow2"))
    began = time.monotonic()
    assert str(image) in lab.driver.dumpxml(NAME, DumpOptions())
    with suppress(VirtctlError):
        assert lab.driver.block_sizes(NAME, "vda").capacity == SIZE
    assert time.monotonic() - began < 5


@pytest.mark.fault(46)
@pytest.mark.parametrize("fault", [missing, folder, pipe, wrong_format, cut_tables, no_base, pipe_base, loop])
def test_a_running_guest_is_not_stopped_by_a_bad_target(lab: Lab, fault: Callable[[Path], None]) -> None:
    target = lab.folder / "target" / "top.qcow2"
    target.parent.mkdir()
    fault(target)
    lab.running()
    copy = BlockCopy(str(target), format="qcow2", reuse_external=True)
    began = time.monotonic()
    with pytest.raises(VirtctlError, match=r"top\.qcow2"):
        lab.driver.blockcopy(NAME, "vda", copy)
    assert time.monotonic() - began < 5
    assert lab.driver.state(NAME).state == "running"
    assert lab.driver.blockjob(NAME, "vda") is None


@pytest.mark.fault(46)
def test_a_base_that_is_gone_while_the_guest_runs(lab: Lab) -> None:
    lab.chained()
    lab.disk.rename(lab.disk.with_name("elsewhere"))  # QEMU has it open: the chain is known, the commit goes on
    assert str(lab.disk) in lab.driver.dumpxml(NAME, DumpOptions())
    with pytest.raises(VirtctlError, match="could not find image"):
        lab.driver.blockcommit(NAME, "vda", BlockCommit(active=True, base=str(lab.folder / "nowhere")))
    assert lab.driver.state(NAME).state == "running"


CDROM = "<disk type='file' device='{}'>{}<target dev='{}' bus='{}'/></disk>"
DRIVES = {"cdrom": ("hdc", "ide"), "floppy": ("fda", "fdc")}


def with_drive(lab: Lab, device: str, source: Path | None = None, policy: str = "mandatory") -> str:
    inside = f"<source file='{source}' startupPolicy='{policy}'/>" if source else ""
    drive = CDROM.format(device, inside, *DRIVES[device])
    return document(lab.disk).replace("<controller", drive + "<controller", 1)


@pytest.mark.fault(46, 47)
@pytest.mark.parametrize("device", DRIVES)
@pytest.mark.parametrize("policy", ["mandatory", "requisite", "optional"])
def test_media_that_are_gone(lab: Lab, device: str, policy: str) -> None:
    """`requisite` must be there at boot and may be gone at restore, `optional` may be gone at both."""
    medium, target = lab.folder / "medium", DRIVES[device][0]
    medium.write_bytes(bytes(1474560))
    told: list[str] = []
    lab.driver.context.warn = told.append
    lab.driver.create(with_drive(lab, device, medium, policy), StartOptions())
    lab.driver.save(NAME, lab.image, SaveOptions())
    medium.unlink()
    if policy == "mandatory":
        refused(lab, lambda: lab.driver.restore(lab.image, RestoreOptions()), "No such file or directory", medium)
    else:
        lab.driver.restore(lab.image, RestoreOptions())
        assert len(told) == 1
        assert f"disk '{target}'" in told[0]
        assert "the drive is empty" in told[0]
        lab.driver.destroy(NAME)
    boot = with_drive(lab, device, medium, policy)
    if policy == "optional":
        lab.driver.create(boot, PAUSED)
    else:
        refused(lab, lambda: lab.driver.create(boot, PAUSED), "No such file or directory", medium)


@pytest.mark.fault(47)
@pytest.mark.parametrize("device", DRIVES)
def test_media_change_while_the_guest_runs(lab: Lab, program: Program, device: str) -> None:
    medium, other, target = lab.folder / "medium", lab.folder / "other", DRIVES[device][0]
    for path in (medium, other):
        path.write_bytes(bytes(1474560))
    lab.driver.create(with_drive(lab, device, medium), StartOptions())
    medium.unlink()  # while it is in use: nothing happens to the guest
    assert lab.driver.state(NAME).state == "running"
    assert str(medium) in program.ok("domblklist", NAME)
    if device == "floppy":  # the guest may write to it, so QEMU has to open it anew when it gives it up
        with pytest.raises(VirtctlError, match=f"image '{medium}' of disk 'fda' is not there any more"):
            lab.driver.save(NAME, lab.image, SaveOptions())
        assert lab.driver.state(NAME).state == "running"
        assert not lab.image.exists()
    lab.driver.change_media(NAME, target, None, Affect(live=True), force=True)
    assert str(medium) not in lab.driver.dumpxml(NAME, DumpOptions())
    os.mkfifo(lab.folder / "pipe")
    for bad in (medium, lab.folder / "pipe", lab.folder):
        began = time.monotonic()
        with pytest.raises(VirtctlError) as caught:
            lab.driver.change_media(NAME, target, str(bad), Affect(live=True), force=False)
        assert str(bad) in str(caught.value)
        assert time.monotonic() - began < 5
    lab.driver.change_media(NAME, target, str(other), Affect(live=True), force=False)
    assert str(other) in lab.driver.dumpxml(NAME, DumpOptions())
    assert lab.driver.state(NAME).state == "running"
