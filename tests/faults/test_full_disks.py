"""Saves onto disks that are full, read-only, or no disks at all: the guest runs on and the older image stays whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from tests.faults.verbs import NAME, Lab
from tests.support.program import Program
from tests.support.waiting import eventually
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


@pytest.mark.fault(27, 37, 39)
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


@pytest.mark.fault(38)
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


@pytest.mark.fault(39)
def test_a_disk_that_is_short_of_any_number_of_blocks_gets_no_image_at_all(lab: Lab, small_disk: Path) -> None:
    """From a block too few down to a disk that is full: no save says that it succeeded, and none leaves a file."""
    image = small_disk / "image"
    lab.running()
    before = os.statvfs(small_disk).f_bfree
    lab.driver.save(NAME, image, SaveOptions())
    needed = before - os.statvfs(small_disk).f_bfree
    lab.driver.restore(image, RestoreOptions())
    image.unlink()
    failed = 0
    for short in (*range(2, needed, max(1, needed // 20)), needed):
        fill(small_disk, needed - short)
        reason = failure(lab, image)
        if reason is None and short < 10:  # the next image needed a few blocks less, and it is whole
            lab.driver.restore(image, RestoreOptions())
            image.unlink()
            continue
        assert reason is not None, f"{short} of {needed} blocks short"
        assert "No space left on device" in reason
        assert [path.name for path in small_disk.iterdir()] == ["ballast"]
        failed += 1
    assert failed >= 19
    (small_disk / "ballast").unlink()
    assert failure(lab, image) is None
    lab.driver.restore(image, RestoreOptions())


@pytest.mark.fault(38)
def test_a_block_device_is_refused_or_holds_the_image(lab: Lab, tmp_path: Path) -> None:
    """A device cannot be replaced by a rename, so that nothing would be left of it if the save failed: refused."""
    backing = tmp_path / "backing"
    backing.write_bytes(b"precious" * 65536)
    found = subprocess.run(["losetup", "--find", "--show", str(backing)], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("needs a loop device")
    device = Path(found.stdout.strip())
    try:
        lab.running()
        reason = failure(lab, device)
        assert reason is not None
        assert str(device) in reason
        assert device.is_block_device()
        assert backing.read_bytes() == b"precious" * 65536
    finally:
        subprocess.run(["losetup", "--detach", str(device)], check=True)


@pytest.mark.fault(38)
def test_a_disk_that_is_slow_to_sync_delays_a_save_and_no_question(lab: Lab, tmp_path: Path) -> None:
    """Each sync takes half a second, as over a network: the save waits for all of them, others do not wait for it."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    lab.running()
    log = tmp_path / "log"
    slow = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=fsync,fdatasync", "-e",
            "inject=fsync,fdatasync:delay_exit=500000", sys.executable, "-m", "virtctl", "save", NAME, str(lab.image)]
    environment = Program(lab.folder.parent).environ()
    with subprocess.Popen(slow, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as saving:
        began = time.monotonic()
        eventually(lambda: log.exists() and "sync" in log.read_text(), "it syncs")
        asked = time.monotonic()
        assert Program(lab.folder.parent)("list", "--all").status == 0
        assert time.monotonic() - asked < 5
        out, err = saving.communicate(timeout=60)
    assert (saving.returncode, err) == (0, ""), out
    assert time.monotonic() - began > 0.5 * log.read_text().count("sync(") * 0.5
    lab.driver.restore(lab.image, RestoreOptions())
    assert lab.driver.state(NAME).state == "running"
