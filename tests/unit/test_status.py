import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from virtctl.errors import OperationFailed
from virtctl.paths import Paths
from virtctl.state import liveness, status
from virtctl.state.status import Status

ROOT = Path(__file__).parents[2]
A = "aaaaaaaa-0000-4000-8000-000000000001"
B = "bbbbbbbb-0000-4000-8000-000000000002"

@pytest.fixture
def paths(tmp_path):
    return Paths.under(tmp_path)


@pytest.fixture
def child():
    """A process that stands for a QEMU."""
    process = subprocess.Popen([sys.executable, "-c", "input()", "-uuid", A, "end"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.stdin.close()
    process.wait()


def guest(process: subprocess.Popen, uuid: str = A, **more) -> Status:
    started = liveness.start_time(process.pid)
    return Status("vm", uuid, 1, process.pid, started, liveness.boot_id(), **more)


def test_what_is_written_is_read(paths, child):
    wrote = guest(child, pty="/dev/pts/3", state="paused", reason="user", facts={"hold": True})
    status.save(paths, wrote)
    assert status.load(paths, A) == wrote
    assert status.all_statuses(paths) == [wrote]
    assert status.is_running(wrote)
    assert status.load(paths, B) is None


def test_nothing_runs_where_nothing_is(paths):
    assert status.all_statuses(paths) == []
    assert not paths.run.exists()


def test_a_reused_pid_an_older_boot_and_a_zombie_are_not_our_guest(child):
    running = guest(child)
    assert not status.is_running(running._replace(start_time=running.start_time - 1))
    assert not status.is_running(running._replace(boot_id="another boot"))
    assert not status.is_running(running._replace(boot_id=""))
    child.kill()
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not status.is_running(running)  # dead, and nobody has waited for it yet


@pytest.mark.parametrize("pid", [0, -1, 4194305])
def test_impossible_pids_are_nobody(pid):
    assert liveness.start_time(pid) is None


def test_a_program_name_with_brackets_does_not_confuse(tmp_path):
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/cat")
    with subprocess.Popen([program], stdin=subprocess.PIPE) as process:
        assert liveness.start_time(process.pid) > 1000
        process.stdin.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, "was written by a newer virtctl"),
        ({"pid": "1"}, "is broken"),
        ({"pid": -1}, "is broken"),
        ({"uuid": B}, "is broken"),
        ({"format": None}, "is broken"),
    ],
)
def test_a_record_that_cannot_be_used_is_told_and_hides_nobody(paths, child, change, reason):
    status.save(paths, guest(child))
    status.save(paths, guest(child, B))
    file = paths.runtime / A / status.FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(OperationFailed, match=reason):
        status.load(paths, A)
    problems: list[str] = []
    assert [found.uuid for found in status.all_statuses(paths, problems)] == [B]
    assert len(problems) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "[" * 100000, "\xff"])
def test_garbage_is_no_status(paths, child, content):
    status.save(paths, guest(child))
    (paths.runtime / A / status.FILE).write_text(content)
    with pytest.raises(OperationFailed, match="is broken"):
        status.load(paths, A)


def test_fields_of_a_later_version_of_the_same_format_are_passed_over(paths, child):
    status.save(paths, guest(child))
    file = paths.runtime / A / status.FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | {"colour": "red"}))
    assert status.load(paths, A) == guest(child)


def test_ids_are_never_given_twice(paths, child):
    assert [status.allocate_id(paths) for _ in range(3)] == [1, 2, 3]
    status.save(paths, guest(child)._replace(id=41))
    (paths.run / "next-id").unlink()
    assert status.allocate_id(paths) == 42
    (paths.run / "next-id").write_text("garbage")
    assert status.allocate_id(paths) == 42


def test_many_processes_get_different_ids(paths, tmp_path):
    program = (
        "import sys; from pathlib import Path; from virtctl.paths import Paths; from virtctl.state import status\n"
        "for _ in range(20): print(status.allocate_id(Paths.under(Path(sys.argv[1]))))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(5)
    ]
    ids = [int(line) for child in children for line in child.communicate()[0].split()]
    assert sorted(ids) == list(range(1, 101))


def test_a_pidfile_that_was_left_behind_is_a_crash_and_one_that_was_removed_a_shutdown(paths, child):
    dead = guest(child)
    status.save(paths, dead)
    pidfile = paths.runtime / A / status.PIDFILE
    pidfile.write_text("1")
    assert status.how_ended(paths, dead) == ("shut off", "crashed")
    pidfile.unlink()
    assert status.how_ended(paths, dead) == ("shut off", "shutdown")
    assert status.how_ended(paths, dead._replace(facts={"starting": True})) == ("shut off", "failed")


def test_an_end_that_nobody_saw_is_not_called_clean(paths, child):
    dead = guest(child)
    assert status.how_ended(paths, dead) == ("shut off", "unknown")  # its folder is gone
    status.save(paths, dead)
    assert status.how_ended(paths, dead._replace(boot_id="before")) == ("shut off", "unknown")


def test_our_own_reason_comes_first(paths, child):
    dead = guest(child)
    status.save(paths, dead)
    (paths.runtime / A / status.PIDFILE).write_text("1")
    status.expect_end(paths, A, status.DESTROYED)
    assert status.how_ended(paths, dead) == ("shut off", "destroyed")
    status.expect_end(paths, A, None)  # it could not be killed
    assert status.how_ended(paths, dead) == ("shut off", "crashed")


def test_the_end_is_kept_and_the_folder_cleared(paths, child, tmp_path):
    dead = guest(child)
    status.save(paths, dead)
    place = status.folder(paths, A)
    status.expect_end(paths, A, status.SAVED)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (place / "disk").symlink_to(victim)
    os.mkfifo(place / "qmp.sock")
    assert status.conclude(paths, dead) == ("shut off", "saved")
    assert not place.exists()
    assert victim.read_text() == "precious"
    assert status.last_end(paths, A) == ("shut off", "saved")
    assert status.last_end(paths, B) == ("shut off", "unknown")
    status.clear(paths, A)  # again is no error
    status.forget_end(paths, A)
    assert status.last_end(paths, A) == status.UNKNOWN


def test_an_end_in_an_earlier_boot_is_forgotten(paths, monkeypatch):
    status.record_end(paths, A, status.SHUTDOWN)
    monkeypatch.setattr(liveness, "boot_id", lambda: "the next boot")
    assert status.last_end(paths, A) == status.UNKNOWN
