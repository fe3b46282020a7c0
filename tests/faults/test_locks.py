"""Whoever holds a domain's lock is stopped, loses the file, dies, or starts a QEMU: the lock is held by him alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.racing import Act, at_once
from tests.faults.sweep import guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program
from tests.support.waiting import eventually
from virtctl.errors import OperationTimeout
from virtctl.state.lock import DomainLock, describe_holder
from virtctl.values import StartOptions

pytestmark = pytest.mark.qemu


def lock_of(lab: Lab) -> DomainLock:
    return DomainLock(lab.driver.context.paths, lab.driver.uuid_of(NAME), command="here", timeout=0.2)


HOLDER = """
import sys
from pathlib import Path
from virtctl.state.lock import FileLock
with FileLock(Path(sys.argv[1]), command="save g"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_holds(path: Path) -> Iterator[int]:
    """A process that holds a lock until the end of the block; its pid."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield holder.pid
        holder.communicate()


@contextmanager
def stopped_command(lab: Lab, program: Program) -> Iterator[int]:
    """A `virtctl suspend` that was stopped by a signal while it held the lock: it waits for a QEMU that is stopped."""
    (qemu,) = guests(lab.folder.parent)
    path = lock_of(lab).path
    os.kill(qemu, signal.SIGSTOP)
    words = [*program.command, "suspend", NAME]
    with subprocess.Popen(words, env=program.environ(), stdout=subprocess.DEVNULL) as command:
        eventually(lambda: f"pid {command.pid} 'suspend'" in describe_holder(path), "it has the lock")
        os.kill(command.pid, signal.SIGSTOP)
        os.kill(qemu, signal.SIGCONT)
        try:
            yield command.pid
        finally:
            os.kill(command.pid, signal.SIGCONT)
        assert command.wait(10) == 0


@pytest.mark.fault(14)
def test_a_command_that_is_stopped_with_the_lock_is_named_by_those_who_wait(lab: Lab, program: Program) -> None:
    lab.running()
    with stopped_command(lab, program) as pid:
        for words in (["destroy", NAME], ["resume", NAME], ["undefine", NAME], ["managedsave", NAME]):
            begin = time.monotonic()
            said = program.error("--lock-timeout", "0.5", *words)
            assert 0.5 <= time.monotonic() - begin < 2.5
            assert "error: Timed out during operation: cannot acquire state change lock " in said
            assert f"(held by pid {pid} 'suspend' since " in said
        for words in (["list", "--all"], ["domstate", NAME], ["dominfo", NAME], ["dumpxml", NAME]):
            begin = time.monotonic()
            assert program(*words).status == 0
            assert time.monotonic() - begin < 3
        other = document(lab.copy, "other").replace("<name>g<", "<name>h<").replace("2a11</uuid>", "2a12</uuid>")
        lab.copy.write_bytes(bytes(65536))
        lab.driver.define(other)
        program.ok("--lock-timeout", "0.5", "start", "h")
        program.ok("--lock-timeout", "0.5", "destroy", "h")
        assert lab.driver.state(NAME).state == "running"
    assert lab.driver.state(NAME).state == "paused"
    program.ok("--lock-timeout", "0.5", "destroy", NAME)


@pytest.mark.fault(58)
@pytest.mark.parametrize("how", ["file", "folder", "replaced"])
def test_a_lock_whose_file_is_removed_while_it_is_held_is_held_on(lab: Lab, how: str) -> None:
    lab.define()
    path = lock_of(lab).path
    with another_holds(path) as pid:
        if how == "folder":
            shutil.rmtree(path.parent)
        else:
            path.unlink()
        if how == "replaced":
            path.touch(mode=0o600)
        started = at_once(lab.folder.parent, [waits_a_little] * 8)
        assert all("cannot acquire state change lock" in text for text in started), started
        assert guests(lab.folder.parent) == []
        assert Path(f"/proc/{pid}").exists()
    begun: list[Act] = [lambda driver: driver.start(NAME, StartOptions())] * 8
    assert at_once(lab.folder.parent, begun).count("") == 1
    assert len(guests(lab.folder.parent)) == 1


def waits_a_little(driver: object) -> None:
    from virtctl.drivers.qemu import QemuDriver

    assert isinstance(driver, QemuDriver)
    driver.context.lock_timeout = 0.3
    driver.start(NAME, StartOptions())


@pytest.mark.fault(59)
def test_no_qemu_holds_a_lock_of_ours(lab: Lab) -> None:
    lab.running()
    (pid,) = guests(lab.folder.parent)
    opened = [entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir()]
    assert not [path for path in opened if path.name.endswith(".lock") or path.parent.name == "locks"], opened
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    assert str(pid) not in {words[4] for words in locks if words[1] == "FLOCK"}
    lock = lock_of(lab)
    lock.timeout = 0
    with lock:
        pass


@pytest.mark.fault(60)
def test_a_pid_in_a_lock_file_that_is_another_process_by_now_means_nothing(lab: Lab, program: Program) -> None:
    lab.define()
    lock = lock_of(lab)
    with lock:
        text = lock.path.read_text()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as stranger:
        lock.path.write_text(text.replace(f'"pid": {os.getpid()}', f'"pid": {stranger.pid}'))
        assert f"held by pid {stranger.pid}" in describe_holder(lock.path)
        program.ok("--lock-timeout", "0", "start", NAME)
        program.ok("--lock-timeout", "0", "destroy", NAME)
        assert f"held by pid {stranger.pid}" not in describe_holder(lock.path)
        assert stranger.poll() is None
        stranger.communicate()
    assert stranger.returncode == 0


@pytest.mark.fault(60)
def test_the_text_of_a_lock_is_not_believed_without_the_lock(lab: Lab) -> None:
    lab.define()
    lock = lock_of(lab)
    for text in (b"", b"{", b"\0" * 2000, b'{"pid": "x"}', b'{"pid": 1, "since": 1e400, "command": []}'):
        lock.path.parent.mkdir(parents=True, exist_ok=True)
        lock.path.write_bytes(text)
        with lock:
            assert f"held by pid {os.getpid()} 'here'" in describe_holder(lock.path)
    with another_holds(lock.path):
        lock.path.write_bytes(b"?")
        with pytest.raises(OperationTimeout, match=r"lock \(held by another process\)"), lock:
            pass
