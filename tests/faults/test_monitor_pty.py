"""The monitor's pty: a stranger's by now, not there, out of reach, written to by others."""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.guests import BARE, EMULATOR, UUID, Guest, monitored, running
from tests.faults.sweep import guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program
from tests.support.waiting import eventually
from virtctl.errors import MonitorError, MonitorTimeout, OperationFailed
from virtctl.qemu import verbs
from virtctl.qemu.guest import Guest as RunningGuest
from virtctl.qemu.monitor import Monitor
from virtctl.state import status as statuses
from virtctl.values import StartOptions

pytestmark = pytest.mark.qemu

MACHINE = ("-machine", "pc", "-accel", "tcg", "-m", "8", "-nodefaults", "-no-user-config", "-display", "none")


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Guest]:
    with running(monitored(EMULATOR, *BARE), tmp_path / "run") as guest:
        yield guest


def pty_of(lab: Lab) -> tuple[int, str]:
    """The process of the guest, and the path of its monitor."""
    (pid,) = guests(lab.folder.parent)
    status = statuses.all_statuses(lab.driver.context.paths)[0]
    assert status.pid == pid
    return pid, status.pty


ELSEWHERE = """
import os, select, subprocess, sys, time
number, command = sys.argv[1], sys.argv[2:]
subprocess.run(["mount", "-t", "devpts", "-o", "newinstance,mode=600,ptmxmode=666", "devpts", "/dev/pts"], check=True)
ends = [os.openpty()]
while os.ttyname(ends[-1][1]) != "/dev/pts/" + number:
    ends.append(os.openpty())
desk = os.openpty()
limit = time.monotonic() + 30
child = subprocess.Popen(command, stdin=desk[1])
while child.poll() is None and time.monotonic() < limit:  # a console gets a word, and is left
    os.write(desk[0], b"word\\x1d")
    try:
        child.wait(0.05)
    except subprocess.TimeoutExpired:
        pass
child.kill()
status = child.wait()
if select.select([ends[-1][0]], [], [], 0)[0]:
    sys.exit("a stranger was written to: %r" % os.read(ends[-1][0], 4096))
sys.exit(status)
"""


@pytest.mark.fault(61, 71)
def test_where_dev_pts_is_another_file_system_the_stranger_of_that_number_gets_no_byte(
    lab: Lab, program: Program
) -> None:
    lab.running()
    _, pts = pty_of(lab)
    place = ("unshare", "-m", sys.executable, "-c", ELSEWHERE, pts.rpartition("/")[2], *program.command)
    inside = Program(program.root, place)
    assert inside.ok("domstate", NAME).strip() == "running"
    inside.ok("suspend", NAME)
    assert inside.ok("domstate", NAME, "--reason").strip() == "paused (user)"
    program.ok("resume", NAME)


@pytest.mark.fault(61)
def test_a_console_is_that_of_the_guest_where_dev_pts_is_another_file_system(lab: Lab, program: Program) -> None:
    text = document(lab.disk).replace("</devices>", "<serial type='pty'/></devices>")
    lab.driver.define(text)
    lab.driver.start(NAME, StartOptions())
    console = lab.driver.ttyconsole(NAME) or ""
    place = ("unshare", "-m", sys.executable, "-c", ELSEWHERE, console.rpartition("/")[2], *program.command)
    said = Program(program.root, place).ok("console", NAME)
    assert f"Connected to domain '{NAME}'" in said


@pytest.mark.fault(61)
def test_a_console_that_is_a_stranger_s_by_now_is_not_opened(lab: Lab) -> None:
    lab.driver.define(document(lab.disk).replace("</devices>", "<serial type='pty'/></devices>"))
    lab.driver.start(NAME, StartOptions())
    path = lab.driver.ttyconsole(NAME) or ""
    master, slave = os.openpty()
    try:
        guest = RunningGuest(lab.driver.context, lab.driver.context.find(NAME).active)
        guest.write_live_text(guest.live_text().replace(f"'{path}'", f"'{os.ttyname(slave)}'"))
        with pytest.raises(OperationFailed, match="does not belong to the QEMU of domain 'g'"):
            lab.driver.console(NAME)
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.fault(71)
def test_a_monitor_that_is_not_to_be_seen_here_is_reached_all_the_same(lab: Lab, program: Program) -> None:
    lab.running()
    hidden = Program(program.root, ("unshare", "-m", "sh", "-c", 'umount -l /dev/pts && exec "$@"', "sh",
                                    *program.command))
    hidden.ok("suspend", NAME)
    assert program.ok("domstate", NAME).strip() == "paused"


