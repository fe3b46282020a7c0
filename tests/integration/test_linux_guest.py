"""A guest with an operating system: what needs its cooperation, and what it must not notice."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pexpect
import pytest

from tests.support import documents, guests, linux_guest
from tests.support.program import PROGRAM, Program
from tests.support.waiting import eventually

pytestmark = pytest.mark.qemu

BOOT_TIME = 60.0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "linux.log"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    place = tmp_path / "linux.img"
    guests.write_image(place, b"", 8 * 2**20)
    return place


def boot(virtctl: Program, image: Path, log: Path | None, linux: tuple[Path, Path], form: str = "raw") -> None:
    """Defines and starts it; with a log, waits until it writes its disk."""
    document = image.with_suffix(".xml")
    text = documents.linux_machine("linux", image, log, linux, linux_guest.CMDLINE, form)
    document.write_text(text, encoding="utf-8")
    virtctl.ok("define", document)
    virtctl.ok("start", "linux")
    if log is not None:
        eventually(lambda: guests.last_printed(log) >= 3, "Linux writes its disk", seconds=BOOT_TIME)


def test_shutdown_asks_and_the_guest_obeys(virtctl: Program, image: Path, log: Path, linux: tuple[Path, Path]) -> None:
    boot(virtctl, image, log, linux)
    assert virtctl.ok("shutdown", "linux", "--mode", "acpi") == "Domain 'linux' is being shutdown\n\n"
    eventually(lambda: virtctl.ok("domstate", "linux").strip() == "shut off", "it is off")
    assert virtctl.ok("domstate", "linux", "--reason").strip() == "shut off (shutdown)"
    assert b"power button" in log.read_bytes()
    assert guests.written_last(image) >= guests.last_printed(log)


def test_reboot_brings_it_up_again(virtctl: Program, image: Path, log: Path, linux: tuple[Path, Path]) -> None:
    boot(virtctl, image, log, linux)
    identity = virtctl.ok("domid", "linux")
    assert virtctl.ok("reboot", "linux") == "Domain 'linux' is being rebooted\n\n"
    eventually(lambda: log.read_bytes().count(b"READY") == 2, "it is up again", seconds=BOOT_TIME)
    assert virtctl.ok("domid", "linux") == identity


def test_its_memory_survives_save_and_restore(
    virtctl: Program, image: Path, log: Path, linux: tuple[Path, Path], tmp_path: Path
) -> None:
    boot(virtctl, image, log, linux)
    saved = tmp_path / "linux.save"
    virtctl.ok("save", "linux", saved)
    before = guests.written_last(image)
    virtctl.ok("restore", saved)
    eventually(lambda: guests.last_printed(log) > before + 3, "it goes on writing")
    printed = guests.printed_numbers(log)
    assert b"READY" not in log.read_bytes()
    assert printed == list(range(printed[0], printed[-1] + 1))
    assert 0 <= printed[0] - before <= 2
    assert guests.written_last(image) >= printed[-1]


def test_its_writes_survive_a_pivot(
    virtctl: Program, image: Path, log: Path, linux: tuple[Path, Path], tmp_path: Path
) -> None:
    boot(virtctl, image, log, linux)
    destination = tmp_path / "copy.img"
    virtctl.ok("blockcopy", "linux", "vda", destination, "--format", "raw", "--transient-job", "--wait", "--pivot")
    left_behind = guests.written_last(image)
    eventually(lambda: guests.last_printed(log) > left_behind + 3, "it goes on writing")
    virtctl.ok("destroy", "linux")
    assert guests.written_last(image) == left_behind
    printed = guests.printed_numbers(log)
    assert printed == list(range(1, printed[-1] + 1))
    assert 0 <= guests.written_last(destination) - printed[-1] <= 1
    assert b"I/O error" not in log.read_bytes()


@pytest.fixture
def chain(tmp_path: Path) -> dict[str, Path]:
    """Four images, each above the one before it."""
    made: dict[str, Path] = {}
    below: list[str | Path] = []
    for name in ("base", "low", "high", "top"):
        made[name] = tmp_path / f"{name}.qcow2"
        qemu_img("create", "-q", "-f", "qcow2", *below, made[name], *([] if below else ["8M"]))
        below = ["-b", made[name], "-F", "qcow2"]
    return made


def qemu_img(*arguments: str | Path) -> None:
    """Runs it; a check that finds anything wrong fails."""
    done = subprocess.run(["qemu-img", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def shown_chain(virtctl: Program) -> list[str]:
    """The disk's images as dumpxml names them, the one in use first."""
    return re.findall(r"<source file='([^']*\.qcow2)'", virtctl.ok("dumpxml", "linux"))


def test_its_writes_survive_commits_and_a_pull(
    virtctl: Program, chain: dict[str, Path], log: Path, linux: tuple[Path, Path], tmp_path: Path
) -> None:
    """A commit in the middle of the chain, a pull down to its base, and a commit of what the guest writes to."""
    base, low, high, top = chain.values()
    boot(virtctl, top, log, linux, "qcow2")
    assert shown_chain(virtctl) == [str(top), str(high), str(low), str(base)]
    for verb, wishes, left in (
        ("blockcommit", ("--top", high, "--base", low), [top, low, base]),
        ("blockpull", ("--base", base), [top, base]),
        ("blockcommit", ("--active", "--pivot"), [base]),
    ):
        virtctl.ok(verb, "linux", "vda", *wishes, "--wait")
        assert shown_chain(virtctl) == [str(image) for image in left]
        seen = guests.last_printed(log)
        eventually(lambda seen=seen: guests.last_printed(log) > seen + 3, f"it goes on writing after {verb} {wishes}")
    assert str(base) in virtctl.ok("domblklist", "linux", "--inactive")
    virtctl.ok("destroy", "linux")
    for image in chain.values():
        qemu_img("check", "-q", image)
    printed = guests.printed_numbers(log)
    assert printed == list(range(1, printed[-1] + 1))
    flat = tmp_path / "flat.img"
    qemu_img("convert", "-O", "raw", base, flat)
    assert 0 <= guests.written_last(flat) - printed[-1] <= 1
    assert b"I/O error" not in log.read_bytes()


def test_console_talks_and_leaves(virtctl: Program, image: Path, linux: tuple[Path, Path]) -> None:
    boot(virtctl, image, None, linux)
    console = pexpect.spawn(PROGRAM, ["console", "linux"], env=virtctl.environ(), timeout=BOOT_TIME)
    console.expect_exact("Connected to domain 'linux'\r\nEscape character is ^] (Ctrl + ])\r\n")
    console.expect_exact("sector ")
    console.send("good morning\r")
    console.expect_exact("heard: good morning")
    console.send("\x1d")
    console.expect(pexpect.EOF)
    console.close()
    assert console.exitstatus == 0
    assert virtctl.ok("domstate", "linux").strip() == "running"


def test_console_ends_with_the_guest(virtctl: Program, image: Path, linux: tuple[Path, Path]) -> None:
    boot(virtctl, image, None, linux)
    console = pexpect.spawn(PROGRAM, ["console", "linux"], env=virtctl.environ(), timeout=BOOT_TIME)
    console.expect_exact("sector ")
    console.send("off\r")
    console.expect(pexpect.EOF)
    console.close()
    assert console.exitstatus == 0
    eventually(lambda: virtctl.ok("domstate", "linux").strip() == "shut off", "it is off")
