"""Devices plugged into a guest and out of it: QEMU, the live document and the definition must say the same."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import documents, guests, linux_guest
from tests.support.program import Program, end_guests
from tests.support.waiting import eventually
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import OperationTimeout
from virtctl.paths import Paths
from virtctl.qemu import plugs
from virtctl.qemu.guest import Guest
from virtctl.values import Affect

pytestmark = pytest.mark.qemu

MORE = "<controller type='scsi' model='virtio-scsi'/><controller type='usb' model='qemu-xhci'/>"


@pytest.fixture
def guest(virtctl: Program, tmp_path: Path) -> Program:
    """The program, with a domain `vm` that runs."""
    image, document = guests.counter_image(tmp_path / "vm.img"), tmp_path / "vm.xml"
    devices = documents.disk(image, "vda", "virtio") + documents.serial(tmp_path / "vm.log") + MORE
    document.write_text(documents.document("vm", devices=devices, extra="<features><acpi/></features>"))
    virtctl.ok("define", document)
    virtctl.ok("start", "vm")
    return virtctl


@pytest.fixture
def driver(guest: Program) -> Iterator[QemuDriver]:
    """The same state, with the driver in this process."""
    yield QemuDriver(Paths.under(guest.root))
    end_guests(guest.root)


def image(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    path.write_bytes(bytes(1 << 20))
    return path


def targets(program: Program, *options: str) -> list[str]:
    lines = program.ok("domblklist", "vm", *options).splitlines()[2:]
    return [line.split()[0] for line in lines if line.strip()]


def drives(program: Program) -> int:
    """How many drives QEMU has."""
    return program.ok("qemu-monitor-command", "vm", "--hmp", "info block").count("drive-")


@pytest.mark.parametrize(("target", "bus"), [("vdb", "virtio"), ("sda", "scsi"), ("sda", "usb")])
def test_a_disk_is_in_the_guest_and_in_the_definition(guest: Program, tmp_path: Path, target: str, bus: str) -> None:
    disk = image(tmp_path, "it's, odd.img")
    said = guest.ok("attach-disk", "vm", disk, target, "--targetbus", bus, "--persistent", "--serial", "S7")
    assert said == "Disk attached successfully\n\n"
    assert targets(guest) == targets(guest, "--inactive") == ["vda", target]
    assert drives(guest) == 2
    guest.ok("destroy", "vm")
    guest.ok("start", "vm")
    assert targets(guest) == ["vda", target]


def test_what_is_unplugged_is_gone_everywhere(guest: Program, tmp_path: Path) -> None:
    disk = image(tmp_path, "d.img")
    guest.ok("attach-disk", "vm", disk, "sda", "--targetbus", "scsi", "--persistent")
    assert guest.ok("detach-disk", "vm", "sda", "--persistent") == "Disk detached successfully\n\n"
    assert targets(guest) == targets(guest, "--inactive") == ["vda"]
    assert drives(guest) == 1
    guest.ok("attach-disk", "vm", disk, "sda", "--targetbus", "scsi")  # the image is free again
    assert targets(guest, "--inactive") == ["vda"]


def test_a_card_has_one_address_in_guest_and_definition(guest: Program) -> None:
    card = "<interface type='user'><model type='virtio'/></interface>"
    document = guest.root / "card.xml"
    document.write_text(card)
    guest.ok("attach-device", "vm", document, "--live", "--config")
    live, stored = (guest.ok("domiflist", "vm", *options).split()[-1] for options in ((), ("--inactive",)))
    assert live == stored
    assert live in guest.ok("qemu-monitor-command", "vm", "--hmp", "info network")
    guest.ok("detach-interface", "vm", "user", "--mac", live, "--config")
    assert live not in guest.ok("domiflist", "vm", "--inactive")


def test_what_cannot_be_plugged_leaves_nothing(guest: Program, tmp_path: Path) -> None:
    before = guest.ok("dumpxml", "vm")
    disk = image(tmp_path, "d.img")
    refused = guest.error("attach-disk", "vm", disk, "hdb", "--targetbus", "ide")
    assert refused == ("error: Failed to attach disk\n"
                       "error: Operation not supported: disk bus 'ide' cannot be hotplugged.\n")
    assert "target vda already exists" in guest.error("attach-disk", "vm", disk, "vda")
    assert "No such file" in guest.error("attach-disk", "vm", tmp_path / "none.img", "vdb")
    own = guest.error("attach-disk", "vm", tmp_path / "vm.img", "vdb", "--persistent")
    assert f"image '{tmp_path / 'vm.img'}' is in use by domain 'vm'" in own
    sound = tmp_path / "sound.xml"
    sound.write_text("<sound model='ac97'/>")
    assert "live attach of device 'sound' is not supported" in guest.error("attach-device", "vm", sound)
    guest.ok("attach-device", "vm", sound, "--config")
    assert guest.ok("dumpxml", "vm") == before
    assert drives(guest) == 1
    guest.ok("destroy", "vm")
    assert "domain is not running" in guest.error("attach-disk", "vm", disk, "vdb")


def test_a_guest_without_acpi_is_told_what_it_lacks(virtctl: Program, tmp_path: Path) -> None:
    document = tmp_path / "vm.xml"
    document.write_text(documents.machine("vm", guests.counter_image(tmp_path / "vm.img")))
    virtctl.ok("define", document)
    virtctl.ok("start", "vm")
    refused = virtctl.error("attach-disk", "vm", image(tmp_path, "d.img"), "vdb", "--persistent")
    assert "does not support hotplugging" in refused
    assert "<features><acpi/></features>" in refused
    assert targets(virtctl) == targets(virtctl, "--inactive") == ["vda"]


def test_a_guest_that_does_not_let_go_is_told_and_believed_later(
    guest: Program, driver: QemuDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest.ok("attach-disk", "vm", image(tmp_path, "d.img"), "vdb")
    monkeypatch.setattr(plugs, "UNPLUG", 0.2)  # this guest has nothing that would listen
    with pytest.raises(OperationTimeout, match="has not let go of device 'virtio-disk1'"):
        driver.detach_device("vm", "<disk type='file'><target dev='vdb'/></disk>", Affect(live=True))
    assert targets(guest) == ["vda", "vdb"]
    guest.ok("reset", "vm")  # a machine that begins again lets go of what it was asked for
    said = eventually(lambda: guest("domblklist", "vm").err, "the device to be gone")
    assert said == "warning: the guest has let go of device 'virtio-disk1' of domain 'vm'\n"
    assert targets(guest) == ["vda"]


@pytest.mark.parametrize("after", ["drive_add", "device_add", "live"])
def test_a_command_that_dies_while_plugging_is_put_right(
    guest: Program, tmp_path: Path, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = image(tmp_path, "d.img")
    child = os.fork()
    if not child:
        _die(guest, disk, after)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    end = "undone" if after == "drive_add" else "brought to its end"
    assert guest("domblklist", "vm").err == (
        f"warning: the interrupted plugging in of device 'scsi0-0-0-0' of domain 'vm' was {end}\n")
    assert targets(guest) == (["vda"] if after == "drive_add" else ["vda", "sda"])
    assert drives(guest) == len(targets(guest))
    if after == "drive_add":
        guest.ok("attach-disk", "vm", disk, "sda", "--targetbus", "scsi")
    guest.ok("detach-disk", "vm", "sda")


def _die(guest: Program, disk: Path, after: str) -> None:
    """Plugs a disk in and kills this process at one moment."""
    def killer(function: Callable[..., None]) -> Callable[..., None]:
        def call(*args: object) -> None:
            function(*args)
            os.kill(os.getpid(), signal.SIGKILL)
        return call

    if after == "live":
        setattr(Guest, "write_live", killer(Guest.write_live))  # noqa: B010 - this process ends here
    else:
        kind = after.removesuffix("_add")
        plugs._ADD[kind] = killer(plugs._ADD[kind])
    xml = f"<disk type='file'><source file='{disk}'/><target dev='sda' bus='scsi'/></disk>"
    QemuDriver(Paths.under(guest.root), command="attach").attach_device("vm", xml, Affect(live=True))
    os._exit(0)


def test_a_saved_guest_comes_back_with_what_was_plugged_in(guest: Program, tmp_path: Path) -> None:
    guest.ok("attach-disk", "vm", image(tmp_path, "d.img"), "vdb")
    guest.ok("save", "vm", tmp_path / "vm.save")
    guest.ok("restore", tmp_path / "vm.save")
    assert targets(guest) == ["vda", "vdb"]
    assert targets(guest, "--inactive") == ["vda"]


def test_a_drive_and_a_cable_are_changed_where_they_are(guest: Program, tmp_path: Path) -> None:
    card = "<interface type='user'><mac address='52:54:00:00:00:07'/><model type='virtio'/></interface>"
    drive = "<disk type='file' device='cdrom'><target dev='sdc' bus='scsi'/><readonly/></disk>"
    document, disc = tmp_path / "device.xml", image(tmp_path, "disc.iso")

    def give(command: str, text: str, *options: str) -> None:
        document.write_text(text)
        guest.ok(command, "vm", document, *options)

    give("attach-device", card, "--persistent")
    give("attach-device", drive, "--persistent")
    give("update-device", drive.replace("<target", f"<source file='{disc}'/><target"), "--persistent")
    give("update-device", card.replace("<model", "<link state='down'/><model"))
    assert str(disc) in guest.ok("domblklist", "vm")
    assert str(disc) in guest.ok("domblklist", "vm", "--inactive")
    assert str(disc) in guest.ok("qemu-monitor-command", "vm", "--hmp", "info block")
    assert guest.ok("domif-getlink", "vm", "52:54:00:00:00:07").split()[-1] == "down"
    give("update-device", card.replace("virtio", "e1000"), "--config")
    assert "e1000" in guest.ok("domiflist", "vm", "--inactive")
    document.write_text(card.replace("virtio", "e1000"))
    refused = guest.error("update-device", "vm", document, "--live")
    assert "live update of device 'interface' is not supported" in refused
    document.write_text(drive.replace("sdc", "sdd"))
    assert "no target device sdd" in guest.error("update-device", "vm", document, "--config")


def test_linux_sees_what_is_plugged_in_and_lets_it_go(
    virtctl: Program, linux: tuple[Path, Path], tmp_path: Path
) -> None:
    log, disk = tmp_path / "linux.log", image(tmp_path, "d.img")
    document, own = tmp_path / "linux.xml", tmp_path / "linux.img"
    guests.write_image(own, b"", 8 * 2**20)
    text = documents.linux_machine("vm", own, None, linux, linux_guest.CMDLINE)
    document.write_text(text.replace("<serial type='pty'/>", f"<serial type='pty'><log file='{log}'/></serial>"))
    virtctl.ok("define", document)
    virtctl.ok("start", "vm")
    eventually(lambda: guests.last_printed(log) >= 1, "Linux writes its disk")

    pattern = re.compile(rb"devices: (.*?)\r?\n")

    def devices() -> set[str]:
        before = log.stat().st_size
        with Path(virtctl.ok("ttyconsole", "vm").strip()).open("wb", buffering=0) as console:
            console.write(b"devices\n")
            answer = eventually(lambda: pattern.search(log.read_bytes()[before:]), "it answers")
        return set(answer[1].decode().split())

    assert not devices() & {"vdb", "eth0"}
    virtctl.ok("attach-disk", "vm", disk, "vdb", "--persistent")
    virtctl.ok("attach-interface", "vm", "user", "none", "--model", "virtio")
    eventually(lambda: devices() >= {"vdb", "eth0"}, "Linux sees them")
    virtctl.ok("detach-disk", "vm", "vdb", "--persistent")
    virtctl.ok("detach-interface", "vm", "user")
    assert not devices() & {"vdb", "eth0"}
    assert targets(virtctl) == targets(virtctl, "--inactive") == ["vda"]
    printed = guests.printed_numbers(log)
    assert printed == list(range(1, printed[-1] + 1))
