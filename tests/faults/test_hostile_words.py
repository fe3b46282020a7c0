"""Values that look like more than they are: the command line of the real process says what was meant, and its open
files are those that were named.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.sweep import guests
from tests.faults.verbs import NAME, Lab, document
from tests.unit.test_argv_injection import option_parts
from virtctl.errors import VirtctlError
from virtctl.qemu.images import create
from virtctl.values import StartOptions

pytestmark = pytest.mark.qemu
PAUSED = StartOptions(paused=True)
ODD = ",readonly=on,file=/etc/passwd"
SYSTEM = ("/usr/", "/lib", "/dev/", "/proc/", "/sys/", "/etc/ssl", "/etc/pki", "/memfd:")


def options(pid: int) -> dict[str, list[list[str]]]:
    """The options of a process with their values, as QEMU takes them apart."""
    words = Path(f"/proc/{pid}/cmdline").read_text(errors="surrogateescape").split("\0")[1:-1]
    found: dict[str, list[list[str]]] = {}
    for word, value in zip(words, [*words[1:], "-"], strict=True):
        if word.startswith("-"):
            name = word.lstrip("-")
            found.setdefault(name, []).append([] if value.startswith("-") else option_parts(name, value))
    return found


def named_files(pid: int, root: Path) -> set[Path]:
    """What it has open that is not its system's, nor of the folders where its state lies."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        path = entry.readlink()
        if path.is_absolute() and not str(path).startswith(SYSTEM):
            found.add(path)
    return {path for path in found if not any(path.is_relative_to(root / name) for name in ("run", "log", "lib"))}


@pytest.mark.fault(79)
def test_every_value_is_what_it_is(lab: Lab) -> None:
    place = lab.folder / f"a{ODD.replace('/', '_')}"
    place.mkdir()
    disk, disc, log, rom = (place / f"{name}{ODD.replace('/', '_')}" for name in ("disk", "disc", "log", "rom"))
    for path in (disk, disc):
        path.write_bytes(bytes(65536))
    rom.write_bytes(b"\x55\xaa\x01" + bytes(509))
    more = (f"<disk type='file' device='cdrom'><source file='{disc}'/><target dev='hdc' bus='ide'/></disk>"
            f"<interface type='user'><model type='virtio'/><rom file='{rom}'/></interface>"
            f"<serial type='file'><source path='{log}'/></serial>")
    text = document(disk).replace("<controller", more + "<controller", 1).replace("<name>g<", "<name>g,debug=on<")
    lab.driver.create(text, PAUSED)
    (pid,) = guests(lab.folder.parent)
    found = options(pid)
    assert found["name"] == [["guest=g,debug=on", "debug-threads=on"]]
    files = {part.partition("=")[2] for drive in found["drive"] for part in drive if part.startswith("file=")}
    assert files == {str(disk), str(disc)}
    assert [sorted(part for part in drive if part.startswith("readonly")) for drive in found["drive"]] == [
        [], ["readonly=on"]]
    assert f"romfile={rom}" in [part for device in found["device"] for part in device]
    assert named_files(pid, lab.folder.parent) - {log} == {disk, disc}
    assert log.exists()
    lab.driver.destroy("g,debug=on")


@pytest.mark.fault(79)
@pytest.mark.parametrize(("old", "new"), [
    ("dev='vda'", "dev='vda,readonly=on'"), ("type='raw'", "type='raw,file=/etc/passwd'"),
    ("machine='pc'", "machine='pc,accel=x'"), ("<vcpu>1", "<vcpu>1,maxcpus=4"), ("type='qemu'", "type='qemu,x=y'"),
    ("<controller type", "<interface type='user'><mac address='52:54:00:00:00:01,x=y'/></interface><controller type"),
    ("<controller type", "<interface type='user'><model type='e1000,x=y'/></interface><controller type"),
    ("<controller type", "<graphics type='vnc' port='5901,x=y'/><controller type"),
    ("<controller type", "<rng model='virtio,x=y'><backend model='random'>/dev/random</backend></rng><controller type"),
    ("<devices>", "<cpu mode='custom'><model>qemu64,-svm</model></cpu><devices>"),
    ("<devices>", "<cpu mode='custom'><model>qemu64</model><feature policy='require' name='vmx,x=y'/></cpu><devices>"),
    ("<uuid>", "<uuid>,x=y"),
])
def test_what_cannot_hold_a_comma_is_refused(lab: Lab, old: str, new: str) -> None:
    text = document(lab.disk)
    assert old in text
    with pytest.raises(VirtctlError):
        lab.driver.create(text.replace(old, new, 1), PAUSED)
    assert guests(lab.folder.parent) == []


@pytest.mark.fault(80)
@pytest.mark.parametrize("source", [
    "fat:/etc", "fat:rw:/etc", "nbd:localhost:1", "nbd+unix:///x", "json:{}", "blkdebug::x", "http://localhost/x",
    "a:b", "null-co://", "fd:3", "~/x", "*.img", "../x", "relative"])
def test_what_is_no_absolute_path_is_refused(lab: Lab, source: str) -> None:
    for device in ("disk", "cdrom"):
        text = document(Path("/")).replace("file='/'", f"file='{source}'")
        text = text.replace("device='disk'", f"device='{device}'")
        with pytest.raises(VirtctlError) as caught:
            lab.driver.create(text.replace("dev='vda' bus='virtio'", "dev='hda' bus='ide'"), PAUSED)
        assert source in str(caught.value)
    assert guests(lab.folder.parent) == []


@pytest.mark.fault(80)
def test_sets_of_descriptors_belong_to_the_program(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VirtctlError, match="Cannot access storage file '/dev/fdset/0'"):
        lab.driver.create(document(Path("/dev/fdset/0")), PAUSED)
    image = lab.folder / "nbd:localhost:1"  # below an absolute path it is a file
    image.write_bytes(bytes(65536))
    monkeypatch.chdir(lab.folder)
    lab.driver.create(document(image), PAUSED)
    (pid,) = guests(lab.folder.parent)
    assert named_files(pid, lab.folder.parent) == {image}


@pytest.mark.fault(81)
@pytest.mark.parametrize("driver", ["<driver name='qemu' type='raw'/>", "<driver name='qemu'/>", ""])
def test_a_raw_disk_stays_raw_whatever_the_guest_wrote(lab: Lab, driver: str) -> None:
    """The header names a file of the host's as the image below."""
    secret = lab.folder / "secret"
    secret.write_bytes(bytes(65536))
    lab.disk.unlink()
    create(lab.disk, "qcow2", 65536, backing=(str(secret), "raw"))
    text = document(lab.disk).replace("<driver name='qemu' type='raw'/>", driver)
    lab.driver.create(text, PAUSED)
    (pid,) = guests(lab.folder.parent)
    assert named_files(pid, lab.folder.parent) == {lab.disk}
    assert f"{lab.disk} (raw" in lab.driver.monitor_hmp(NAME, "info block")
