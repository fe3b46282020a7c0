"""Files where folders should be and folders where files should be, FIFOs, sockets, devices, loops, names too long,
files that nobody may change, folders that cannot be written.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.sweep import audit, guests
from tests.faults.test_state_folder import apart
from tests.faults.verbs import NAME, Lab, document
from tests.faults.verbs_small import EACH, MAC, disc, furnish
from tests.support.program import Program
from virtctl.errors import VirtctlError
from virtctl.values import DumpOptions, StartOptions

pytestmark = pytest.mark.qemu

FOLDERS = ["etc/qemu", "lib/qemu", "lib/qemu/history", "lib/qemu/trash", "run/qemu", "run/locks", "log/qemu"]


def make(path: Path, kind: str) -> None:
    """Something that is not what belongs there."""
    if kind == "file":
        path.write_bytes(b"no folder")
        path.chmod(0o600)
    elif kind == "folder":
        path.mkdir(mode=0o700)
        (path / "inhabited").touch(mode=0o600)
    elif kind == "fifo":
        os.mkfifo(path, 0o600)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path.name)
    else:
        with socket.socket(socket.AF_UNIX) as door:
            folder = os.open(path.parent, os.O_DIRECTORY)
            door.bind(f"/proc/self/fd/{folder}/{path.name}")
            os.close(folder)


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.fixture
def source(lab: Lab) -> Path:
    written = lab.folder / "new.xml"
    written.write_text(document(lab.disk, "new"))
    written.chmod(0o600)
    return written


@pytest.mark.fault(35)
@pytest.mark.parametrize("place", FOLDERS)
def test_what_stands_where_a_folder_should_be_is_named(lab: Lab, program: Program, source: Path, place: str) -> None:
    lab.define()
    path = lab.folder.parent / place
    aside = lab.folder.parent / "aside"
    there = path.exists()
    if there:
        path.rename(aside)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    make(path, ("file", "loop", "fifo")[FOLDERS.index(place) % 3])
    for words in (("define", source), ("start", NAME)):
        done = program(*words, seconds=20)
        assert "Traceback" not in done.err
        if done.status and "no domain" not in done.err and "failed to get domain" not in done.err:
            assert str(path) in done.err, f"{words}: {done}"
    remove(path)
    if there:
        aside.rename(path)
    for pid in guests(lab.folder.parent):  # where the run folder was a file while it started, none may be lost
        assert lab.driver.state(NAME).state == "running", pid
    if lab.driver.state(NAME).state == "running":
        lab.driver.destroy(NAME)
    lab.driver.define(source.read_text())
    lab.driver.start(NAME, StartOptions())
    lab.driver.recover()
    assert audit(lab.folder.parent) == []


FILES = ["etc/qemu.conf", "lib/qemu/save/g.save", "log/qemu/g.log", "run/locks/{uuid}.lock",
         "run/locks/definitions.lock", "lib/qemu/history/{uuid}.log", "run/qemu/{uuid}/status.json",
         "run/qemu/{uuid}/qemu.pid"]


@pytest.mark.fault(35)
@pytest.mark.parametrize("place", FILES)
def test_what_stands_where_a_file_should_be_blocks_nobody(lab: Lab, program: Program, source: Path, place: str) -> None:
    lab.define()
    uuid = lab.driver.uuid_of(NAME)
    path = lab.folder.parent / place.format(uuid=uuid)
    kind = ("folder", "fifo", "device", "socket")[FILES.index(place) % 4]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    make(path, kind)
    for words in (("list", "--all"), ("define", source), ("start", NAME)):
        done = program(*words, seconds=20)
        assert "Traceback" not in done.err
        if done.status:
            names = str(path), f"runtime folder '{path.parent}'", f"'{path.name}'"
            assert any(named in done.err for named in names), done
    assert len(guests(lab.folder.parent)) == (lab.driver.state(NAME).state == "running")
    if lab.driver.state(NAME).state == "running":
        lab.driver.destroy(NAME)
    if os.path.lexists(path):
        remove(path)
    lab.driver.define(source.read_text())
    lab.driver.start(NAME, StartOptions())


@pytest.mark.fault(36)
@pytest.mark.parametrize("length", [241, 242, 255, 256, 300, 4096])
def test_a_name_too_long_for_a_file_is_refused_before_anything_is_written(lab: Lab, program: Program, length: int
                                                                          ) -> None:
    name = "n" * length
    source = lab.folder / "long.xml"
    source.write_text(document(lab.disk).replace("<name>g<", f"<name>{name}<"))
    source.chmod(0o600)
    done = program("define", source)
    if length <= 241:
        program.ok("start", name)
        program.ok("managedsave", name)
        program.ok("undefine", name, "--managed-save")
    else:
        assert f"name {name[:32]}... is {length} bytes long, at most 241 are possible" in done.err
    assert audit(lab.folder.parent) == []
    assert program("list", "--all", "--name").out.strip() == ""


@pytest.mark.fault(36)
def test_a_path_that_leads_nowhere_is_named(lab: Lab, program: Program) -> None:
    lab.running()
    loop, other = lab.folder / "loop", lab.folder / "other"
    loop.symlink_to(other)
    other.symlink_to(loop)
    deep = lab.folder.joinpath(*["d" * 200] * 22, "image")
    for target, why in ((loop, "Too many levels of symbolic links"), (deep, "File name too long"),
                        (lab.folder / "missing" / "image", "No such file or directory"),
                        (lab.disk / "image", "Not a directory")):
        for words in (("save", NAME, target), ("dump", NAME, target, "--memory-only"),
                      ("blockcopy", NAME, "vda", target), ("restore", target), ("define", target)):
            said = program.error(*words)
            assert why in said, words
            assert str(target)[:300] in said, words
        assert lab.driver.state(NAME).state == "running"
        assert lab.driver.blockjob(NAME, "vda") is None
    assert audit(lab.folder.parent) == []


@pytest.fixture
def immutable() -> Iterator[list[Path]]:
    """Paths that are made changeable again."""
    paths: list[Path] = []
    yield paths
    for path in paths:
        subprocess.run(["chattr", "-i", path], check=False)


def freeze(path: Path, immutable: list[Path]) -> None:
    immutable.append(path)
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", path], check=False).returncode:
        pytest.skip("this file system knows no immutable files")


@pytest.mark.fault(34)
def test_an_immutable_definition_stays_and_is_named(lab: Lab, program: Program, source: Path, immutable: list[Path]
                                                    ) -> None:
    lab.define("old")
    path = lab.folder.parent / "etc" / "qemu" / "g.xml"
    before = path.read_bytes()
    freeze(path, immutable)
    for words in (("define", source), ("undefine", NAME), ("desc", NAME, "--config", "new"), ("domrename", NAME, "h"),
                  ("undo", NAME)):
        said = program.error(*words)
        assert "Operation not permitted" in said or "no older" in said, words
        assert str(path) in said or "no older" in said
        assert path.read_bytes() == before
        assert program("list", "--all", "--name").out.split() == [NAME]
        assert audit(lab.folder.parent) == []
    program.ok("start", NAME)
    program.ok("dumpxml", NAME)
    subprocess.run(["chattr", "-i", path], check=True)
    program.ok("define", source)
    assert lab.description() == "new"


@pytest.mark.fault(34)
def test_an_immutable_definition_keeps_a_pivot_from_happening(lab: Lab, program: Program, immutable: list[Path]
                                                              ) -> None:
    lab.copying()
    freeze(lab.folder.parent / "etc" / "qemu" / "g.xml", immutable)
    said = program.error("blockjob", NAME, "vda", "--pivot")
    assert "Operation not permitted" in said
    names = {str(path) in lab.driver.dumpxml(NAME, DumpOptions()) for path in (lab.disk,)}
    stored = str(lab.disk) in lab.driver.dumpxml(NAME, DumpOptions(inactive=True))
    if names == {True}:
        assert stored
        assert lab.driver.blockjob(NAME, "vda") is not None
    else:
        assert "still names" in said, "the guest has moved: the command must say that the definition has not"
    subprocess.run(["chattr", "-i", immutable[0]], check=True)
    if names == {True}:
        program.ok("blockjob", NAME, "vda", "--pivot")
    else:
        program("domblklist", NAME)
    assert str(lab.copy) in lab.driver.dumpxml(NAME, DumpOptions(inactive=True))
    assert lab.driver.state(NAME).state == "running"


@pytest.mark.fault(10, 34)
def test_what_changed_only_in_the_running_guest_is_said_to(lab: Lab, program: Program, immutable: list[Path]) -> None:
    furnish(lab)
    freeze(lab.folder.parent / "etc" / "qemu" / "g.xml", immutable)
    said = program.error("change-media", NAME, "hdc", "--insert", disc(lab), "--live", "--config")
    assert "the running guest was changed, its definition was not: " in said
    assert "Operation not permitted" in said
    assert str(disc(lab)) in lab.driver.dumpxml(NAME, DumpOptions())
    assert str(disc(lab)) not in lab.driver.dumpxml(NAME, DumpOptions(inactive=True))
    with pytest.raises(VirtctlError, match="the running guest was changed, its definition was not: "):
        lab.driver.set_link(NAME, MAC, "down", EACH)
    assert "<link state='down'/>" in lab.driver.dumpxml(NAME, DumpOptions())


@pytest.mark.fault(33)
@pytest.mark.parametrize("place", ["etc", "lib", "run", "log"])
def test_one_folder_that_cannot_be_written(lab: Lab, program: Program, source: Path, place: str) -> None:
    """Reading works; what changes something does all of it, or nothing, and the guest is as it was."""
    lab.copying()
    root = lab.folder.parent
    locked = f'mount --bind "$2/{place}" "$2/{place}"; mount -o remount,bind,ro "$2/{place}"; shift 2; '
    run = locked.replace("shift 2; ", 'p="$1"; shift 2; "$p" "$@"')
    reading = ("list --all", f"dumpxml {NAME}", f"domstate {NAME}", f"dominfo {NAME}", f"domblklist {NAME}",
               f"blockjob {NAME} vda --info")
    done = apart(run, root, "; ".join(reading))
    assert (done.returncode, done.stderr.strip()) == (0, "Block Copy: [100 %]"), "no command of them complained"
    (pid,) = guests(root)
    for words in (("define", str(source)), ("blockjob", NAME, "vda", "--pivot"), ("suspend", NAME), ("resume", NAME)):
        before = lab.driver.dumpxml(NAME, DumpOptions()), lab.driver.dumpxml(NAME, DumpOptions(inactive=True))
        done = apart(run, root, *words)
        assert guests(root) == [pid]
        if done.returncode:
            assert "Read-only file system" in done.stderr, f"{words}: {done.stderr}"
            assert f"{root}/{place}" in done.stderr
            assert (lab.driver.dumpxml(NAME, DumpOptions()),
                    lab.driver.dumpxml(NAME, DumpOptions(inactive=True))) == before, words
            assert lab.driver.state(NAME).state == "running", words
    lab.driver.recover()
    assert audit(root) == []
    if lab.driver.blockjob(NAME, "vda") is not None:
        program.ok("blockjob", NAME, "vda", "--pivot")
    lab.driver.destroy(NAME)
    lab.driver.start(NAME, StartOptions())


@pytest.mark.fault(28, 35)
def test_a_definition_that_cannot_be_read_is_not_taken_for_none(lab: Lab, program: Program) -> None:
    """A pivot that took the guest for one without a definition would leave the old image in it and succeed."""
    lab.copying()
    path = lab.folder.parent / "etc" / "qemu" / "g.xml"
    path.rename(path.with_name("aside"))
    path.symlink_to("aside")
    assert str(path) in program.error("blockjob", NAME, "vda", "--pivot")
    assert lab.driver.blockjob(NAME, "vda") is not None
    path.unlink()
    path.with_name("aside").rename(path)
    program.ok("blockjob", NAME, "vda", "--pivot")
    assert str(lab.copy) in lab.driver.dumpxml(NAME, DumpOptions(inactive=True))
