"""What the log keeper writes: files that are turned over in time, whole lines, and word of whatever was lost."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from virtctl.qemu.logkeeper import BACKLOG, ENDED, Log, Report
from virtctl.state import logreport

NOTE = re.compile(rb"\[virtctl: (\d+ bytes|output) lost: ([^\]]*)\]\n")


def opened(path: Path, limit: int = 1 << 20, backups: int = 3, lost: int = 0) -> Log:
    return Log("serial0", os.fsencode(path), -1, limit, backups, lost, 0)


def put(log: Log, *pieces: bytes) -> None:
    for piece in pieces:
        log.receive(piece)
        log.write()


def kept(path: Path) -> Iterator[Path]:
    """The files of one log, oldest first."""
    yield from sorted(path.parent.glob(f"{path.name}.[0-9]"), reverse=True)
    yield path


def text(path: Path) -> bytes:
    return b"".join(one.read_bytes() for one in kept(path) if one.exists())


def lines(numbers: range) -> bytes:
    return b"".join(b"line %06d\n" % number for number in numbers)


@pytest.mark.fault(44)
def test_only_the_oldest_goes_and_no_line_is_cut_in_two(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = opened(path, limit=1000)
    for first in range(0, 1000, 7):
        put(log, lines(range(first, first + 7)))
        assert all(one.stat().st_size <= 1000 for one in kept(path))
    assert [one.name for one in kept(path)] == ["log.2", "log.1", "log.0", "log"]
    assert lines(range(1001)).endswith(text(path))
    assert all(one.read_bytes().endswith(b"\n") for one in kept(path))
    assert len(text(path)) > 3000
    assert all(one.stat().st_mode & 0o777 == 0o600 for one in kept(path))
    assert logreport.lost(tmp_path) == {}


@given(pieces=some.lists(some.binary(max_size=400), max_size=30), limit=some.integers(1, 700),
       backups=some.integers(0, 4))
def test_whatever_is_printed_its_end_is_kept_within_the_limit(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], limit: int, backups: int
) -> None:
    path = tmp_path_factory.mktemp("any") / "log"
    log = opened(path, limit, backups)
    put(log, *pieces)
    printed = b"".join(pieces)
    assert printed.endswith(text(path))
    assert sum(one.stat().st_size for one in kept(path) if one.exists()) <= limit * (1 + backups)
    if len(printed) <= limit:
        assert text(path) == printed


def test_without_backups_the_file_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    put(opened(path, limit=100, backups=0), *(lines(range(n, n + 1)) for n in range(100)))
    assert list(tmp_path.iterdir()) == [path]
    assert lines(range(100)).endswith(path.read_bytes())


def test_a_backup_that_cannot_be_made_costs_the_oldest_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log"
    (tmp_path / "log.0").mkdir()
    log = opened(path, limit=1000, backups=1)
    put(log, *(lines(range(n, n + 1)) for n in range(100)))
    assert path.stat().st_size <= 1000
    (told,) = NOTE.findall(path.read_bytes())
    assert int(told[0].split()[0]) == 996 == log.ever
    assert b"Is a directory" in told[1]
    assert NOTE.sub(b"", path.read_bytes()) == lines(range(83, 100))


@pytest.mark.fault(45)
@pytest.mark.parametrize("made", ["symlink", "hard link"])
def test_a_link_that_appears_later_is_not_written_through(tmp_path: Path, made: str) -> None:
    path, victim = tmp_path / "log", tmp_path / "victim"
    victim.write_bytes(b"precious")
    log = opened(path)
    put(log, b"one\n")
    path.unlink()
    path.symlink_to(victim) if made == "symlink" else path.hardlink_to(victim)
    put(log, b"two\n", b"three\n")
    assert victim.read_bytes() == b"precious"
    assert log.lost == 10
    assert "link" in log.error
    path.unlink()
    put(log, b"four\n")
    assert path.read_bytes() == b"[virtctl: 10 bytes lost: %b]\nfour\n" % log.error.encode()
    assert victim.read_bytes() == b"precious"


def test_a_file_that_was_moved_away_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = opened(path)
    put(log, b"one\n")
    path.rename(tmp_path / "taken")
    put(log, b"two\n")
    path.write_bytes(b"")
    put(log, b"three\n")
    assert (tmp_path / "taken").read_bytes() == b"one\n"
    assert path.read_bytes() == b"three\n"
    assert log.ever == 0


def test_a_folder_that_is_gone_loses_what_is_printed_until_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = opened(folder / "log")
    put(log, b"one\nhalf of tw")
    (folder / "log").rename(tmp_path / "first")
    folder.rmdir()
    put(log, b"o\n", b"three\n")
    folder.mkdir()
    put(log, b"")
    assert (folder / "log").read_bytes() == b"\n[virtctl: 8 bytes lost: No such file or directory]\n"
    put(log, b"four\n")
    assert (folder / "log").read_bytes().endswith(b"]\nfour\n")


def test_a_disk_that_is_too_slow_loses_the_newest_at_one_place(tmp_path: Path) -> None:
    log = opened(tmp_path / "log", limit=BACKLOG * 2)
    log.receive(b"a" * (BACKLOG - 10) + b"\n")
    log.receive(b"b" * 20)
    log.receive(b"c" * 5)  # there would be no room for it even if it were short
    log.write()
    put(log, b"d\n")
    kept_first = b"a" * (BACKLOG - 10) + b"\n" + b"b" * 9
    told = b"\n[virtctl: 16 bytes lost: the disk did not answer]\n"
    assert (tmp_path / "log").read_bytes() == kept_first + told + b"d\n"


def test_one_that_follows_another_says_that_something_is_missing(tmp_path: Path) -> None:
    put(opened(tmp_path / "log", lost=ENDED), b"on\n")
    assert (tmp_path / "log").read_bytes() == b"\n[virtctl: output lost: the log keeper had ended]\non\n"


def test_losses_are_reported_beside_the_guest(tmp_path: Path) -> None:
    where = tmp_path / logreport.FILE
    fd = os.open(where, os.O_WRONLY | os.O_CREAT, 0o600)
    logs = [opened(tmp_path / "gone" / "log\n"), opened(tmp_path / "well")]
    logs[1].key = "serial1"
    report = Report(fd, logs)
    report.update(now=True)
    assert logreport.lines(tmp_path) == []
    for length in (5, 1000):
        put(logs[0], b"x" * length)
        put(logs[1], b"x")
        report.update(now=True)
    assert logreport.lost(tmp_path) == {"serial0": (f"{tmp_path}/gone/log\n", 1005, "No such file or directory")}
    where.unlink()
    put(logs[0], b"x")
    report.update(now=True)
    assert not where.exists()  # a folder that is being cleared stays empty
    os.close(fd)


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": {}}', b"\0" * 40, b"[" * 5000])
def test_a_report_that_is_being_written_says_nothing(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / logreport.FILE).write_bytes(torn)
    (tmp_path / logreport.FILE).chmod(0o600)
    assert logreport.lines(tmp_path) == []


def test_all_bytes_are_kept_as_they_are(tmp_path: Path) -> None:
    everything = bytes(chain(range(256), range(255, -1, -1)))
    put(opened(tmp_path / "log\xff"), everything)
    assert (tmp_path / "log\xff").read_bytes() == everything
