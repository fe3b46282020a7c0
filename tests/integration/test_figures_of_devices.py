"""Figures of disks, cards and processors, and processors that come while the guest runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import documents, guests
from tests.support.program import Program
from tests.support.waiting import eventually

pytestmark = pytest.mark.qemu

CARD = "<interface type='user'><mac address='52:54:00:00:00:07'/></interface>"


@pytest.fixture
def guest(virtctl: Program, tmp_path: Path) -> Program:
    """The program, with a domain `vm` of one processor that may have three."""
    image, document = guests.counter_image(tmp_path / "vm.img"), tmp_path / "vm.xml"
    text = documents.machine("vm", image, log=tmp_path / "vm.log", extra=CARD)
    document.write_text(text.replace("<vcpu>1</vcpu>", "<vcpu current='1'>3</vcpu>"))
    virtctl.ok("define", document)
    return virtctl


def test_what_a_disk_has_read(guest: Program) -> None:
    off = "error: Requested operation is not valid: domain is not running\n"
    for words in (["domblkstat", "vm"], ["domblkerror", "vm"], ["domcontrol", "vm"], ["vcpucount", "vm", "--live"]):
        assert guest.error(*words) == off
    guest.ok("start", "vm")

    def read(*disk: str) -> list[list[str]]:
        return [line.split()[-2:] for line in guest.ok("domblkstat", "vm", *disk).splitlines()[:2]]

    eventually(lambda: int(read("vda")[1][1]) >= 512, "its boot sector to be read")
    guest.ok("suspend", "vm")
    assert [name for name, _ in read("vda")] == ["rd_req", "rd_bytes"]
    assert read() == read("vda")
    human = guest.ok("domblkstat", "vm", "vda", "--human").splitlines()
    assert human[1].startswith(" number of read operations:      ")
    assert guest.error("domblkstat", "vm", "vdz") == "error: invalid argument: invalid path: vdz\n"
    assert guest.ok("domblkerror", "vm") == "No errors found\n\n"
    assert guest.ok("domcontrol", "vm") == "ok\n\n"
    assert "'tap0' is not a known interface" in guest.error("domifstat", "vm", "tap0")
    assert "no device on the host" in guest.error("domifstat", "vm", "52:54:00:00:00:07")


def test_processors_come_while_the_guest_runs(guest: Program, tmp_path: Path) -> None:
    assert guest.ok("vcpucount", "vm") == "maximum      config         3\ncurrent      config         1\n\n"
    guest.ok("start", "vm")
    guest.ok("setvcpus", "vm", "2", "--live")
    assert guest.ok("vcpucount", "vm", "--live") == "2\n\n"
    assert guest.ok("vcpucount", "vm", "--config") == "1\n\n"
    cpus = guest.ok("qemu-monitor-command", "vm", "--hmp", "info cpus")
    assert cpus.count("CPU #") == 2
    guest.ok("save", "vm", tmp_path / "vm.save")
    guest.ok("restore", tmp_path / "vm.save")
    assert guest.ok("qemu-monitor-command", "vm", "--hmp", "info cpus").count("CPU #") == 2
    beyond = "error: invalid argument: requested vcpus is greater than max allowable vcpus for the live domain: 4 > 3\n"
    assert guest.error("setvcpus", "vm", "4", "--live") == beyond


def test_processors_of_the_definition(guest: Program) -> None:
    guest.ok("setvcpus", "vm", "3", "--config")
    assert guest.ok("vcpucount", "vm", "--current", "--active") == "3\n\n"
    guest.ok("setvcpus", "vm", "2", "--config", "--maximum")
    assert guest.ok("vcpucount", "vm", "--maximum", "--config") == "2\n\n"
    assert guest.error("setvcpus", "vm", "2", "--maximum") == "error: Option --config is required by option --maximum\n"
    assert guest.error("setvcpus", "vm", "0") == "error: Can't set 0 processors for a VM\n"
    guest.ok("start", "vm")
    assert "failed to find appropriate hotpluggable vcpus" in guest.error("setvcpus", "vm", "1", "--live")
