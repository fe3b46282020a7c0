"""A guest whose disk is full or broken while it runs: what it is told, how it stands, and how it goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import guests
from tests.support.machines import Machine
from tests.support.program import Program
from tests.support.waiting import eventually

pytestmark = pytest.mark.qemu

FULL = "paused (I/O error)"
BROKEN = b"the disk cannot be written"
COMMANDLINE = """<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
<qemu:arg value='-set'/><qemu:arg value='drive.drive-virtio-disk0.file=blkdebug:{rules}:{image}'/>
</qemu:commandline>"""


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tiny", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.fault(24)
def test_a_full_disk_pauses_the_guest_and_space_lets_it_go_on(
        virtctl: Program, tmp_path: Path, tiny_disk: Path) -> None:
    machine = Machine.make(virtctl, tmp_path, writer=True)
    image = tiny_disk / "counter.img"
    subprocess.run(["cp", "--sparse=always", machine.image, image], check=True)
    machine.document.write_text(machine.document.read_text().replace(str(machine.image), str(image)))
    virtctl.ok("undefine", "counter")
    virtctl.ok("define", machine.document)
    virtctl.ok("start", "counter")
    eventually(lambda: machine.state() == FULL, "the disk is full")
    assert virtctl.ok("list").split()[-1] == "paused"
    said = virtctl.error("resume", "counter")
    assert f"the guest stopped again with an I/O error on '{image}'" in said
    assert f"hint: free space on, or repair, what holds '{image}', then resume once more" in said
    assert machine.state() == FULL
    subprocess.run(["mount", "-o", "remount,size=16m", str(tiny_disk)], check=True)
    before = guests.last_printed(machine.log)
    virtctl.ok("resume", "counter")
    assert machine.state() == "running (unpaused)"
    machine.counts(beyond=before + 512)
    virtctl.ok("destroy", "counter")
    assert guests.written_last(image) > before
    assert BROKEN not in machine.log.read_bytes()


def broken(virtctl: Program, folder: Path, policy: str) -> Machine:
    """A guest whose first write to one sector of its disk fails with EIO."""
    machine = Machine.make(virtctl, folder, writer=True)
    rules = folder / "rules"
    rules.write_text(f'[inject-error]\nevent = "write_aio"\nerrno = "5"\nsector = "{guests.WRITER_FIRST + 9}"\n'
                     'once = "on"\n')
    text = machine.document.read_text().replace("name='qemu' type='raw'", f"name='qemu' type='raw'{policy}")
    text = text.replace("</domain>", COMMANDLINE.format(rules=rules, image=machine.image) + "</domain>")
    machine.document.write_text(text)
    virtctl.ok("undefine", "counter")
    virtctl.ok("define", machine.document)
    virtctl.ok("start", "counter")
    return machine


@pytest.mark.fault(25)
@pytest.mark.parametrize("policy", ["", " error_policy='report'", " error_policy='enospace'"])
def test_an_error_of_the_disk_is_reported_to_the_guest(virtctl: Program, tmp_path: Path, policy: str) -> None:
    machine = broken(virtctl, tmp_path, policy)
    machine.counts(beyond=64)
    assert machine.log.read_bytes().count(BROKEN) == 1
    assert machine.state() == "running (booted)"


@pytest.mark.fault(25)
def test_an_error_of_the_disk_is_ignored(virtctl: Program, tmp_path: Path) -> None:
    machine = broken(virtctl, tmp_path, " error_policy='ignore'")
    machine.counts(beyond=64)
    assert BROKEN not in machine.log.read_bytes()
    assert machine.state() == "running (booted)"


@pytest.mark.fault(25)
def test_an_error_of_the_disk_stops_the_guest(virtctl: Program, tmp_path: Path) -> None:
    machine = broken(virtctl, tmp_path, " error_policy='stop'")
    eventually(lambda: machine.state() == FULL, "the error stops it")
    assert BROKEN not in machine.log.read_bytes()
    virtctl.ok("resume", "counter")
    machine.counts(beyond=64)
    virtctl.ok("destroy", "counter")
    assert guests.written_last(machine.image) >= 64
