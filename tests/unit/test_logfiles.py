"""Files that a guest's devices write: made 0600, never through a link, never anything but a file or a device."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from virtctl.errors import SystemFault, UnsupportedConfig
from virtctl.qemu.logfiles import open_log


def refusal(path: Path) -> str:
    with pytest.raises(SystemFault) as caught:
        open_log(str(path), append=False)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_made_for_its_owner_only_whatever_the_mask(tmp_path: Path) -> None:
    path = tmp_path / "log"
    mask = os.umask(0)
    try:
        os.close(open_log(str(path), append=False))
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("append", "left"), [(True, b"old new"), (False, b"new")])
def test_what_it_holds_stays_only_when_asked(tmp_path: Path, append: bool, left: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old ")
    fd = open_log(str(path), append=append)
    os.write(fd, b"new")
    os.close(fd)
    assert path.read_bytes() == left


@pytest.mark.fault(45)
def test_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "log").symlink_to(victim)
    assert "symbolic link" in refusal(tmp_path / "log")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    assert "symbolic link" in refusal(tmp_path / "dangling")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "nothing").exists()


@pytest.mark.fault(45)
def test_a_second_name_is_not_written(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "log").hardlink_to(victim)
    assert "hard link" in refusal(tmp_path / "log")
    assert victim.read_text() == "precious"


def test_a_fifo_neither_blocks_nor_is_taken(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    refusal(tmp_path / "log")


@pytest.mark.parametrize("name", [".", "missing/log", "file/log"])
def test_places_where_no_file_can_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    refusal(tmp_path / name if name != "." else tmp_path)


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    refusal(tmp_path / ("x" * 300))


def test_devices_may_be_written() -> None:
    for name in ("/dev/null", "/dev/full"):
        fd = open_log(name, append=False)
        assert stat.S_ISCHR(os.fstat(fd).st_mode)
        os.close(fd)


def test_a_relative_path_is_nothing() -> None:
    with pytest.raises(UnsupportedConfig):
        open_log("log", append=False)


IN_A_FOLDER_OF_ITS_OWN = """
import os, sys
from virtctl.errors import SystemFault
from virtctl.qemu.logfiles import open_log
try:
    os.close(open_log(sys.argv[1], append=False))
except SystemFault as error:
    print(error)
"""


def in_mounted(tmp_path: Path, mount: str) -> str:
    """What opening a log says in a folder that `mount` has prepared, in a mount name space of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount")
    script = f'{mount} && exec "$@"'
    program = [sys.executable, "-c", IN_A_FOLDER_OF_ITS_OWN, str(tmp_path / "log")]
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", *program],
                          capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_a_read_only_folder(tmp_path: Path) -> None:
    said = in_mounted(tmp_path, f"mount -t tmpfs -o ro none {tmp_path}")
    assert "Read-only file system" in said
    assert str(tmp_path / "log") in said


def test_a_full_disk_has_no_room_for_a_name(tmp_path: Path) -> None:
    said = in_mounted(tmp_path, f"mount -t tmpfs -o nr_inodes=1 none {tmp_path}")
    assert "No space left on device" in said
