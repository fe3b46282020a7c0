"""Variables of a firmware that are missing, of no use, or cannot be written: refused by name before QEMU starts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.sweep import guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program
from virtctl.errors import VirtctlError
from virtctl.values import StartOptions

pytestmark = [pytest.mark.qemu, pytest.mark.fault(48)]
LENGTH = 131072


class Flash:
    """A firmware that is none, its variables and their template."""

    def __init__(self, lab: Lab) -> None:
        self.code, self.template = lab.folder / "code.fd", lab.folder / "template.fd"
        self.store = lab.folder / "vars" / "g.fd"
        self.store.parent.mkdir()
        self.code.write_bytes(bytes(262144))
        self.template.write_bytes(b"T" * LENGTH)
        text = document(lab.disk).replace("machine='pc'", "machine='q35'")
        flash = (f"<loader readonly='yes' type='pflash'>{self.code}</loader>"
                 f"<nvram template='{self.template}'>{self.store}</nvram>")
        self.document = text.replace("hvm</type>", f"hvm</type>{flash}")


@pytest.fixture
def flash(lab: Lab) -> Flash:
    made = Flash(lab)
    lab.driver.define(made.document)
    return made


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: path.write_bytes(b""), "is 0 bytes long"), (lambda path: path.write_bytes(b"x" * 1000), "1000 bytes"),
    (lambda path: path.write_bytes(bytes(16 << 20)), "8 MiB at most"), (folder, ""),
    (pipe, "is not a regular file")]


def refused(lab: Lab, path: Path, said: str) -> None:
    with pytest.raises(VirtctlError) as caught:
        lab.driver.start(NAME, StartOptions(paused=True))
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert guests(lab.folder.parent) == []


@pytest.mark.parametrize(("damage", "said"), [*DAMAGES, (lambda path: path.unlink(), "No such file or directory")])
def test_a_template_of_no_use(lab: Lab, flash: Flash, damage: Callable[[Path], object], said: str) -> None:
    damage(flash.template)
    refused(lab, flash.template, said)
    assert not flash.store.exists()


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
def test_variables_of_no_use(lab: Lab, flash: Flash, damage: Callable[[Path], object], said: str) -> None:
    damage(flash.store)
    refused(lab, flash.store, said)
    flash.store.rmdir() if flash.store.is_dir() else flash.store.unlink()
    lab.driver.start(NAME, StartOptions(paused=True))
    assert flash.store.read_bytes() == b"T" * LENGTH
    assert flash.store.stat().st_mode & 0o077 == 0


def test_a_folder_that_is_not_there(lab: Lab, flash: Flash) -> None:
    flash.store.parent.rmdir()
    refused(lab, flash.store, "No such file or directory")


def test_variables_that_are_gone_are_made_and_odd_ones_warned_of(lab: Lab, flash: Flash) -> None:
    told: list[str] = []
    lab.driver.context.warn = told.append
    flash.store.write_bytes(bytes(4096))
    lab.driver.start(NAME, StartOptions(paused=True))
    assert [str(flash.store) in line and "is not as long as its template" in line for line in told] == [True]
    lab.driver.destroy(NAME)
    lab.driver.start(NAME, StartOptions(paused=True, reset_nvram=True))
    assert flash.store.read_bytes() == b"T" * LENGTH
    assert len(told) == 1


def test_variables_that_cannot_be_written(lab: Lab, flash: Flash, program: Program) -> None:
    if os.geteuid():
        pytest.skip("needs the right to mount")
    flash.store.write_bytes(bytes(LENGTH))
    place = flash.store.parent
    script = f"mount --bind '{place}' '{place}' && mount -o remount,bind,ro '{place}' && exec \"$@\""
    inside = Program(program.root, ("unshare", "-m", "sh", "-c", script, "sh", *program.command))
    words = inside.error("start", NAME, "--paused")
    assert f"cannot open NVRAM file '{flash.store}': Read-only file system" in words
    assert guests(lab.folder.parent) == []
