"""Files that are given away and back: whose they are after every kind of end, and what is left alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from virtctl.errors import SystemFault
from virtctl.paths import Paths
from virtctl.state import owners, status
from virtctl.state.owners import Owner, give, give_back, record_path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

ONE, TWO = "11111111-2222-3333-4444-555555555551", "11111111-2222-3333-4444-555555555552"
THEM = Owner(12345, 12346)
OURS = Owner(0, 0)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.under(tmp_path / "root")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(b"image")
    return path


def owner(path: Path) -> Owner:
    found = path.stat()
    return Owner(found.st_uid, found.st_gid)


def test_given_and_given_back(paths: Paths, image: Path) -> None:
    os.chown(image, 7, 8)
    give(paths, ONE, str(image), THEM)
    assert owner(image) == THEM
    give(paths, ONE, str(image), THEM)
    assert give_back(paths, ONE) == []
    assert owner(image) == (7, 8)
    assert not record_path(paths, ONE).exists()
    assert give_back(paths, ONE) == []


def test_what_belonged_to_them_before_stays_theirs(paths: Paths, image: Path) -> None:
    os.chown(image, *THEM)
    give(paths, ONE, str(image), THEM)
    assert owners.records(paths) == []
    give_back(paths, ONE)
    assert owner(image) == THEM


@pytest.mark.parametrize("first", [ONE, TWO])
def test_the_last_of_two_gives_it_back(paths: Paths, image: Path, tmp_path: Path, first: str) -> None:
    link = tmp_path / "another name"
    link.symlink_to(image)
    give(paths, ONE, str(image), THEM)
    give(paths, TWO, str(link), THEM)
    give_back(paths, first)
    assert owner(image) == THEM
    give_back(paths, {ONE: TWO, TWO: ONE}[first])
    assert owner(image) == OURS


def test_a_record_without_the_change_changes_nothing(paths: Paths, image: Path) -> None:
    """The command died between the two: the record is on the disk first."""
    give(paths, ONE, str(image), THEM)
    os.chown(image, *OURS)
    give_back(paths, ONE)
    assert owner(image) == OURS


def test_what_somebody_else_decided_meanwhile_stands(paths: Paths, image: Path) -> None:
    give(paths, ONE, str(image), THEM)
    os.chown(image, 7, 8)
    give_back(paths, ONE)
    assert owner(image) == (7, 8)


def test_another_file_of_that_name_is_left_alone(paths: Paths, image: Path, tmp_path: Path) -> None:
    give(paths, ONE, str(image), THEM)
    image.rename(tmp_path / "moved")
    image.write_bytes(b"another")
    os.chown(image, *THEM)
    assert give_back(paths, ONE) == []
    assert owner(image) == THEM
    image.unlink()
    give(paths, ONE, str(tmp_path / "moved"), THEM)
    (tmp_path / "moved").unlink()
    assert give_back(paths, ONE) == []


def test_what_is_no_image_is_not_given(paths: Paths, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(OSError, match="neither a file nor a device"):
            give(paths, ONE, str(path), THEM)
    with pytest.raises(FileNotFoundError):
        give(paths, ONE, str(tmp_path / "nothing"), THEM)
    assert owners.records(paths) == []


def test_a_broken_record_is_said_and_kept(paths: Paths, image: Path) -> None:
    give(paths, ONE, str(image), THEM)
    record_path(paths, ONE).write_text('[["/x", "many"]]')
    with pytest.raises(SystemFault, match=r"record '.*' of the owners of files is broken"):
        give_back(paths, ONE)
    assert record_path(paths, ONE).exists()


def test_who_clears_up_after_a_guest_gives_back_too(paths: Paths, image: Path) -> None:
    """Also when the host was rebooted and nothing but the record is left of it."""
    give(paths, ONE, str(image), THEM)
    work = status.work(paths, ONE)
    work.mkdir(parents=True)
    (work / "link").symlink_to(image)
    (work / "folder").mkdir()
    status.clear(paths, ONE)
    assert owner(image) == OURS
    assert not work.exists()
    assert image.read_bytes() == b"image"


def test_the_record_is_on_the_disk_before_the_file_changes_hands(paths: Paths, image: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    change = os.fchown

    def watched(fd: int, uid: int, gid: int) -> None:
        seen.append(json.loads(record_path(paths, ONE).read_text()))
        change(fd, uid, gid)

    monkeypatch.setattr(os, "fchown", watched)
    give(paths, ONE, str(image), THEM)
    found = image.stat()
    assert seen == [[[str(image), found.st_dev, found.st_ino, [0, 0], list(THEM)]]]