@pytest.mark.fault(71)
def test_a_monitor_without_any_permission(lab: Lab, program: Program) -> None:
    bounded = Program(program.root, ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", *program.command))
    lab.define()
    bounded.ok("start", NAME)
    _, pts = pty_of(lab)
    Path(pts).chmod(0)
    error = bounded.error("suspend", NAME)
    assert f"cannot open monitor '{pts}' of domain '{NAME}': Permission denied" in error
    assert bounded.ok("domstate", NAME).strip() == "running"
    assert "Permission denied; 'running' is what was last known" in bounded("dominfo", NAME).err
    Path(pts).chmod(0o600)
    bounded.ok("suspend", NAME)


@pytest.mark.fault(71)
def test_a_host_without_free_ptys_starts_no_guest_and_says_so(lab: Lab, program: Program) -> None:
    lab.define()
    none = "mount -t devpts -o newinstance,mode=600,ptmxmode=666,max=1 devpts /dev/pts && exec 9<>/dev/ptmx && exec"
    full = Program(program.root, ("unshare", "-m", "sh", "-c", f'{none} "$@"', "sh", *program.command))
    error = full.error("start", NAME)
    assert f"error: Failed to start domain '{NAME}'" in error
    assert "pty" in error.lower()
    assert "No space left on device" in error
    assert program.ok("domstate", NAME).strip() == "shut off"
    assert guests(lab.folder.parent) == []
    program.ok("start", NAME)


NOISE = [b"x", b"\x1b[", b"\x1b[D", b"\x01", b"\x05", b" ", b"\n", b"info status\n", b"info name\n", b"\x08", b"\t",
         b'"', b"zz\n", b"\x9b"]


@pytest.mark.fault(69)
def test_what_another_process_types_is_never_taken_for_an_answer(bare: Guest) -> None:
    dice = random.Random(69)
    ready, told = os.pipe()
    noise = os.fork()
    if noise == 0:
        try:
            fd = os.open(bare.pts, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            os.write(told, b"!")
            while True:
                os.write(fd, dice.choice(NOISE))
                signal.sigtimedwait([], dice.uniform(0.0002, 0.02))
        finally:
            os._exit(1)
    os.read(ready, 1)
    right = spoiled = 0
    try:
        for _ in range(80):
            try:
                with bare.monitor(2) as monitor:
                    assert verbs.uuid(monitor) == UUID
                    assert verbs.status(monitor, 1) == (True, "")
                right += 1
            except (MonitorError, MonitorTimeout):
                spoiled += 1
        assert os.waitpid(noise, os.WNOHANG) == (0, 0)
    finally:
        os.kill(noise, signal.SIGKILL)
        os.waitpid(noise, 0)
        os.close(ready)
        os.close(told)
    assert right > spoiled
    with bare.monitor() as monitor:
        assert verbs.uuid(monitor) == UUID


@pytest.mark.fault(70)
def test_a_monitor_that_a_command_blocks_is_told_of_in_time_and_nothing_is_run_late(lab: Lab, program: Program) -> None:
    lab.running()
    _, pts = pty_of(lab)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(lab.folder / "door"))
        door.listen(1)
        fd = os.open(pts, os.O_RDWR | os.O_NOCTTY)
        os.write(fd, b"migrate unix:%s\n" % bytes(lab.folder / "door"))  # not -d: the monitor waits for its end
        os.close(fd)
        channel, _ = door.accept()  # and nobody reads
        with channel:
            began = time.monotonic()
            error = program.error("inject-nmi", NAME)
            assert f"monitor of domain '{NAME}' did not answer 'nmi' within 2.5 seconds" in error
            assert program("list").status == 0
            assert time.monotonic() - began < 6
            lab.driver.monitor_qmp(NAME, '{"execute": "migrate_cancel"}')
    eventually(lambda: program("dominfo", NAME).err == "", "the monitor answers again")
    assert program.ok("domstate", NAME).strip() == "running"
    program.ok("suspend", NAME)


def silence(monitor: Monitor) -> str:
    """What is said when QEMU does not answer, nothing when it does."""
    try:
        monitor.command("info migrate", 0.3)
    except MonitorTimeout as error:
        return error.message
    return ""


@pytest.mark.fault(70)
def test_a_helper_that_does_not_end_holds_the_monitor_up_and_nothing_is_run_late(tmp_path: Path) -> None:
    """QEMU waits for a helper of its stream with all of its main loop, when the stream is through."""
    done = tmp_path / "done"
    os.mkfifo(done)
    with running(monitored(EMULATOR, *MACHINE, "-S"), tmp_path / "run") as guest:
        held = os.open(done, os.O_RDWR)
        with guest.monitor() as monitor:
            assert monitor.command(f'migrate -d "exec:cat >/dev/null; read word <{done}"') == ""
        with guest.monitor() as monitor:
            told = eventually(lambda: silence(monitor), "the monitor is held up")
        assert told == "monitor of domain 'vm1' did not answer 'info migrate' within 0.3 seconds"
        with guest.monitor() as monitor, pytest.raises(MonitorTimeout, match="did not answer 'quit' within"):
            monitor.command("quit", 0.2)
        os.write(held, b"\n")
        os.close(held)
        with guest.monitor() as monitor:
            assert verbs.migration(monitor).status == "completed"


@pytest.mark.fault(70)
def test_a_guest_whose_memory_does_not_arrive_is_said_to_wait_for_it(tmp_path: Path) -> None:
    argv = monitored(EMULATOR, *MACHINE, "-incoming", "unix:door")
    with running(argv, tmp_path / "run") as guest, socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(guest.folder / "door"))
        stream.send(b"QEVM\0\0\0\3")
        with guest.monitor() as monitor:
            assert verbs.status(monitor) == (False, "inmigrate")
