"""What killed processes and odd names leave on the monitor's line: never run, never read as anything else."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.guests import BARE, EMULATOR, Guest, monitored, running
from tests.support.snapshots import write_snapshots
from tests.support.typists import Leaver
from tests.support.waiting import eventually
from virtctl.errors import MonitorError, MonitorTimeout
from virtctl.qemu import verbs
from virtctl.qemu.images import create

pytestmark = pytest.mark.qemu

MACHINE = ("-machine", "pc", "-accel", "tcg", "-m", "16", "-S", "-nodefaults", "-no-user-config", "-display", "none")
DISK = ("-drive", "file=disk.qcow2,if=none,id=d,format=qcow2", "-device", "virtio-blk-pci,drive=d,id=v")
TRACE = ("-trace", "handle_hmp_command", "-D", "trace.log")
DANGEROUS = ["quit", "system_reset", "system_powerdown", "stop", "cont", "nmi", 'savevm "x"', "drive_del d",
             'change d "/etc/shadow" raw', 'migrate "exec:touch /ran"', "block_job_cancel d", 'screendump "/ran"']
BROKEN = ["\x1b", "\x1b[", "\x1b[1;2", "\x1bO", "\x9b", "quit\x1b", "quit\x1b[D", "stop\x01", "quit\x1b[3", '"', '"\\',
          "quit \t", "\x1b[A", "\x1b[A\x1b[A", "change vnc password", "help", "info", "/", "qu\x08\x7f", "\r",
          "quit\x04"]


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Guest]:
    with running(monitored(EMULATOR, *BARE, *TRACE), tmp_path / "run") as guest:
        yield guest


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Guest]:
    """A paused PC with a qcow2 disk."""
    folder = tmp_path / "run"
    folder.mkdir()
    create(folder / "disk.qcow2", "qcow2", 1 << 20)
    with running(monitored(EMULATOR, *MACHINE, *DISK, *TRACE), folder) as guest:
        yield guest


def lines(guest: Guest) -> list[str]:
    """Every line that QEMU was given."""
    trace = (guest.folder / "trace.log").read_text(errors="surrogateescape")
    return re.findall(r"^handle_hmp_command mon \S+ cmdline: (.*)$", trace, re.MULTILINE)


def executed(guest: Guest) -> list[str]:
    """Those of them that are neither nonces nor what each guest is begun with."""
    return [line for line in lines(guest) if not line.startswith(("zz", "chardev-")) and line]


@pytest.mark.fault(62)
def test_no_beginning_of_a_dangerous_command_is_ever_run(bare: Guest) -> None:
    halves = [command[:end] for command in DANGEROUS for end in range(1, len(command) + 1)]
    halves += [rubbish + more for rubbish in BROKEN for more in ("", "quit")]
    halves += ["quit " + "x" * 800, "quit" * 250]
    with Leaver(bare) as leave:
        for half in halves:
            leave(half.encode("latin-1"))
            with bare.monitor() as monitor:
                assert monitor.command("info name") == ""
        leave(b"quit " * 800, taken=False)  # QEMU needs half a minute for that; nobody waits for it
        began = time.monotonic()
        with bare.monitor() as monitor:
            assert monitor.command("info name") == ""
        assert time.monotonic() - began < 5
    assert set(executed(bare)) == {"info name"}
    assert sum(bool(re.match("zz[0-9a-f]{16} .", line)) for line in lines(bare)) > 0.9 * len(halves)  # it stood there


@pytest.mark.fault(62)
def test_a_line_of_4000_bytes_is_in_the_way_for_seconds_which_is_said_and_is_never_run(bare: Guest) -> None:
    with Leaver(bare) as leave:
        leave(b"quit " * 800)
    told = set()

    def answered() -> bool:
        try:
            with bare.monitor() as monitor:
                return monitor.command("info name", 1) == ""
        except MonitorTimeout as error:
            told.add(error.message)
            return False

    eventually(answered, "the monitor answers")
    assert told <= {"monitor of domain 'vm1' did not answer 'info name' within 1 seconds"}
    assert set(executed(bare)) == {"info name"}


@pytest.mark.fault(67)
def test_answers_of_more_than_a_mebibyte_and_of_a_thousand_names_arrive_whole(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    tags = [f"{number:04} {'long name ' * 20}end" for number in range(1000)]  # QEMU's time grows with the square
    write_snapshots(folder / "disk.qcow2", tags)
    with running(monitored(EMULATOR, *MACHINE, *DISK), folder) as guest, guest.monitor() as monitor:
        memory = monitor.command("xp /250000xb 0", 30)
        assert len(memory) > 1 << 20
        assert memory.count("0x") == 250000
        assert memory.splitlines()[-1].startswith("000000000003d088: ")
        assert [snapshot.tag for snapshot in verbs.snapshots(monitor)] == tags
        assert verbs.status(monitor).reason == "prelaunch"


@pytest.mark.fault(66, 67)
def test_nothing_is_ever_sent_that_would_be_cut(machine: Guest) -> None:
    with machine.monitor() as monitor:
        for length in (401, 1000, 1023, 1024, 1100, 4095, 4096, 10000):
            for act in (verbs.savevm, verbs.delvm, verbs.device_del, verbs.eject):
                with pytest.raises(MonitorError, match=r"too long for the monitor|cannot be called"):
                    act(monitor, "x" * length)
        assert verbs.snapshots(monitor) == []
    assert {line.split()[0] for line in executed(machine)} == {"info"}


@pytest.mark.fault(68)
def test_a_qemu_that_stands_still_half_of_the_time_answers_right_or_not_at_all(bare: Guest) -> None:
    over = threading.Event()

    def stumble() -> None:
        while not over.wait(0.1):
            os.kill(bare.identity.pid, signal.SIGSTOP)
            over.wait(0.1)
            os.kill(bare.identity.pid, signal.SIGCONT)

    other = threading.Thread(target=stumble)
    other.start()
    right = late = 0
    try:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            try:
                with bare.monitor() as monitor:
                    for asked in range(3):
                        word = f"no-{right}-{late}-{asked}"
                        deadline = 0.03 if asked == 1 else 5.0
                        assert monitor.command(word, deadline) == f"unknown command: '{word}'\n"
                        right += 1
            except MonitorTimeout:
                late += 1
    finally:
        over.set()
        other.join()
        os.kill(bare.identity.pid, signal.SIGCONT)
    assert right > 60
    assert late
    with bare.monitor() as monitor:
        assert verbs.version(monitor)


TAGS = ["-x", "-f", "--", "two  words", 'a "b" \\c', "it's", "%s%n", "d;quit", "#", "1", "(qemu)", "Error: no",
        "x" * 255]
NO_TAGS = ["", " ", "a ", " a", "a\tb", "a\x01", "a\x7f", "Û", "a\nb", "x" * 256, "x" * 1023]


@pytest.mark.fault(63, 75)
def test_a_snapshot_has_the_very_name_that_it_was_given_or_is_not_made(machine: Guest) -> None:
    with machine.monitor() as monitor:
        for tag in TAGS:
            verbs.savevm(monitor, tag)
            assert [snapshot.tag for snapshot in verbs.snapshots(monitor)] == [tag]
            verbs.loadvm(monitor, tag)
            verbs.delvm(monitor, tag)
            assert verbs.snapshots(monitor) == []
        for tag in NO_TAGS:
            for act in (verbs.savevm, verbs.loadvm, verbs.delvm):
                with pytest.raises(MonitorError):
                    act(monitor, tag)
            assert verbs.snapshots(monitor) == []
    assert not [line for line in executed(machine) if line.startswith("savevm") and line[8:-1] not in _quoted(TAGS)]


def _quoted(tags: list[str]) -> list[str]:
    return [verbs.quote(tag)[1:-1] for tag in tags]


@pytest.mark.fault(75)
@pytest.mark.parametrize("name", ["-n", "-f", "-d", "--help", " ", "a b", "it's", '"', "?", "help"])
def test_a_device_of_an_odd_name_is_that_device_and_no_option(machine: Guest, name: str) -> None:
    with machine.monitor() as monitor:
        before = verbs.drives(monitor), verbs.chardevs(monitor)
        for act in (verbs.device_del, verbs.netdev_del, verbs.chardev_remove, verbs.block_job_cancel, verbs.eject,
                    lambda m, name: verbs.drive_mirror(m, name, "copy.img"), lambda m, name: verbs.change(m, name, "x"),
                    lambda m, name: verbs.set_link(m, name, up=True), lambda m, name: verbs.block_resize(m, name, 512)):
            with pytest.raises(MonitorError, match="unable to execute QEMU command") as caught:
                act(monitor, name)
            assert name in caught.value.message
        assert (verbs.drives(monitor), verbs.chardevs(monitor)) == before
        assert verbs.status(monitor).reason == "prelaunch"
    assert not (machine.folder / "copy.img").exists()
