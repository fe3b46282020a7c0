"""A guest that powers off, breaks down, resets or panics by itself in the middle of a save, a copy or a suspend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from examples.counter_guest import Code, begin, count, print_routine, sleep, write_image
from tests.faults.sweep import audit, fresh_driver
from tests.support import documents
from tests.support.guests import last_printed
from tests.support.program import Program, pids_below
from tests.support.waiting import eventually
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import VirtctlError
from virtctl.qemu.monitor import Monitor
from virtctl.qemu.qmp import Qmp
from virtctl.qemu.saveimage import open_image
from virtctl.values import BlockCopy, DumpOptions, RestoreOptions, SaveOptions, StartOptions

pytestmark = [pytest.mark.qemu, pytest.mark.fault(23)]

NAME = "ender"
# What the guest does when it is interrupted, and the state after which it is not seen any more.
ENDS = {
    "powers off": (bytes.fromhex("ba0406 b80020 ef"), ("shut off", "shutdown")),  # out 0x604, 0x2000
    "breaks down": (bytes.fromhex("0f011e007e cc"), None),  # an interrupt without a table: a triple fault, a reset
    "resets": (bytes.fromhex("b0fe e664"), None),  # the keyboard controller's reset line
    "panics": (bytes.fromhex("ba0505 b001 ee"), ("shut off", "shutdown")),  # the pvpanic device
}


def ending_sector(act: bytes) -> bytes:
    """A guest that counts on its serial port until a non-maskable interrupt makes it do `act`."""
    line = b"counter 00000000\r\n"
    code = Code()
    begin(code, line)
    code(0xC7, 0x06, word=2 * 4)  # mov word [2 * 4], ...
    code(at="interrupted")
    code(0xC7, 0x06, word=2 * 4 + 2)  # mov word [2 * 4 + 2], 0
    code(word=0)
    code.label("loop")
    count(code, line.index(b"\r") - 1)
    code(0xBE, word=0x7E00)  # mov si, the line
    code.call("print")
    sleep(code, ticks=1)
    code(0xEB, to="loop")  # jmp loop
    print_routine(code)
    code.label("interrupted")
    code(*act)
    code.label("over")
    code(0xF4)  # hlt
    code(0xEB, to="over")  # jmp over
    code.label("drive")
    code.code += b"\0"
    code.label("line")
    code.code += line
    return code.boot_sector()


class Ender:
    """That guest, defined."""

    def __init__(self, program: Program, folder: Path, act: bytes) -> None:
        self.program, self.folder = program, folder
        self.disk, self.log, self.image = folder / "disk.img", folder / "serial.log", folder / "memory.save"
        write_image(self.disk, ending_sector(act), 2**20)
        document = folder / "guest.xml"
        document.write_text(documents.machine(NAME, self.disk, log=self.log, extra="<panic model='isa'/>"))
        program.ok("define", document)

    @property
    def driver(self) -> QemuDriver:
        return fresh_driver(self.program.root)

    def runs(self) -> QemuDriver:
        """Started anew, and counting."""
        driver = self.driver
        if driver.state(NAME).state != "shut off":
            driver.destroy(NAME)
        self.log.unlink(missing_ok=True)
        driver.start(NAME, StartOptions())
        eventually(lambda: last_printed(self.log), "it counts")
        return driver

    @contextmanager
    def interrupted_at(self, number: int, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """It is interrupted right before the n-th question to its human monitor, and before those that follow: in the
        middle of its BIOS it does not heed that.
        """
        asked, command = 0, Monitor.command
        (pid,) = pids_below(self.program.root)
        runtime = Path(f"/proc/{pid}/cwd").resolve()

        def counted(monitor: Monitor, line: str, deadline: float = 3.0) -> str:
            nonlocal asked
            asked += 1
            if asked >= number:
                with suppress(VirtctlError), Qmp.connect(runtime, name=NAME) as qmp:
                    qmp.execute("inject-nmi")
            return command(monitor, line, deadline)

        with patch.context() as hooked:
            hooked.setattr(Monitor, "command", counted)
            yield
        assert asked >= number

    def settled(self, ended: tuple[str, str] | None) -> str:
        """Its state; after an end it is the one that is expected."""
        found = self.driver.state(NAME)
        if found.state == "shut off" and found.reason != "saved":
            assert (found.state, found.reason) == ended
        assert len(pids_below(self.program.root)) == (found.state != "shut off")
        assert audit(self.program.root) == []
        return found.state


@pytest.fixture(params=list(ENDS))
def ender(request: pytest.FixtureRequest, virtctl: Program, tmp_path: Path) -> tuple[Ender, tuple[str, str] | None]:
    """A guest for each way to end."""
    act, ended = ENDS[request.param]
    return Ender(virtctl, tmp_path, act), ended


def test_a_save_is_whole_or_was_not_made(
        ender: tuple[Ender, tuple[str, str] | None], monkeypatch: pytest.MonkeyPatch) -> None:
    guest, ended = ender
    for number in (2, 4):
        driver = guest.runs()
        try:
            with guest.interrupted_at(number, monkeypatch):
                driver.save(NAME, guest.image, SaveOptions())
        except VirtctlError:
            assert guest.settled(ended) == "shut off"
            assert not guest.image.exists()
            continue
        assert guest.settled(ended) == "shut off"
        with open_image(guest.image) as image:
            assert image.verify()
        guest.driver.restore(guest.image, RestoreOptions())
        guest.image.unlink()


def test_a_copy_is_in_use_or_is_not(
        ender: tuple[Ender, tuple[str, str] | None], monkeypatch: pytest.MonkeyPatch) -> None:
    guest, ended = ender
    copy = guest.folder / "copy.img"
    driver = guest.runs()
    driver.blockcopy(NAME, "vda", BlockCopy(str(copy)))
    eventually(lambda: (job := driver.blockjob(NAME, "vda")) is not None and job.ready, "the copy is ready")
    used = copy
    try:
        with guest.interrupted_at(2, monkeypatch):
            driver.blockjob_pivot(NAME, "vda")
    except VirtctlError:
        used = guest.disk
    guest.settled(ended)
    assert f"<source file='{used}'" in guest.driver.dumpxml(NAME, DumpOptions(inactive=True))


def test_a_suspended_guest_stands_still_or_has_ended(
        ender: tuple[Ender, tuple[str, str] | None], monkeypatch: pytest.MonkeyPatch) -> None:
    guest, ended = ender
    driver = guest.runs()
    try:
        with guest.interrupted_at(1, monkeypatch):
            driver.suspend(NAME)
    except VirtctlError:
        assert guest.settled(ended) == "shut off"
    else:
        assert guest.settled(ended) == "paused"
        driver.resume(NAME)
        assert guest.settled(ended) in ("running", "shut off")
