"""Logs of guests: capped, their losses told, and nothing that becomes of them stops or fails a guest."""

from __future__ import annotations

import json
import marshal
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.goals import g15_log_flood
from tests.support import documents, guests
from tests.support.keepers import keepers, kept
from tests.support.program import Program, pids_below
from tests.support.waiting import eventually
from virtctl.qemu import logkeeper
from virtctl.state import logreport

pytestmark = pytest.mark.qemu


def logging_guest(virtctl: Program, folder: Path, serial: str) -> Path:
    """A counting guest `logs` that is defined, its serial port as given; its disk."""
    image = guests.counter_image(folder / "logs.img")
    document = folder / "logs.xml"
    document.write_text(documents.document("logs", devices=documents.disk(image, "vda", "virtio") + serial))
    virtctl.ok("define", document)
    return image


def runs_on(image: Path) -> None:
    before = guests.counter_on_disk(image)
    eventually(lambda: guests.counter_on_disk(image) > before + 1, "the guest runs on")


def goes_on(log: Path) -> None:
    before = guests.last_printed(log)
    eventually(lambda: guests.last_printed(log) > before + 1, f"{log} goes on")


def the_keeper(virtctl: Program) -> int:
    (pid,) = eventually(lambda: keepers(virtctl.root), "there is a log keeper")
    return pid


@pytest.mark.slow
@pytest.mark.fault(43, 44)
def test_a_flood_of_output_stays_bounded_and_a_broken_log_disk_stops_nobody(small_disk: Path) -> None:
    result = g15_log_flood.measure(3, seed=1)
    assert not result.violations, result.figures


@pytest.mark.fault(43)
def test_the_console_works_while_its_log_s_disk_is_full(virtctl: Program, tmp_path: Path, small_disk: Path) -> None:
    with (small_disk / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, (os.statvfs(small_disk).f_bfree - 1) * 4096)
    log = small_disk / "console.log"
    log.write_bytes(b"older\n" * 682)  # the rest of the one page that is left
    image = logging_guest(virtctl, tmp_path, f"<serial type='pty'><log file='{log}' append='on'/></serial>")
    virtctl.ok("start", "logs")
    eventually(lambda: "No space left on device" in virtctl("dominfo", "logs").err, "the loss is told")
    facts = json.loads(virtctl("dominfo", "logs", "--output", "json").out)
    assert [line for line in facts["log_losses"] if str(log) in line]
    runs_on(image)
    with Path(virtctl.ok("ttyconsole", "logs").strip()).open("rb") as console:
        assert b"counter " in console.readline() + console.readline()
    (small_disk / "ballast").unlink()
    eventually(lambda: b"bytes lost: No space left on device]\n" in log.read_bytes(), "the loss is told in the log")
    goes_on(log)
    virtctl.ok("destroy", "logs")
    assert f"log file '{log}': " in virtctl.ok("history", "logs")


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    ("policy", "options", "starts"),
    [("mandatory", "ro", False), ("requisite", "nr_inodes=1", False), ("optional", "nr_inodes=1", True)],
)
def test_a_log_folder_that_takes_no_file(
    virtctl: Program, tmp_path: Path, small_disk: Path, policy: str, options: str, starts: bool
) -> None:
    log = small_disk / "guest.log"
    image = logging_guest(virtctl, tmp_path, documents.serial(log, policy))
    subprocess.run(["mount", "-o", f"remount,{options}", str(small_disk)], check=True)
    result = virtctl("start", "logs")
    assert (result.status == 0) is starts
    assert f"Unable to pre-create chardev file '{log}'" in result.err
    assert ("Read-only file system" if options == "ro" else "No space left on device") in result.err
    assert keepers(virtctl.root) == []
    if starts:
        runs_on(image)
        assert "startupPolicy='optional'" in result.err
    else:
        assert virtctl.ok("domstate", "logs").strip() == "shut off"
    subprocess.run(["mount", "-o", "remount,rw,nr_inodes=0", str(small_disk)], check=True)
    if not starts:
        virtctl.ok("start", "logs")
        goes_on(log)


@pytest.mark.fault(42)
@pytest.mark.parametrize(("policy", "restores"), [("requisite", True), ("mandatory", False)])
def test_a_log_that_went_missing_while_saved(virtctl: Program, tmp_path: Path, policy: str, restores: bool) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    image = logging_guest(virtctl, tmp_path, documents.serial(folder / "log", policy))
    virtctl.ok("start", "logs")
    goes_on(folder / "log")
    virtctl.ok("managedsave", "logs")
    (folder / "log").unlink()
    folder.rmdir()
    result = virtctl("start", "logs")
    assert (result.status == 0) is restores
    assert str(folder / "log") in result.err
    if restores:
        assert "startupPolicy='requisite'" in result.err
        runs_on(image)
    else:
        folder.mkdir()
        virtctl.ok("start", "logs")
        goes_on(folder / "log")


