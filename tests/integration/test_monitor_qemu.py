"""The monitor layer and its verbs against a real QEMU."""

from __future__ import annotations

import os
import random
import signal
import socket
import statistics
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.fakes.guests import BARE, EMULATOR, UUID, monitored, running
from virtctl.errors import MonitorError, MonitorGone, MonitorTimeout
from virtctl.qemu import verbs
from virtctl.qemu.monitor import MAX_COMMAND, short_path
from virtctl.qemu.process import alive, wait_end
from virtctl.qemu.qmp import Qmp, QmpRefusal

pytestmark = pytest.mark.qemu

MACHINE = ("-machine", "pc", "-accel", "tcg", "-m", "32", "-S", "-nodefaults", "-no-user-config", "-display", "none")


@pytest.fixture
def bare(tmp_path):
    """A QEMU without a machine: nothing but monitors."""
    with running(monitored(EMULATOR, *BARE), tmp_path / "run") as guest:
        yield guest


@pytest.fixture
def machine(tmp_path):
    """A paused PC with a disk that has a backing file, and an empty CD-ROM drive."""
    folder = tmp_path / "run"
    folder.mkdir()
    for words in (["base.qcow2", "8M"], ["-b", "base.qcow2", "-F", "qcow2", "disk.qcow2"], ["target.qcow2", "8M"]):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *words], cwd=folder, check=True)
    devices = [
        *("-drive", "file=disk.qcow2,if=none,id=drive-virtio-disk0,format=qcow2"),
        *("-device", "virtio-blk-pci,drive=drive-virtio-disk0,id=virtio-disk0"),
        *("-drive", "if=none,id=drive-ide0-1-0,media=cdrom", "-device", "ide-cd,drive=drive-ide0-1-0,id=ide0-1-0"),
        *("-device", "virtio-balloon-pci,id=balloon0", "-device", "VGA", "-vnc", "127.0.0.1:0,to=99,password=on"),
    ]
    with running(monitored(EMULATOR, *MACHINE, *devices), folder) as guest:
        yield guest


# Time


@pytest.mark.fault(64)
def test_a_round_trip_is_short_from_any_process(bare):
    with bare.monitor() as monitor:
        within = [timed(lambda: verbs.version(monitor)) for _ in range(50)]
    anew = [timed(lambda: bare.monitor().close()) for _ in range(50)]
    assert statistics.median(within) < 0.02
    assert statistics.median(anew) < 0.02
    assert max(anew) < 0.5  # QEMU holds its pty open: nobody waits for its look once a second


