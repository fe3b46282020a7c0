import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from virtctl.errors import OperationFailed, OperationTimeout
from virtctl.paths import Paths
from virtctl.state.lock import DefinitionsLock, DomainLock, FileLock

ROOT = Path(__file__).parents[2]
UUID = "11111111-2222-3333-4444-555555555555"
HOLDER = """
import sys
from pathlib import Path
from virtctl.state.lock import FileLock
with FileLock(Path(sys.argv[1]), command="save vm1"):
    print("held", flush=True)
    sys.stdin.read()
print("released", flush=True)
"""


@pytest.fixture
def paths(tmp_path):
    return Paths.under(tmp_path)


@pytest.fixture
def holder(paths):
    """Another process that holds the domain's lock until its input is closed."""
    path = DomainLock(paths, UUID).path
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.stdin.close()
    child.stdout.close()
    child.wait()


def test_the_holder_is_named_when_time_is_up(paths, holder):
    start = time.monotonic()
    text = rf"cannot acquire state change lock \(held by pid {holder.pid} 'save vm1' since \d\d:\d\d:\d\d\)"
    with pytest.raises(OperationTimeout, match=text), DomainLock(paths, UUID, timeout=0.2):
        pass
    assert 0.2 <= time.monotonic() - start < 5


def test_zero_tries_once(paths, holder):
    with pytest.raises(OperationTimeout), DomainLock(paths, UUID, timeout=0):
        pass


@pytest.mark.fault(14)
def test_a_stopped_holder_is_named_too(paths, holder):
    os.kill(holder.pid, signal.SIGSTOP)
    with pytest.raises(OperationTimeout, match=f"pid {holder.pid}"), DomainLock(paths, UUID, timeout=0.05):
        pass
    os.kill(holder.pid, signal.SIGCONT)


def test_domains_do_not_wait_for_each_other(paths, holder):
    with DomainLock(paths, UUID.replace("1", "9"), timeout=0), DefinitionsLock(paths, timeout=0):
        pass


@pytest.mark.fault(60)
def test_a_killed_holder_gives_way(paths, holder):
    holder.kill()
    with DomainLock(paths, UUID, timeout=10):
        pass


def test_the_turn_comes_when_the_holder_lets_go(paths, holder):
    waiter = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(DomainLock(paths, UUID).path)], cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    holder.stdin.close()
    assert waiter.communicate(timeout=20)[0] == "held\nreleased\n"
    assert waiter.returncode == 0


@pytest.mark.fault(58)
def test_a_lock_file_replaced_while_it_was_held_does_not_split_the_lock(paths):
    lock = DomainLock(paths, UUID, timeout=1)
    with lock:
        lock.path.unlink()
        with FileLock(lock.path.with_name("other"), timeout=0):
            pass
    with lock:
        assert os.path.samestat(os.fstat(lock._fd), lock.path.stat())


@pytest.mark.fault(58)
def test_a_waiter_does_not_take_a_file_that_is_gone(paths, holder):
    path = DomainLock(paths, UUID).path
    waiter = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    path.rename(path.with_suffix(".old"))  # the waiter may have the old file open already
    assert waiter.stdout.readline() == "held\n"
    with pytest.raises(OperationTimeout, match=f"pid {waiter.pid}"), DomainLock(paths, UUID, timeout=0.05):
        pass
    waiter.communicate("")


def test_the_same_process_enters_again(paths):
    with DomainLock(paths, UUID, timeout=0), DomainLock(paths, UUID, timeout=0) as inner:
        pass
    assert inner._fd == -1
    with DomainLock(paths, UUID, timeout=0):
        pass


def test_an_error_inside_releases(paths):
    with pytest.raises(ZeroDivisionError), DomainLock(paths, UUID):
        _ = 1 / 0
    with DomainLock(paths, UUID, timeout=0):
        pass


@pytest.mark.fault(59)
def test_a_child_never_inherits_the_lock(paths):
    with DomainLock(paths, UUID) as lock:
        os.set_inheritable(marker := os.open("/dev/full", os.O_RDONLY), True)
        shown = subprocess.run(["ls", "-l", "/proc/self/fd"], stdout=subprocess.PIPE, text=True, close_fds=False)
        os.close(marker)
    assert "/dev/full" in shown.stdout  # what may be inherited is
    assert str(lock.path) not in shown.stdout


def test_undisturbed_tells_whether_somebody_else_was_here(paths):
    mine, theirs = DefinitionsLock(paths), DefinitionsLock(paths)
    with mine:
        assert not mine.undisturbed
    with mine:
        assert mine.undisturbed
    with theirs:
        pass
    with mine:
        assert not mine.undisturbed


def test_a_lock_file_that_is_a_link_is_refused(paths, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = DomainLock(paths, UUID).path
    path.parent.mkdir(parents=True)
    path.symlink_to(victim)
    with pytest.raises(Exception, match="cannot open lock file"), DomainLock(paths, UUID):
        pass
    assert victim.read_text() == "precious"


def test_a_lock_folder_that_is_a_link_is_refused(paths, tmp_path):
    paths.locks.parent.mkdir(parents=True)
    paths.locks.symlink_to(tmp_path)
    with pytest.raises(OperationFailed, match="symbolic link"), DomainLock(paths, UUID):
        pass