@pytest.mark.fault(45)
@pytest.mark.parametrize("kind", ["symlink", "hard link", "another's"])
def test_a_log_that_leads_to_another_s_file_is_refused(virtctl: Program, tmp_path: Path, kind: str) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    log, victim = shared / "log", tmp_path / "passwd"
    victim.write_bytes(b"precious")
    if kind == "symlink":
        log.symlink_to(victim)
    elif kind == "hard link":
        log.hardlink_to(victim)
    else:
        victim = log
        log.write_bytes(b"precious")
        if os.geteuid():
            pytest.skip("needs root, to give a file away")
        os.chown(log, 65534, 65534)
    logging_guest(virtctl, tmp_path, documents.serial(log, "mandatory"))
    said = virtctl.error("start", "logs")
    assert f"Unable to pre-create chardev file '{log}'" in said
    assert ("link" in said) or ("belongs to user 65534" in said)
    assert victim.read_bytes() == b"precious"
    assert keepers(virtctl.root) == []


@pytest.mark.fault(43)
@pytest.mark.parametrize("command", ["suspend", "recover"])
def test_a_guest_outlives_its_log_keeper_and_gets_another(virtctl: Program, tmp_path: Path, command: str) -> None:
    log = tmp_path / "log"
    image = logging_guest(virtctl, tmp_path, documents.serial(log))
    virtctl.ok("start", "logs")
    goes_on(log)
    first = the_keeper(virtctl)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        os.kill(first, number)
    goes_on(log)
    assert keepers(virtctl.root) == [first]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not keepers(virtctl.root), "it is gone")
    runs_on(image)
    assert "the log keeper of domain 'logs' has ended" in virtctl("dominfo", "logs").err
    said = virtctl(command, *(["logs"] if command == "suspend" else []))
    assert said.status == 0
    assert "had ended and was started again" in said.out + said.err
    assert the_keeper(virtctl) != first
    if command == "suspend":
        virtctl.ok("resume", "logs")
    goes_on(log)
    assert b"\n[virtctl: output lost: the log keeper had ended]\n" in log.read_bytes()
    assert "output lost: the log keeper had ended" in virtctl("dominfo", "logs").err


