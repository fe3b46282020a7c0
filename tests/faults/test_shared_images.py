"""Two guests and one image: whoever comes second is told which image and who has it; what may be shared is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.faults.racing import Act, at_once
from tests.faults.sweep import audit
from tests.faults.verbs import Lab, document
from tests.support.program import Program, pids_below
from tests.support.waiting import eventually
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import BlockCopyActive, ResourceBusy, SystemFault, VirtctlError
from virtctl.qemu.images import create
from virtctl.values import BlockCommit, BlockCopy, RestoreOptions, SaveOptions, StartOptions

pytestmark = pytest.mark.qemu


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """Its disk has second names here, which are looked at like everything else."""
    lab.disk.chmod(0o600)
    return lab


def define(lab: Lab, name: str, disk: Path, format: str = "raw", *, cdrom: bool = False) -> None:
    text = document(disk, format=format).replace("<name>g<", f"<name>{name}<")
    if cdrom:
        text = text.replace("device='disk'", "device='cdrom'").replace("dev='vda' bus='virtio'", "dev='hda' bus='ide'")
    lab.driver.define(text.replace("2a11</uuid>", f"{ord(name):04x}</uuid>"))


def start(lab: Lab, name: str, disk: Path, format: str = "raw", *, cdrom: bool = False) -> None:
    define(lab, name, disk, format, cdrom=cdrom)
    lab.driver.start(name, StartOptions())


def image(lab: Lab, name: str) -> Path:
    path = lab.folder / name
    path.write_bytes(bytes(65536))
    path.chmod(0o600)
    return path


def pid_of(lab: Lab, name: str) -> int:
    uuid = lab.driver.uuid_of(name).encode()
    (pid,) = [pid for pid in pids_below(lab.folder.parent) if uuid in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return pid


def busy(lab: Lab, act: Callable[[], object], path: Path, *owners: str, lock: str = '"write"') -> None:
    """That a command is refused in these words, and leaves nothing."""
    before = sorted(lab.folder.iterdir())
    with pytest.raises(VirtctlError) as caught:
        act()
    names = ", ".join(f"domain '{owner}' (process {pid_of(lab, owner)})" for owner in owners)
    assert str(caught.value) == f"resource busy: Failed to get {lock} lock: image '{path}' is in use by {names}"
    assert isinstance(caught.value, ResourceBusy)
    assert sorted(lab.folder.iterdir()) == before
    assert audit(lab.folder.parent) == []


@pytest.mark.fault(53, 54)
def test_the_second_guest_on_an_image_is_told_of_the_first(lab: Lab, program: Program) -> None:
    start(lab, "a", lab.disk)
    link, hard = lab.folder / "link.img", lab.folder / "hard.img"
    link.symlink_to(lab.disk)
    hard.hardlink_to(lab.disk)
    for path in (lab.disk, link, hard):
        define(lab, "b", path)
        busy(lab, lambda: lab.driver.start("b", StartOptions()), path, "a")
        words = program.error("start", "b")
        assert "error: Failed to start domain 'b'\n" in words
        assert f"Failed to get \"write\" lock: image '{path}' is in use by domain 'a'" in words
    define(lab, "b", lab.disk, cdrom=True)
    busy(lab, lambda: lab.driver.start("b", StartOptions()), lab.disk, "a", lock='shared "write"')
    lab.driver.destroy("a")
    lab.driver.start("b", StartOptions())


@pytest.mark.fault(54)
def test_a_replaced_image_is_another_and_the_renamed_one_is_still_the_first(lab: Lab) -> None:
    start(lab, "a", lab.disk)
    moved = lab.folder / "moved.img"
    lab.disk.rename(moved)
    image(lab, "disk.img")
    define(lab, "b", moved)
    busy(lab, lambda: lab.driver.start("b", StartOptions()), moved, "a")
    start(lab, "c", lab.disk)  # the file of that name is nobody's
    opened = {name: {fd.stat().st_ino for fd in Path(f"/proc/{pid_of(lab, name)}/fd").iterdir()} for name in "ac"}
    assert moved.stat().st_ino in opened["a"] - opened["c"]
    assert lab.disk.stat().st_ino in opened["c"] - opened["a"]


@pytest.mark.fault(54)
def test_what_is_only_read_is_shared(lab: Lab) -> None:
    base, disc = image(lab, "base.img"), image(lab, "disc.iso")
    overlays = {name: lab.folder / f"{name}.qcow2" for name in "ab"}
    for name, overlay in overlays.items():
        create(overlay, "qcow2", 65536, backing=(str(base), "raw"))
        start(lab, name, overlay, "qcow2")
    for name in "cd":
        start(lab, name, disc, cdrom=True)
    define(lab, "e", base)
    busy(lab, lambda: lab.driver.start("e", StartOptions()), base, *sorted("ab", key=partial(pid_of, lab)))
    define(lab, "e", disc)
    busy(lab, lambda: lab.driver.start("e", StartOptions()), disc, *sorted("cd", key=partial(pid_of, lab)))
    busy(lab, lambda: lab.driver.blockcommit("a", "vda", BlockCommit(active=True)), base, "b")
    assert {lab.driver.state(name).state for name in "abcd"} == {"running"}


@pytest.mark.fault(55)
def test_a_guest_whose_disk_was_taken_while_it_was_saved_says_so_and_is_not_lost(lab: Lab) -> None:
    """QEMU has given its disks up between the end of the stream and its own end."""
    start(lab, "a", lab.disk)
    define(lab, "b", lab.disk)
    target = lab.folder / "memory.save"
    said: list[str] = []
    lab.driver.context.warn = said.append

    def between(done: int, total: int) -> None:
        if (done, total) == (1, 1):  # the last word: all is sent
            lab.driver.start("b", StartOptions())
            target.mkdir()  # the image cannot have its name

    with pytest.raises(SystemFault, match="Is a directory"):
        lab.driver.save("a", target, SaveOptions(progress=between))
    taken = f"Failed to get \"write\" lock: image '{lab.disk}' is in use by domain 'b' (process {pid_of(lab, 'b')})"
    assert said == [f"domain 'a' could not be resumed: resource busy: {taken}"]
    assert lab.driver.state("b").state == "running"
    for _ in range(2):
        with pytest.raises(ResourceBusy) as caught:
            lab.driver.resume("a")
        assert taken in str(caught.value)
    assert lab.driver.state("a").state == "paused"
    lab.driver.destroy("b")
    lab.driver.recover()
    assert lab.driver.state("a").state == "running"
    target.rmdir()
    lab.driver.save("a", target, SaveOptions())
    assert lab.driver.restore(target, RestoreOptions()) == "a"
    assert audit(lab.folder.parent) == []


@pytest.mark.fault(56)
def test_of_many_copies_of_one_disk_one_is_made(lab: Lab) -> None:
    lab.running()
    targets = [lab.folder / f"copy{number}" for number in range(12)]
    acts: list[Act] = [partial(QemuDriver.blockcopy, ref="g", disk="vda", copy=BlockCopy(str(path)))
                       for path in targets]
    told = at_once(lab.folder.parent, acts)
    assert told.count("") == 1
    assert {text for text in told if text} == {"block copy still active: disk 'vda' already in active block job"}
    assert [path for path in targets if path.exists()] == [targets[told.index("")]]
    with pytest.raises(BlockCopyActive):
        lab.driver.blockcopy("g", "vda", BlockCopy(str(lab.copy)))
    lab.driver.blockjob_abort("g", "vda")
    assert lab.driver.state("g").state == "running"


@pytest.mark.fault(56)
def test_of_two_guests_that_copy_into_one_file_one_does(lab: Lab) -> None:
    others = [name for name in "abcd"]
    for name in others:
        start(lab, name, image(lab, f"{name}.img"))
    for turn in range(4):
        target = lab.folder / f"target{turn}"
        told = at_once(lab.folder.parent, [partial(QemuDriver.blockcopy, ref=name, disk="vda",
                                                   copy=BlockCopy(str(target))) for name in others])
        assert told.count("") == 1, told
        winner = others[told.index("")]
        eventually(lambda name=winner: (job := lab.driver.blockjob(name, "vda")) is not None and job.ready, "ready")
        lab.driver.blockjob_pivot(winner, "vda")
        assert target.stat().st_size == 65536
        assert [lab.driver.blockjob(name, "vda") for name in others] == [None] * 4
        assert audit(lab.folder.parent) == []


@pytest.mark.fault(56)
def test_a_copy_never_goes_into_an_image_in_use(lab: Lab) -> None:
    source, theirs, copy = lab.disk, image(lab, "theirs.img"), lab.copy
    theirs.write_bytes(b"theirs" + bytes(65530))
    start(lab, "a", source)
    start(lab, "b", theirs)
    start(lab, "c", image(lab, "c.img"))
    (lab.folder / "hard").hardlink_to(source)
    for path in (source, lab.folder / "hard"):
        for copying in (BlockCopy(str(path)), BlockCopy(str(path), reuse_external=True)):
            with pytest.raises(VirtctlError, match=r"already exists|cannot be copied onto itself"):
                lab.driver.blockcopy("a", "vda", copying)
    with pytest.raises(VirtctlError, match="external destination file for disk vda already exists"):
        lab.driver.blockcopy("a", "vda", BlockCopy(str(theirs)))
    for more in ({}, {"granularity": 65536}):  # by either monitor
        into = BlockCopy(str(theirs), reuse_external=True, **more)
        busy(lab, lambda into=into: lab.driver.blockcopy("a", "vda", into), theirs, "b")
    lab.driver.blockcopy("a", "vda", BlockCopy(str(copy)))
    busy(lab, lambda: lab.driver.blockcopy("b", "vda", BlockCopy(str(copy), reuse_external=True)), copy, "a")
    define(lab, "d", copy)
    busy(lab, lambda: lab.driver.start("d", StartOptions()), copy, "a", lock='"consistent read"')
    assert theirs.read_bytes() == b"theirs" + bytes(65530)
    assert {lab.driver.state(name).state for name in "abc"} == {"running"}
    assert [lab.driver.blockjob(name, "vda") is not None for name in "abc"] == [True, False, False]