def timed(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


def test_a_start_reaches_the_monitor_without_waiting_for_qemus_look_once_a_second(tmp_path):
    for number in range(5):
        began = time.monotonic()
        with running(monitored(EMULATOR, *BARE), tmp_path / str(number)):
            assert time.monotonic() - began < 0.9


@pytest.mark.fault(73)
def test_a_thousand_connections_cost_qemu_no_memory_and_never_a_second(bare):
    def resident():
        return int(Path(f"/proc/{bare.identity.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    bare.monitor().close()
    before = resident()
    slowest = max(timed(lambda: version_by_a_new_connection(bare)) for _ in range(1000))
    assert slowest < 0.9
    assert resident() - before < 2 << 20


def version_by_a_new_connection(guest):
    with guest.monitor() as monitor:
        return verbs.version(monitor)


def test_all_of_it_works_inside_the_sandbox(tmp_path):
    sandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
    with running(monitored(EMULATOR, "-sandbox", sandbox, *MACHINE), tmp_path / "run") as guest:
        with guest.monitor() as monitor:
            verbs.cont(monitor)
            assert verbs.status(monitor).running
            assert verbs.chardevs(monitor)["hold"] == "serial"
        assert timed(lambda: guest.monitor().close()) < 0.5


# Killed clients


def ask_for_ever(guest, number):
    """A client that adds character devices until it is killed."""
    for turn in range(10**6):
        with guest.monitor() as monitor:
            verbs.chardev_add(monitor, f"null,id=c{number:03}-{turn:05}-whole")
            verbs.chardev_remove(monitor, f"c{number:03}-{turn:05}-whole")


@pytest.mark.fault(73)
@pytest.mark.slow
def test_150_killed_clients_leave_no_command_behind(bare):
    dice = random.Random(2007)
    slowest = 0.0
    for number in range(150):
        client = os.fork()
        if client == 0:
            try:
                ask_for_ever(bare, number)
            finally:
                os._exit(0)
        time.sleep(dice.uniform(0.001, 0.02))  # the moment of death is what is tried, not waited for
        os.kill(client, signal.SIGKILL)
        os.waitpid(client, 0)
        began = time.monotonic()
        with bare.monitor() as monitor:
            assert verbs.version(monitor) >= (5, 0, 0)
        slowest = max(slowest, time.monotonic() - began)
    with bare.monitor() as monitor:
        left = set(verbs.chardevs(monitor)) - {"hold", "charmonitor", "charqmp"}
    assert [name for name in left if not name.endswith("-whole")] == []
    assert slowest < 0.5


@pytest.mark.fault(62)
@pytest.mark.parametrize(
    "half", ["qui", "system_res", "\x1b", "\x1b[1;", "chardev-add null,id=x", '"', "q\x1b[D", "\t"]
)
def test_a_half_typed_line_is_never_executed(bare, half):
    fd = os.open(bare.pts, os.O_RDWR | os.O_NOCTTY)
    os.write(fd, half.encode())
    os.close(fd)
    with bare.monitor() as monitor:
        assert set(verbs.chardevs(monitor)) == {"hold", "charmonitor", "charqmp"}


def test_random_rubbish_before_a_command_is_no_part_of_it(bare):
    dice = random.Random(19)
    for _ in range(60):
        fd = os.open(bare.pts, os.O_RDWR | os.O_NOCTTY)
        os.write(
            fd, bytes(dice.choice([*range(32, 127), 27, 91, 1, 5, 0x9B, 0xC3]) for _ in range(dice.randint(1, 60)))
        )
        os.close(fd)
        with bare.monitor() as monitor:
            assert verbs.uuid(monitor) == UUID


# Answers


FORGERIES = ["a\r\n(qemu) \r\nb", "Error: no", "unknown command: 'zz'\r\n(qemu) ", 'x "y\\', "ä\udcff"]


@pytest.mark.fault(63)
@pytest.mark.parametrize("name", FORGERIES)
def test_names_that_forge_a_prompt_or_an_error_are_read_back_exactly(machine, tmp_path, name):
    iso = tmp_path / name
    iso.write_bytes(bytes(2048))
    with machine.monitor() as monitor:
        verbs.change(monitor, "drive-ide0-1-0", str(iso))
        assert verbs.drives(monitor)["drive-ide0-1-0"].file == str(iso)


def test_the_longest_command_is_carried_and_one_more_byte_is_refused(bare):
    with bare.monitor() as monitor:
        assert monitor.command("x" * MAX_COMMAND).startswith("unknown command: 'xxx")
        with pytest.raises(MonitorError, match="too long"):
            monitor.command("x" * (MAX_COMMAND + 1))


def test_refusals_of_a_real_qemu(machine):
    with machine.monitor() as monitor:
        for action, words in (
            (lambda: verbs.device_add(monitor, "foo"), "'device_add': 'foo' is not a valid device model name"),
            (lambda: verbs.device_del(monitor, "foo"), "'device_del': Device 'foo' not found"),
            (lambda: verbs.block_job_cancel(monitor, "d"), "'block_job_cancel': Block job 'd' not found"),
            (lambda: verbs.sendkey(monitor, "foo"), "'sendkey': invalid parameter: foo"),
            (lambda: verbs.loadvm(monitor, "nix"), "'loadvm': Snapshot 'nix' does not exist"),
            (lambda: verbs.migrate_set_parameter(monitor, "foo", "1"), "'migrate_set_parameter': "),
        ):
            with pytest.raises(MonitorError, match=f"unable to execute QEMU command {words}"):
                action()


# Verbs


def test_the_state_of_the_guest(machine):
    with machine.monitor() as monitor:
        assert verbs.status(monitor) == (False, "prelaunch")
        verbs.cont(monitor)
        assert verbs.status(monitor) == (True, "")
        verbs.stop(monitor)
        assert verbs.status(monitor) == (False, "")
        verbs.system_reset(monitor)
        verbs.system_powerdown(monitor)
        verbs.nmi(monitor)
        verbs.sendkey(monitor, "ctrl-alt-delete", 10)
        assert verbs.uuid(monitor) == UUID
        assert verbs.balloon_actual(monitor) == 32
        verbs.balloon(monitor, 24)
        assert [server.host for server in verbs.vnc_servers(monitor)] == ["127.0.0.1"]
        verbs.set_password(monitor, "vnc", "geheim")
        verbs.expire_password(monitor, "vnc", "never")
        verbs.screendump(monitor, "screen.png", png=True)
    assert (machine.folder / "screen.png").read_bytes().startswith(b"\x89PNG")
    assert (machine.folder / "screen.png").stat().st_mode & 0o077 == 0


def test_a_disk_moves_to_another_image(machine):
    disk = "drive-virtio-disk0"
    with machine.monitor() as monitor:
        assert (verbs.drives(monitor)[disk].file, verbs.drives(monitor)[disk].backing) == ("disk.qcow2", "base.qcow2")
        verbs.drive_mirror(monitor, disk, "target.qcow2", format="qcow2", speed=1 << 30)
        (job,) = verbs.block_jobs(monitor)
        assert (job.kind, job.device, job.speed) == ("mirror", disk, 1 << 30)
        verbs.block_job_set_speed(monitor, disk, 0)
        verbs.block_job_complete(monitor, disk)
        verbs.await_job_end(monitor, disk)
        moved = verbs.drives(monitor)[disk]
        assert (moved.file, moved.format, moved.backing) == ("target.qcow2", "qcow2", None)
        verbs.block_resize(monitor, disk, 16 << 20)


def test_a_mirror_is_cancelled_and_an_image_filled_from_below(machine):
    disk = "drive-virtio-disk0"
    with machine.monitor() as monitor:
        verbs.drive_mirror(monitor, disk, "target.qcow2", format="qcow2")
        verbs.block_job_cancel(monitor, disk, force=True)
        verbs.await_job_end(monitor, disk)
        assert verbs.drives(monitor)[disk].file == "disk.qcow2"
        verbs.block_stream(monitor, disk, speed=1 << 30)
        verbs.await_job_end(monitor, disk)
        assert verbs.drives(monitor)[disk].backing is None


@pytest.mark.fault(65)
def test_media_come_and_go_by_short_names_whatever_they_are_called(machine, tmp_path):
    iso = tmp_path / "Û \n(qemu) \x01, comma.iso"
    iso.write_bytes(bytes(2048))
    with machine.monitor() as monitor:
        verbs.change(monitor, "drive-ide0-1-0", short_path(machine.folder, iso))
        drive = verbs.drives(monitor)["drive-ide0-1-0"]
        assert (drive.removable, drive.readonly, drive.format) == (True, True, "raw")
        assert (machine.folder / drive.file).resolve() == iso
        verbs.eject(monitor, "drive-ide0-1-0")
        assert verbs.drives(monitor)["drive-ide0-1-0"].file is None


@pytest.mark.fault(75)
def test_snapshots_of_any_name(machine):
    with machine.monitor() as monitor:
        for tag in ("before update", "-x", 'a "b" \\c'):
            verbs.savevm(monitor, tag)
        assert [snapshot.tag for snapshot in verbs.snapshots(monitor)] == ["before update", "-x", 'a "b" \\c']
        verbs.loadvm(monitor, "-x")
        verbs.delvm(monitor, "before update")
        assert len(verbs.snapshots(monitor)) == 2


def test_a_stream_arrives_whole_and_its_end_is_told(machine):
    received = []
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(machine.folder / "save.sock"))
        door.listen(1)
        reader = threading.Thread(target=lambda: received.append(read_all(door)))
        reader.start()
        with machine.monitor() as monitor:
            assert verbs.migration(monitor).status == ""
            verbs.migrate_bandwidth(monitor, 0)
            verbs.migrate_unix(monitor, "save.sock")
            reader.join(30)
            while verbs.migration(monitor).status == "active":
                os.sched_yield()
            done = verbs.migration(monitor)
            assert (done.status, done.remaining) == ("completed", 0)
            assert verbs.status(monitor).reason == "postmigrate"
    assert received[0].startswith(b"QEVM\0\0\0\3")


def read_all(door):
    channel, _ = door.accept()
    with channel, channel.makefile("rb") as stream:
        return stream.read()


def test_a_stream_that_nobody_takes_fails_with_the_reason(machine):
    with machine.monitor() as monitor:
        verbs.migrate_unix(monitor, "nobody.sock")
        while verbs.migration(monitor).status in ("setup", "active"):
            os.sched_yield()
        failed = verbs.migration(monitor)
        assert (failed.status, "No such file" in failed.error) == ("failed", True)
        verbs.migrate_cancel(monitor)


# The end


def test_quit_ends_it_cleanly(bare):
    with bare.monitor() as monitor:
        verbs.quit(monitor)
    assert wait_end(bare.identity, 10)
    assert not (bare.folder / "qemu.pid").exists()


@pytest.mark.fault(61)
def test_a_killed_qemu_is_gone_and_its_pty_is_not_used(bare):
    monitor = bare.monitor()
    os.kill(bare.identity.pid, signal.SIGKILL)
    assert wait_end(bare.identity, 10)
    with monitor, pytest.raises(MonitorGone):
        verbs.version(monitor)
    master, slave = os.openpty()
    try:
        with pytest.raises(MonitorGone, match="does not belong"):
            bare.monitor()
    finally:
        os.close(master)
        os.close(slave)
    assert (bare.folder / "qemu.pid").exists()


def test_a_stopped_qemu_times_out_and_goes_on_afterwards(machine):
    os.kill(machine.identity.pid, signal.SIGSTOP)
    with machine.monitor() as monitor, pytest.raises(MonitorTimeout, match="did not answer 'cont' within"):
        monitor.command("cont", 0.2)
    os.kill(machine.identity.pid, signal.SIGCONT)
    with machine.monitor() as monitor:
        assert verbs.status(monitor).reason == "prelaunch"  # it was not let run behind our back
    assert alive(machine.identity)


# The machine-readable monitor


def test_qmp_answers_refuses_and_tells_events(machine):
    with Qmp.connect(machine.folder, name="vm1") as qmp:
        assert qmp.execute("query-status")["status"] == "prelaunch"
        qmp.execute("cont")
        assert qmp.wait_event("RESUME")["event"] == "RESUME"
        assert qmp.send({"execute": "query-name", "id": "mine"}) == {"return": {}, "id": "mine"}
        with pytest.raises(QmpRefusal, match="'device_del': Device 'foo' not found") as caught:
            qmp.execute("device_del", id="foo")
        assert caught.value.kind == "DeviceNotFound"
        qmp.set_password("vnc", "geheim")
        with pytest.raises(MonitorTimeout, match="QMP monitor of domain 'vm1'"):
            Qmp.connect(machine.folder, name="vm1", deadline=0.1)
        qmp.execute("quit")
        assert qmp.wait_event("SHUTDOWN")["data"]["reason"] == "host-qmp-quit"
        with pytest.raises(MonitorGone, match="End of file"):
            qmp.execute("query-status")
    assert wait_end(machine.identity, 10)
    with pytest.raises(MonitorGone, match="not there"):
        Qmp.connect(machine.folder, name="vm1")


def test_qmp_is_reached_in_a_folder_of_any_length(tmp_path):
    folder = tmp_path
    for _ in range(8):
        folder = folder / ("x" * 40)
        folder.mkdir()
    with running(monitored(EMULATOR, *BARE), folder), Qmp.connect(Path(folder), name="vm1") as qmp:
        assert qmp.execute("query-version")["qemu"]["major"] >= 5
        assert len(str(folder)) > 300
        assert qmp.events() == []
