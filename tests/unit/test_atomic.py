import os
import resource
import stat
from pathlib import Path

import pytest
from sweep import needs_strace, sweep

from virtctl.errors import OperationFailed, SystemFault
from virtctl.state import atomic


def temps(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".tmp-")]


def test_a_file_is_written_and_replaced_whole(tmp_path):
    path = tmp_path / "file"
    atomic.write_file(path, b"old" * 1000)
    atomic.write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert temps(tmp_path) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_modes_do_not_depend_on_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        atomic.make_dir(tmp_path / "a" / "b")
        atomic.write_file(tmp_path / "a" / "b" / "file", b"secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "b" / "file").stat().st_mode) == 0o600


def test_a_link_is_replaced_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "file").symlink_to(victim)
    atomic.write_file(tmp_path / "file", b"ours")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "file").is_symlink()


def test_a_failing_write_names_path_and_reason_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    atomic.write_file(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # Python ignores SIGXFSZ
    try:
        with pytest.raises(SystemFault, match=rf"cannot write file '{path}': File too large"):
            atomic.write_file(path, b"x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert temps(tmp_path) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(SystemFault, match=r"cannot create file '.*/none/file': No such file or directory"):
        atomic.write_file(tmp_path / "none" / "file", b"")


def test_a_name_too_long_leaves_no_temporary_file(tmp_path):
    with pytest.raises(SystemFault, match="File name too long"):
        atomic.write_file(tmp_path / ("n" * 256), b"x")
    assert temps(tmp_path) == []


def test_every_byte_arrives_over_short_writes(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(atomic.os, "write", lambda fd, data: real(fd, bytes(data[:7])))
    atomic.write_file(tmp_path / "file", bytes(range(256)))
    assert (tmp_path / "file").read_bytes() == bytes(range(256))


def test_a_failed_fsync_is_not_tried_again(tmp_path, monkeypatch):
    calls = []

    def fail(fd):
        calls.append(fd)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(atomic.os, "fsync", fail)
    with pytest.raises(SystemFault, match="Input/output error"):
        atomic.write_file(tmp_path / "file", b"x")
    assert len(calls) == 1
    assert list(tmp_path.iterdir()) == []


def test_reading_refuses_what_is_no_file_of_ours(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir()
    (tmp_path / "open").write_text("x")
    (tmp_path / "open").chmod(0o666)
    (tmp_path / "link").symlink_to("/etc/passwd")
    for name, reason in [
        ("fifo", "is not a regular file"),
        ("folder", "is not a regular file"),
        ("open", "can be written by others"),
    ]:
        with pytest.raises(OperationFailed, match=reason):
            atomic.read_file(tmp_path / name)
    with pytest.raises(SystemFault, match=r"cannot read file '.*/link'"):
        atomic.read_file(tmp_path / "link")
    with pytest.raises(FileNotFoundError):
        atomic.read_file(tmp_path / "none")


def test_reading_is_bounded(tmp_path):
    atomic.write_file(tmp_path / "file", bytes(1001))
    assert atomic.read_file(tmp_path / "file", 1001) == bytes(1001)
    with pytest.raises(OperationFailed, match="larger than 1000 bytes"):
        atomic.read_file(tmp_path / "file", 1000)


def test_a_folder_of_ours_is_closed_to_others(tmp_path):
    (tmp_path / "loose").mkdir(0o755)
    atomic.make_dir(tmp_path / "loose")
    assert stat.S_IMODE((tmp_path / "loose").stat().st_mode) == 0o700


def test_a_folder_that_is_a_link_or_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OperationFailed, match="is a symbolic link, a folder is needed there"):
        atomic.make_dir(tmp_path / "link")
    with pytest.raises(OperationFailed, match="is not a folder, a folder is needed there"):
        atomic.make_dir(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path):
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12345, 12345)
    with pytest.raises(OperationFailed, match="belongs to user 12345"):
        atomic.make_dir(tmp_path / "theirs")


def test_removing_says_whether_there_was_one(tmp_path):
    atomic.write_file(tmp_path / "file", b"")
    assert atomic.remove_file(tmp_path / "file")
    assert not atomic.remove_file(tmp_path / "file")


def test_only_temporary_files_of_dead_writers_are_reaped(tmp_path):
    mine = atomic.temp_beside(tmp_path / "file")
    mine.write_text("in progress")
    pid, started, _ = mine.name.removeprefix(".tmp-").split("-")
    reused = tmp_path / f".tmp-{pid}-{int(started) - 1}-abc"
    dead = tmp_path / ".tmp-4194305-1-abc"  # above the largest pid there is
    foreign = tmp_path / ".tmp-notes"
    for path in (reused, dead, foreign):
        path.write_text("")
    assert sorted(atomic.reap(tmp_path)) == sorted([reused, dead])
    assert sorted(tmp_path.iterdir()) == sorted([mine, foreign])


@pytest.mark.fault(28)
@needs_strace
def test_old_or_new_at_every_fault(tmp_path):
    """Each system call of a replacement fails or kills: the file is whole, and success is never claimed for the old."""
    folder = tmp_path / "state"
    folder.mkdir()
    path = folder / "file"
    old, new = b"old" * 3000, b"new" * 5000

    def reset():
        for stray in folder.iterdir():
            stray.unlink()
        path.write_bytes(old)

    body = f"write_file(Path({str(path)!r}), b'new' * 5000)"
    runs = unchanged = 0
    for injection in sweep(
        tmp_path, "from virtctl.state.atomic import write_file", body, ("KILL", "ENOSPC", "EIO", "EROFS"), reset
    ):
        runs += 1
        content = path.read_bytes()
        assert content in (old, new), str(injection)
        if injection.status == 0:  # only our own start time, in /proc, may stay unread
            assert content == new, str(injection)
            assert injection.call in ("openat", "close"), str(injection)
        if injection.fault == "KILL":
            atomic.reap(folder)
        else:
            assert injection.status == 0 or str(folder) in injection.output, str(injection)
        assert temps(folder) == [], str(injection)
        unchanged += content == old
    assert runs >= 24
    assert 0 < unchanged < runs
