"""Processes are known again, never mistaken, ended in time; a start that fails says why and leaves nothing."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from tests.fakes.fake_qemu import install
from tests.fakes.guests import UUID, fake, monitored
from virtctl.errors import InvalidArgument, OperationTimeout, QemuFailed, SystemFault
from virtctl.qemu import process
from virtctl.qemu.spawn import last_words, spawn


@pytest.fixture
def sleeper():
    """A process that does nothing, not our child's child."""
    child = subprocess.Popen(["/bin/sleep", "600"])
    yield process.identify(child.pid)
    child.kill()
    child.wait()


@pytest.fixture
def deaf(tmp_path):
    """A process that ignores SIGTERM."""
    child = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; echo ready; exec sleep 600"], stdout=subprocess.PIPE)
    child.stdout.readline()
    yield process.identify(child.pid)
    child.kill()
    child.wait()
    child.stdout.close()


def shell(folder, text, name="qemu-system-x86_64"):
    """An emulator made of a few shell commands."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return str(program)


def fail_to_spawn(folder, emulator, *options, **named):
    with pytest.raises(QemuFailed) as caught:
        spawn([emulator, *options], cwd=folder, log_path=folder / "log", **named)
    return str(caught.value)


# Identity


def test_a_process_is_alive_and_itself(sleeper):
    assert process.alive(sleeper)
    assert process.alive(process.identify(os.getpid()))


def test_another_start_time_or_boot_is_another_process(sleeper):
    assert not process.alive(sleeper._replace(start_time=sleeper.start_time + 1))
    assert not process.alive(sleeper._replace(boot_id="00000000-0000-0000-0000-000000000000"))


@pytest.mark.parametrize("pid", [-1, 0, 1])
def test_no_guest_has_such_a_pid(pid):
    assert not process.alive(process.ProcessId(pid, 0, process.boot_id()))


def test_a_dead_child_that_nobody_has_reaped_is_dead():
    child = subprocess.Popen(["/bin/sleep", "600"])
    identity = process.identify(child.pid)
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process.alive(identity)
    child.wait()


def test_a_name_with_brackets_and_spaces_does_not_confuse(tmp_path):
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([program, "600"])
    assert process.alive(process.identify(child.pid))
    child.kill()
    child.wait()


# Ending


def test_terminate_ends_it_and_says_how(sleeper):
    assert process.terminate(sleeper) == signal.SIGTERM
    assert not process.alive(sleeper)
    assert process.terminate(sleeper) is None


def test_what_ignores_sigterm_is_killed_in_time(deaf):
    began = time.monotonic()
    assert process.terminate(deaf, deadline=0.6) == signal.SIGKILL
    assert time.monotonic() - began < 3


def test_a_graceful_end_that_does_not_come_is_an_error_and_no_kill(deaf):
    with pytest.raises(SystemFault) as caught:
        process.terminate(deaf, graceful=True, deadline=0.1)
    assert str(caught.value) == f"Failed to terminate process {deaf.pid} with SIGTERM: Device or resource busy"
    assert process.alive(deaf)


def test_a_stopped_process_is_killed_without_waiting(sleeper):
    os.kill(sleeper.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED)
    began = time.monotonic()
    assert process.terminate(sleeper, deadline=60) == signal.SIGKILL
    assert time.monotonic() - began < 5


def test_a_stranger_with_the_same_pid_is_never_signalled(sleeper):
    stranger = sleeper._replace(start_time=sleeper.start_time - 1)
    assert process.terminate(stranger) is None
    assert not process.send_signal(stranger, signal.SIGKILL)
    assert process.alive(sleeper)


def test_the_end_of_a_process_can_be_waited_for(sleeper):
    assert not process.wait_end(sleeper, 0.01)
    assert process.send_signal(sleeper, signal.SIGKILL)
    assert process.wait_end(sleeper, 10)


# What a start inherits


def test_qemu_inherits_nothing_but_what_it_is_given(tmp_path):
    leaked = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leaked, True)
    given = os.open("/dev/zero", os.O_RDONLY)
    emulator = shell(
        tmp_path, "ls -l /proc/$$/fd; env; umask; pwd; grep ^Sig[BI] /proc/$$/status; ps -o sid= $$; echo $$"
    )
    before = os.umask(0)
    old = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        fail_to_spawn(tmp_path, emulator, pass_fds=[given])
    finally:
        os.umask(before)
        signal.signal(signal.SIGUSR1, old)
        os.close(leaked)
        os.close(given)
    said = (tmp_path / "log").read_text()
    opened = {line.split(" -> ")[0].split()[-1]: line.split(" -> ")[1] for line in said.splitlines() if " -> " in line}
    assert opened.pop("0") == "/dev/null"
    assert opened.pop("1") == opened.pop("2") == str(tmp_path / "log")
    assert opened.pop(str(given)) == "/dev/zero"
    assert [target for target in opened.values() if target != emulator] == []
    assert f"HOME={tmp_path}\n" in said
    assert "LC_ALL=C\n" in said
    assert "VIRTCTL" not in said
    assert f"\n0077\n{tmp_path}\n" in said
    assert "SigBlk:\t0000000000000000\n" in said
    ignored = int(said.partition("SigIgn:\t")[2].split()[0], 16)
    assert ignored & ~(0b11 << 31) == 0  # 32 and 33 are the C library's own
    session, own = said.split()[-2:]
    assert session == own


def test_our_folder_and_umask_are_as_before(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    before = os.umask(0o022)
    os.umask(before)
    fail_to_spawn(tmp_path, shell(tmp_path, "exit 3"))
    assert os.getcwd() == "/"  # noqa: PTH109 - the very thing
    assert os.umask(before) == before


def test_a_start_works_from_a_folder_that_is_gone(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "exit status 3" in fail_to_spawn(tmp_path, shell(tmp_path, "exit 3"))


def test_standard_descriptors_cannot_be_passed(tmp_path):
    with pytest.raises(InvalidArgument, match="0, 1 and 2 cannot be passed"):
        spawn(["/bin/true"], cwd=tmp_path, log_path=tmp_path / "log", pass_fds=[1])


# A start that fails


def test_the_words_of_a_failed_start_are_qemus_own(tmp_path):
    (tmp_path / "log").write_text("an older run said this\n")
    words = "2026-11-21T00:00:00.123456Z qemu-system-x86_64: -device foo: 'foo' is not a valid device model name"
    said = fail_to_spawn(tmp_path, shell(tmp_path, f'echo "{words}" >&2; exit 1'))
    assert said == (
        "internal error: process exited while connecting to monitor: "
        "-device foo: 'foo' is not a valid device model name"
    )


def test_a_start_that_dies_without_a_word_says_how(tmp_path):
    assert fail_to_spawn(tmp_path, shell(tmp_path, "kill -SEGV $$")).endswith("monitor: killed by signal 11")
    assert fail_to_spawn(tmp_path, shell(tmp_path, "exit 7")).endswith("monitor: exit status 7")


@pytest.mark.parametrize("fault", ["fail", "fail_late"])
def test_a_fault_of_the_command_line_is_reported_before_and_after_the_monitor_is_there(tmp_path, fault):
    with (
        pytest.raises(QemuFailed, match="Could not open '/nix': No such file"),
        fake(tmp_path, **{fault: "Could not open '/nix': No such file"}),
    ):
        pass


def test_a_start_that_says_nothing_ends_at_the_deadline_and_leaves_no_process(tmp_path):
    emulator = install(tmp_path, mute=True)
    folder = tmp_path / UUID
    folder.mkdir()
    with pytest.raises(OperationTimeout, match=r"did not open its monitor within 0\.5 seconds"):
        spawn(monitored(emulator), cwd=folder, log_path=tmp_path / "log", deadline=0.5)
    assert process.find_strays(tmp_path) == []


@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file"), ("plain", "Permission denied")])
def test_an_emulator_that_cannot_run_names_debians_package(tmp_path, name, reason):
    (tmp_path / "plain").write_text("")
    with pytest.raises(SystemFault, match=f"Cannot run emulator '.*{name}': {reason}") as caught:
        spawn([str(tmp_path / name)], cwd=tmp_path, log_path=tmp_path / "log")
    assert "qemu-system-x86" in caught.value.hint


def test_a_missing_working_folder_is_named(tmp_path):
    with pytest.raises(SystemFault, match=r"cannot enter folder '.*gone': No such file"):
        spawn(["/bin/true"], cwd=tmp_path / "gone", log_path=tmp_path / "log")


def test_only_the_last_words_count_and_no_announcements():
    text = "char device redirected to /dev/pts/1 (label charmonitor)\n" + "".join(f"{n}\n" for n in range(20))
    assert last_words(text.encode()) == "; ".join(map(str, range(10, 20)))


# The log


def test_the_log_is_appended_to_and_nobody_else_may_read_it(tmp_path):
    (tmp_path / "log").write_text("older\n")
    (tmp_path / "log").chmod(0o644)
    fail_to_spawn(tmp_path, shell(tmp_path, "echo newer"))
    assert (tmp_path / "log").read_text() == "older\nnewer\n"
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "fifo", "folder"])
def test_a_log_that_is_not_our_own_plain_file_is_refused(tmp_path, kind):
    log, victim = tmp_path / "log", tmp_path / "victim"
    victim.write_text("precious")
    {
        "symlink": lambda: log.symlink_to(victim),
        "hardlink": lambda: log.hardlink_to(victim),
        "fifo": lambda: os.mkfifo(log),
        "folder": log.mkdir,
    }[kind]()
    with pytest.raises((SystemFault, InvalidArgument), match=r"log file '.*log'"):
        spawn(["/bin/true"], cwd=tmp_path, log_path=log)
    assert victim.read_text() == "precious"


# What a running one leaves to be found by


def test_the_monitor_s_pty_belongs_to_its_qemu_and_to_nobody_else(tmp_path):
    with fake(tmp_path) as guest:
        pid = guest.identity.pid
        assert process.pty_belongs_to(pid, guest.pts)
        assert not process.pty_belongs_to(pid, guest.pts + "9")
        assert not process.pty_belongs_to(os.getpid(), guest.pts)
        assert not process.pty_belongs_to(2**22 + 1, guest.pts)
        assert process.holds_open(pid, guest.pts)
        assert stat.S_IMODE(os.stat(guest.pts).st_mode) == 0o600  # noqa: PTH116 - a device, not a file of ours


def test_a_running_guest_is_found_without_any_record(tmp_path):
    with fake(tmp_path) as guest:
        (stray,) = process.find_strays(tmp_path)
        assert stray == (guest.identity, UUID, str(guest.folder))
        assert process.find_strays(tmp_path, UUID) == [stray]
        assert process.find_strays(tmp_path, "0" * 8) == []
        assert process.find_strays(tmp_path / "elsewhere") == []
        for file in guest.folder.iterdir():
            file.unlink()
        guest.folder.rmdir()
        assert process.find_strays(tmp_path) == [stray]
        guest.folder.mkdir()


def test_a_clean_end_and_a_kill_leave_different_traces(tmp_path):
    with fake(tmp_path) as guest:
        pidfile = guest.folder / "qemu.pid"
        assert process.terminate(guest.identity) == signal.SIGTERM
        assert not pidfile.exists()
    with fake(tmp_path) as guest:
        process.send_signal(guest.identity, signal.SIGKILL)
        assert process.wait_end(guest.identity, 10)
        assert pidfile.exists()



def test_asking_who_is_alive_loads_nothing_heavy():
    program = "import sys, virtctl.qemu.process; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True).stdout
    heavy = {"lxml", "rich", "asyncio", "importlib.metadata", "logging", "subprocess", "tempfile", "pexpect", "socket"}
    assert not heavy.intersection(loaded.split())
