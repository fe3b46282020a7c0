"""Saves onto disks that are full, read-only, or no disks at all: the guest runs on and the older image stays whole."""

from __future__ import annotations

import hashlib
import os
import subprocess
from itertools import count
from pathlib import Path

import pytest

from tests.faults.verbs import NAME, Lab
from virtctl.errors import VirtctlError
from virtctl.values import RestoreOptions, SaveOptions

pytestmark = pytest.mark.qemu

BLOCK = 4096


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fill(place: Path, blocks_left: int) -> None:
    """Leaves so many free blocks."""
    ballast = place / "ballast"
    ballast.unlink(missing_ok=True)
    free = os.statvfs(place).f_bfree
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free - blocks_left) * BLOCK)


def failure(lab: Lab, image: Path) -> str | None:
    """Why a save failed, with the guest running on; None when it did not fail."""
    try:
        lab.driver.save(NAME, image, SaveOptions())
    except VirtctlError as error:
        assert lab.driver.state(NAME).state == "running"
        return str(error)
    return None


def test_a_disk_that_fills_at_any_block_keeps_the_older_image(lab: Lab, small_disk: Path) -> None:
    image = small_disk / "image"
    lab.running()
    lab.driver.save(NAME, image, SaveOptions())
    lab.driver.restore(image, RestoreOptions())
    older, failed = digest(image), 0
    for blocks in count(0, 2):
        fill(small_disk, blocks)
        reason = failure(lab, image)
        if reason is None:
            break
        failed += 1
        assert "No space left on device" in reason, f"{blocks} free blocks"
        assert {path.name for path in small_disk.iterdir()} == {"image", "ballast"}
        assert digest(image) == older
    assert failed > 20
    lab.driver.restore(image, RestoreOptions())
    assert lab.driver.state(NAME).state == "running"


def test_what_is_no_file_to_write_is_named_and_left_alone(lab: Lab, small_disk: Path) -> None:
    lab.running()
    folder, pipe = lab.folder / "folder", lab.folder / "pipe"
    folder.mkdir(mode=0o700)
    os.mkfifo(pipe, 0o600)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for target in (folder, pipe, Path("/dev/full"), Path("/dev/null"), lab.folder / "nowhere" / "image",
                   small_disk / "image"):
        kind = target.lstat().st_mode if target.exists() else None
        assert str(target) in (failure(lab, target) or "")
        assert (target.lstat().st_mode if target.exists() else None) == kind
    assert not list(lab.folder.parent.rglob(".tmp-*"))
    lab.driver.save(NAME, lab.image, SaveOptions())
