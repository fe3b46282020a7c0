"""QEMU and its helpers missing, broken, hanging, or replaced while a guest runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fakes.guests import EMULATOR
from tests.faults.sweep import audit, guests
from tests.faults.test_state_folder import apart
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program
from virtctl.errors import VirtctlError
from virtctl.qemu import startup
from virtctl.values import RestoreOptions, SaveOptions, StartOptions

pytestmark = pytest.mark.qemu

RISCV = "\x7fELF\x02\x01\x01" + "\0" * 9 + "\x02\0\xf3\0\x01" + "\0" * 43
SCRIPTS = {
    "says another version": ("#!/bin/sh\necho 'QEMU emulator version 9.9.9'\n", "QEMU emulator version 9.9.9"),
    "fails": ("#!/bin/sh\necho 'qemu-system-x86_64: the stars are wrong' >&2\nexit 3\n", "the stars are wrong"),
    "ends at once": ("#!/bin/sh\nexit 0\n", "exit status 0"),
    "is of another architecture": (RISCV, "Exec format error"),
    "is empty": ("", "Exec format error"),
}


def define(lab: Lab, emulator: Path) -> None:
    """The domain with an emulator of its own."""
    text = document(lab.disk).replace("<devices>", f"<devices><emulator>{emulator}</emulator>")
    lab.driver.define(text)


def refused(lab: Lab) -> str:
    """Why it does not start; nothing is left of it."""
    with pytest.raises(VirtctlError) as caught:
        lab.driver.start(NAME, StartOptions())
    assert lab.driver.state(NAME).state == "shut off"
    assert guests(lab.folder.parent) == audit(lab.folder.parent) == []
    assert list((lab.folder.parent / "run").glob("qemu/*")) == []
    return f"{caught.value} [{caught.value.hint}]"


@pytest.mark.fault(99)
@pytest.mark.parametrize("what", SCRIPTS)
def test_an_emulator_that_is_none_says_so(lab: Lab, what: str) -> None:
    emulator = lab.folder / "qemu"
    content, words = SCRIPTS[what]
    emulator.write_bytes(content.encode("latin-1"))
    emulator.chmod(0o700)
    define(lab, emulator)
    assert words in refused(lab)
    lab.driver.define(document(lab.disk))
    lab.driver.start(NAME, StartOptions())


@pytest.mark.fault(99)
def test_an_emulator_that_is_missing_or_cannot_be_executed_is_named(lab: Lab) -> None:
    emulator = lab.folder / "qemu"
    emulator.touch(mode=0o700)
    define(lab, emulator)
    emulator.unlink()
    said = refused(lab)
    assert f"Cannot check QEMU binary {emulator}: No such file or directory" in said
    assert "install" in said
    emulator.write_text("#!/bin/sh\n")
    emulator.chmod(0o600)
    assert f"QEMU binary {emulator} is not executable: Permission denied [chmod +x {emulator}]" in refused(lab)


@pytest.mark.fault(99)
def test_an_emulator_that_hangs_is_given_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert startup.START_DEADLINE <= 30
    monkeypatch.setattr(startup, "START_DEADLINE", 0.5)
    emulator = lab.folder / "qemu"
    emulator.write_text("#!/bin/sh\nexec sleep 1000\n")
    emulator.chmod(0o700)
    define(lab, emulator)
    assert "QEMU did not open its monitor within 0.5 seconds" in refused(lab)
    assert not [entry for entry in Path("/proc").glob("[0-9]*/cwd") if _within(entry, lab.folder.parent / "run")]


def _within(link: Path, folder: Path) -> bool:
    try:
        return link.readlink().is_relative_to(folder)
    except OSError:
        return False


@pytest.mark.fault(99)
def test_an_emulator_that_is_replaced_while_it_runs_is_still_ours(lab: Lab, program: Program) -> None:
    emulator = lab.folder / "bin" / "qemu-system-x86_64"
    emulator.parent.mkdir(mode=0o700)
    shutil.copy(EMULATOR, emulator)
    emulator.chmod(0o700)
    for name in ("lib", "share"):
        (lab.folder / name).symlink_to(f"/usr/{name}")
    define(lab, emulator)
    lab.driver.start(NAME, StartOptions())
    (pid,) = guests(lab.folder.parent)
    emulator.unlink()
    assert str(Path(f"/proc/{pid}/exe").readlink()).endswith(" (deleted)")
    assert program.ok("list").split()[-1] == "running"
    assert "already active" in program.error("start", NAME)
    program.ok("suspend", NAME)
    shutil.rmtree(lab.folder.parent / "run")
    assert program("domstate", NAME).out.strip() == "paused"
    program.ok("resume", NAME)
    shutil.copy(EMULATOR, emulator)
    emulator.chmod(0o700)
    lab.driver.save(NAME, lab.image, SaveOptions())
    assert guests(lab.folder.parent) == []
    lab.driver.restore(lab.image, RestoreOptions())
    program.ok("destroy", NAME)


HIDING = """
mkdir "$3"; mount --bind /usr/bin "$3"; mount -t tmpfs -o mode=755 programs /usr/bin
usual=$PATH; PATH=$3
for path in "$3"/*; do ln -s "$path" /usr/bin/; done
rm /usr/bin/qemu-system-x86_64; cp "$3/qemu-system-x86_64" /usr/bin/  # which looks for its parts beside itself
rm -f /usr/bin/qemu-img /usr/bin/gzip /usr/bin/bzip2 /usr/bin/xz /usr/bin/lzop /usr/bin/zstd
"""
LIFE = """
PATH=$usual
"$1" define "$4"; "$1" start g; "$1" blockcopy g vda "$2/raw.img" --transient-job --wait --pivot
"$1" blockcopy g vda "$2/q.img" --format qcow2 --transient-job && exit 9
"$1" save g "$2/image" --image-format gzip; "$1" restore "$2/image"
"$1" save g "$2/image" --image-format zstd && exit 9
"$1" domstate g; "$1" destroy g; "$1" undefine g
"""


@pytest.mark.fault(100)
@pytest.mark.parametrize("shell", ["none", "bash"])
def test_helpers_that_are_missing_are_named_and_nothing_else_needs_them(lab: Lab, shell: str) -> None:
    if Path("/bin").resolve() != Path("/usr/bin"):
        pytest.skip("needs a host whose programs are all in /usr/bin")
    path = lab.folder / "guest.xml"
    path.write_text(document(lab.disk))
    swap = {"none": "rm -f /usr/bin/sh /usr/bin/dash", "bash": 'ln -sf "$3/bash" /usr/bin/sh'}[shell]
    done = apart(HIDING + swap + LIFE, lab.folder.parent, str(lab.folder / "programs"), str(path))
    assert done.returncode == 0, done.stderr
    errors = [line for line in done.stderr.splitlines() if line]
    assert any("cannot run qemu-img" in line for line in errors)
    assert "hint: qemu-img comes with Debian's package qemu-utils: apt-get install qemu-utils" in errors
    assert any("zstd" in line for line in errors)
    assert "\nrunning\n" in done.stdout
    assert "Domain 'g' has been undefined" in done.stdout