@pytest.fixture
def loop_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that can be frozen: then who writes to it waits, as for a disk that does not answer."""
    image, place = tmp_path / "ext4.img", tmp_path / "ext4"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    for words in (["mkfs.ext4", "-q", "-F", image], ["mount", "-o", "loop", image, place]):
        if shutil.which(str(words[0])) is None or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("needs the right to mount, and ext4")
    yield place
    subprocess.run(["fsfreeze", "-u", place], capture_output=True, check=False)
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.fault(43)
def test_a_log_disk_that_does_not_answer_keeps_nobody_waiting(loop_disk: Path, tmp_path: Path) -> None:
    log, report = loop_disk / "log", tmp_path / "logs.json"
    source, pipe = os.pipe()
    told = os.open(report, os.O_WRONLY | os.O_CREAT, 0o600)
    spec = marshal.dumps((told, [("serial0", os.fsencode(log), source, 16 << 20, 0, 0, 0)]))
    subprocess.run([sys.executable, "-I", "-S", logkeeper.__file__], input=spec, pass_fds=[source, told], check=True)
    os.close(source)
    os.write(pipe, b"before\n")
    eventually(lambda: log.exists() and log.read_bytes() == b"before\n", "the log is written")
    subprocess.run(["fsfreeze", "-f", loop_disk], check=True)
    for _ in range(8 << 10):
        os.write(pipe, b"x" * 1023 + b"\n")  # it would wait here for ever
    eventually(lambda: logreport.lost(tmp_path), "the loss is told while the disk does not answer")
    subprocess.run(["fsfreeze", "-u", loop_disk], check=True)
    eventually(lambda: b"bytes lost: the disk did not answer]\n" in log.read_bytes(), "the loss is told in the log")
    os.write(pipe, b"after\n")
    os.close(pipe)
    eventually(lambda: log.read_bytes().endswith(b"\nafter\n"), "the log goes on")
    text = log.read_bytes()
    notes = re.findall(rb"\[virtctl: (\d+) bytes lost: the disk did not answer\]\n", text)
    written = len(text) - sum(len(b"[virtctl:  bytes lost: the disk did not answer]\n" + size) for size in notes)
    surplus = written + sum(map(int, notes)) - (8 << 20) - len(b"before\nafter\n")
    assert 0 <= surplus <= len(notes)  # a note ends the line that it interrupts
    os.close(told)


def test_a_keeper_that_is_stopped_leaves_the_monitor_answering(virtctl: Program, tmp_path: Path) -> None:
    document, log = tmp_path / "flood.xml", tmp_path / "log"
    image = guests.flood_image(tmp_path / "flood.img")
    devices = documents.disk(image, "vda", "virtio") + documents.serial(log)
    document.write_text(documents.document("flood", devices=devices))
    virtctl.ok("create", document)
    eventually(lambda: guests.counter_on_disk(image) > 0, "the guest prints")
    keeper = the_keeper(virtctl)
    os.kill(keeper, signal.SIGSTOP)
    eventually(full_pipe(keeper), "the pipe is full")
    assert virtctl.ok("domstate", "flood").strip() == "running"
    os.kill(keeper, signal.SIGCONT)
    runs_on(image)
    virtctl.ok("destroy", "flood")


def full_pipe(pid: int) -> Callable[[], bool]:
    """Whether a process has let a pipe run full: nobody can write into it."""
    (pipe,) = {path for path in Path(f"/proc/{pid}/fd").iterdir() if str(path.readlink()).startswith("pipe:")}

    def full() -> bool:
        fd = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        try:
            return not select.select([], [fd], [], 0)[1]
        finally:
            os.close(fd)

    return full


@pytest.mark.parametrize("end", ["kill", "failed start"])
def test_no_keeper_outlives_its_guest(virtctl: Program, tmp_path: Path, end: str) -> None:
    log = tmp_path / "log"
    second = f"<serial type='pty'><log file='{tmp_path}/log2'/></serial>"
    logging_guest(virtctl, tmp_path, documents.serial(log) + second)
    if end == "failed start":
        (tmp_path / "logs.img").unlink()
        virtctl.error("start", "logs")
    else:
        virtctl.ok("start", "logs")
        goes_on(log)
        pid = the_keeper(virtctl)
        assert [Path(f"/proc/{pid}/cwd").readlink(), os.getsid(pid) == os.getsid(0)] == [Path("/"), False]
        (qemu,) = pids_below(virtctl.root)
        os.kill(qemu, signal.SIGKILL)
    eventually(lambda: not keepers(virtctl.root), "the keeper ends")
    assert virtctl.ok("domstate", "logs").strip() == "shut off"


def test_where_nothing_is_limited_or_logged_no_keeper_runs(virtctl: Program, tmp_path: Path) -> None:
    log = tmp_path / "log"
    logging_guest(virtctl, tmp_path, documents.serial(log))
    settings = virtctl.root / "etc" / "qemu.conf"
    settings.write_text("max_log_size = 0\n")
    settings.chmod(0o600)
    virtctl.ok("start", "logs")
    goes_on(log)
    assert keepers(virtctl.root) == []
    virtctl.ok("destroy", "logs")
    virtctl.ok("undefine", "logs")
    settings.unlink()
    logging_guest(virtctl, tmp_path, documents.serial(None))
    virtctl.ok("start", "logs")
    assert keepers(virtctl.root) == []


def test_a_restored_guest_goes_on_in_its_log(virtctl: Program, tmp_path: Path) -> None:
    log, image = tmp_path / "log", guests.counter_image(tmp_path / "g.img")
    log.write_bytes(b"older\n")
    serial = f"<serial type='file'><source path='{log}' append='on'/></serial>"
    (tmp_path / "g.xml").write_text(documents.document("g", devices=documents.disk(image, "vda", "virtio") + serial))
    virtctl.ok("create", tmp_path / "g.xml")
    goes_on(log)
    virtctl.ok("save", "g", tmp_path / "g.save")
    before = guests.last_printed(log)
    virtctl.ok("restore", tmp_path / "g.save")
    eventually(lambda: guests.last_printed(log) > before, "the log goes on after the restore")
    assert kept(log).startswith(b"older\n")
    the_keeper(virtctl)


@pytest.mark.fault(44)
def test_qemu_s_own_words_are_capped_too(virtctl: Program, tmp_path: Path) -> None:
    image = logging_guest(virtctl, tmp_path, documents.serial(None))
    virtctl.ok("start", "logs")
    own = virtctl.root / "log" / "qemu" / "logs.log"
    with own.open("ab") as words:
        words.write(b"warning: something\n" * 200_000 + b"the last word\n")
    assert virtctl.ok("domstate", "logs").strip() == "running"
    assert own.stat().st_size == 0
    assert own.with_name("logs.log.0").stat().st_size == 2 << 20
    assert own.with_name("logs.log.0").read_bytes().endswith(b"the last word\n")
    assert own.with_name("logs.log.0").stat().st_mode & 0o777 == 0o600
    runs_on(image)
    (qemu,) = pids_below(virtctl.root)
    os.kill(qemu, signal.SIGTERM)
    eventually(lambda: b"terminating on signal 15" in own.read_bytes(), "QEMU goes on writing there")
