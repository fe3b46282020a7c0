"""What the kernel gives in part or not at all: short writes, size limits, descriptors, memory, processes, inodes."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.sweep import audit, fresh_driver, guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import PROGRAM, Program, Result
from virtctl.errors import VirtctlError
from virtctl.qemu.saveimage import open_image
from virtctl.values import DumpOptions, RestoreOptions, StartOptions

_PLAIN = StartOptions()


def limited(lab: Lab, *words: str | Path, **limits: int) -> Result:
    """The program below limits of `resource`, such as NOFILE=8."""
    def restrict() -> None:
        for name, most in limits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))

    done = subprocess.run([PROGRAM, *map(str, words)], env=Program(lab.folder.parent).environ(), capture_output=True,
                          text=True, timeout=60, check=False, preexec_fn=restrict)
    return Result(done.returncode, done.stdout, done.stderr)


def told(result: Result) -> list[str]:
    """The lines of an error: those of a failure that is told as one, never a traceback."""
    assert result.status in (0, 1), result
    assert "Traceback" not in result.err
    lines = [line for line in result.err.splitlines() if not line.startswith(("hint: ", "warning: "))]
    assert all(line.startswith("error: ") for line in lines), result.err
    assert len(lines) <= 2, "what was attempted, and why it failed"
    assert bool(lines) == (result.status == 1), result
    return lines


@pytest.fixture
def written(lab: Lab) -> Path:
    """A document to define, as large as many notes make it."""
    source = lab.folder / "g.xml"
    source.write_text(document(lab.disk, "new" * 3000))
    source.chmod(0o600)
    return source


@pytest.mark.qemu
@pytest.mark.fault(29)
def test_what_is_written_seven_bytes_at_a_time_is_whole(lab: Lab, shim: Path, written: Path) -> None:
    short = Program(lab.folder.parent, environment={"LD_PRELOAD": str(shim), "VIRTCTL_SHORT": "7",
                                                         "PYTHONUNBUFFERED": "1"})
    lab.driver.define(written.read_bytes())
    stored = lab.folder.parent / "etc" / "qemu" / "g.xml"
    text = stored.read_bytes()
    lab.define("other")
    short.ok("define", written)
    assert stored.read_bytes() == text
    assert short("dumpxml", NAME).out.count("new") == 3000
    short.ok("start", NAME)
    short.ok("save", NAME, lab.image)
    with open_image(lab.image) as image:
        image.verify()
    short.ok("save-image-define", lab.image, written)
    short.ok("restore", lab.image)
    short.ok("managedsave", NAME)
    short.ok("start", NAME)
    assert lab.driver.state(NAME).state == "running"
    assert [entry["what"] for entry in lab.driver.history(NAME)][:2] == ["defined", "redefined"]
    assert audit(lab.folder.parent) == []


@pytest.mark.fault(30)
def test_the_shim_sees_a_second_sync_of_what_could_not_be_synced(shim: Path, tmp_path: Path) -> None:
    """So that every error at a sync in the sweep also proves that none is tried again."""
    again = ("import os, sys; fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)\ntry: os.fsync(fd)\n"
             "except OSError: pass\n{}\nos.fsync(fd)")
    for between, ends in (("pass", -6), ("os.write(fd, b'anew')", 0)):
        command = ["python3", "-c", again.format(between), str(tmp_path / "file")]
        environment = {**os.environ, "LD_PRELOAD": str(shim), "VIRTCTL_FAULT": f"2:{errno.EIO}"}
        assert subprocess.run(command, env=environment, check=False).returncode == ends


@pytest.mark.qemu
@pytest.mark.fault(32)
def test_a_file_may_not_grow_beyond_a_limit(lab: Lab, written: Path) -> None:
    lab.running()
    before = lab.driver.dumpxml(NAME, DumpOptions(inactive=True))
    for most in (2000, 20_000, 300_000, 700_000):
        lines = told(limited(lab, "save", NAME, lab.image, FSIZE=most))
        assert "File too large" in lines[-1], f"{most}: {lines}"
        assert lab.driver.state(NAME).state == "running"
        assert not lab.image.exists()
    lines = told(limited(lab, "define", written, FSIZE=4096))
    assert "File too large" in lines[-1]
    assert lab.driver.dumpxml(NAME, DumpOptions(inactive=True)) == before
    assert audit(lab.folder.parent) == []
    told(limited(lab, "save", NAME, lab.image, FSIZE=1 << 30))
    assert lab.image.exists()


@pytest.mark.qemu
@pytest.mark.fault(40)
@pytest.mark.parametrize("limit", [{"NOFILE": 5}, {"NOFILE": 8}, {"AS": 24 << 20}, {"AS": 32 << 20}, {"AS": 60 << 20}],
                         ids=str)
def test_a_command_without_descriptors_or_memory_says_so_in_a_line(lab: Lab, written: Path, limit: dict[str, int]
                                                                   ) -> None:
    lab.running()
    (pid,) = guests(lab.folder.parent)
    for words in (("list", "--all"), ("define", written), ("dumpxml", NAME), ("save", NAME, lab.image)):
        done = limited(lab, *words, **limit)
        told(done)
        assert "mistake of the program" not in done.err
        if lab.image.exists():
            lab.driver.restore(lab.image, RestoreOptions())
            lab.image.unlink()
            (pid,) = guests(lab.folder.parent)
        assert guests(lab.folder.parent) == [pid], f"{words}: {done}"
        assert lab.driver.state(NAME).state == "running"
    lab.driver.recover()
    assert audit(lab.folder.parent) == []


@pytest.fixture
def one_process() -> Iterator[Callable[[], None]]:
    """Puts the process that calls it where no further one may be made."""
    place = Path("/sys/fs/cgroup/pids/virtctl-test")
    try:
        place.mkdir()
        (place / "pids.max").write_text("1")
    except OSError:
        pytest.skip("needs the pids controller of a version 1 cgroup")
    yield lambda: (place / "cgroup.procs").write_text("0") and None
    place.rmdir()


@pytest.mark.qemu
@pytest.mark.fault(40)
def test_where_no_process_can_be_made_nothing_is_half_started(lab: Lab, one_process: Callable[[], None]) -> None:
    lab.define()
    environment = Program(lab.folder.parent).environ()
    for words in ("start", "list --all"):
        done = subprocess.run([PROGRAM, *words.split(), *([NAME] if words == "start" else [])], env=environment,
                              capture_output=True, text=True, timeout=60, check=False, preexec_fn=one_process)
        lines = told(Result(done.returncode, done.stdout, done.stderr))
        assert (words == "list --all") or "Resource temporarily unavailable" in lines[-1]
    assert lab.driver.state(NAME).state == "shut off"
    assert guests(lab.folder.parent) == []
    assert audit(lab.folder.parent) == []
    lab.running()
    done = subprocess.run([PROGRAM, "save", NAME, str(lab.image)], env=environment, capture_output=True, text=True,
                          timeout=60, check=False, preexec_fn=one_process)
    assert "Resource temporarily unavailable" in told(Result(done.returncode, done.stdout, done.stderr))[-1]
    assert lab.driver.state(NAME).state == "running"
    assert audit(lab.folder.parent) == []


@pytest.mark.qemu
@pytest.mark.fault(27)
def test_a_file_system_without_inodes_refuses_and_keeps_what_it_has(small_disk: Path) -> None:
    root = small_disk / "root"
    lab = Lab(root / "lab", fresh_driver(root))
    lab.folder.mkdir(parents=True, mode=0o700)
    lab.disk.write_bytes(bytes(65536))
    refused: list[str] = []
    for steps in (lambda: lab.define("old"), lambda: lab.define("new"), lambda: lab.driver.start(NAME, _PLAIN)):
        for inodes in range(4, 60):
            subprocess.run(["mount", "-o", f"remount,nr_inodes={inodes}", small_disk], check=False, capture_output=True)
            try:
                steps()
                break
            except VirtctlError as error:
                refused.append(str(error))
                assert guests(root) == []
        else:
            pytest.fail("it never succeeds")
        subprocess.run(["mount", "-o", "remount,nr_inodes=1000", small_disk], check=True)
        assert lab.driver.recover() == []
        assert audit(root) == []
    assert len(refused) > 5
    assert all("No space left on device" in text for text in refused), refused
    assert lab.driver.state(NAME).state == "running"
    lab.wipe()


@pytest.fixture
def shallow_disk(tmp_path: Path) -> Iterator[Path]:
    """An ext4 whose own disk holds less than it promises: a write goes into memory, its sync finds no place."""
    below, place = tmp_path / "below", tmp_path / "shallow"
    below.mkdir()
    place.mkdir()
    image = below / "image"
    made = [["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "below", below], ["truncate", "-s", "24M", image],
            ["mkfs.ext4", "-q", "-b", "1024", "-O", "^has_journal", image], ["mount", "-o", "loop", image, place]]
    if os.geteuid() or any(subprocess.run(step, capture_output=True, check=False).returncode for step in made):
        subprocess.run(["umount", "-l", below], capture_output=True, check=False)
        pytest.skip("needs the right to mount an ext4 on a loop device")
    yield place
    subprocess.run(["umount", "-l", place], check=False, capture_output=True)
    subprocess.run(["umount", "-l", below], check=True)


@pytest.mark.fault(30)
def test_a_definition_that_cannot_be_synced_leaves_the_old_one(shallow_disk: Path) -> None:
    root = shallow_disk / "root"
    lab = Lab(root / "lab", fresh_driver(root))
    lab.folder.mkdir(parents=True, mode=0o700)
    lab.disk.write_bytes(bytes(1024))
    lab.define("old")
    before = (root / "etc" / "qemu" / "g.xml").read_bytes()
    os.sync()
    ballast = shallow_disk.parent / "below" / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, os.statvfs(ballast.parent).f_bavail * 4096)
    program = Program(root)
    source = shallow_disk.parent / "new.xml"
    source.write_text(document(lab.disk, "new" * 300_000))
    said = program.error("define", source)
    assert "Input/output error" in said or "No space left on device" in said or "Read-only file system" in said
    assert str(root) in said
    ballast.unlink()
    subprocess.run(["umount", shallow_disk], check=True)
    subprocess.run(["mount", "-o", "loop", shallow_disk.parent / "below" / "image", shallow_disk], check=True)
    assert (root / "etc" / "qemu" / "g.xml").read_bytes() == before
    assert lab.description() == "old"
