"""Saved images that name programs of their own: nothing of them runs unless somebody here says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults.sweep import guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program
from virtctl.errors import VirtctlError
from virtctl.qemu.savewriter import ImageWriter
from virtctl.values import RestoreOptions, SaveOptions, StartOptions

pytestmark = [pytest.mark.qemu, pytest.mark.fault(88)]
QEMU_NS = " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"

SHARED = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"


@pytest.fixture
def evil(lab: Lab) -> Path:
    """A program that leaves a trace and goes on as QEMU."""
    qemu, path = shutil.which("qemu-system-x86_64"), lab.folder / "evil"
    path.write_text(f'#!/bin/sh\ntouch {lab.folder}/trace\nexec {qemu} "$@"\n')
    path.chmod(0o755)
    return path


def reseal(lab: Lab, xml: str, *, sealed: bool = True) -> None:
    """The same memory with another document: made here, or by libvirt, which leaves no seal."""
    from virtctl.qemu.saveimage import open_image

    with open_image(lab.image) as image:
        stream = lab.image.read_bytes()[image.stream_offset:]
    with ImageWriter(lab.image, xml) as writer:
        writer.write(stream)
        writer.finish(running=False)
    if not sealed:
        whole = lab.image.read_bytes()
        lab.image.write_bytes(whole[:36] + bytes(56) + whole[92:])


def with_emulator(xml: str, path: Path) -> str:
    return xml.replace("<devices>", f"<devices><emulator>{path}</emulator>")


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("defined", [True, False])
def test_an_emulator_that_only_the_image_names(lab: Lab, program: Program, evil: Path, sealed: bool,
                                               defined: bool) -> None:
    lab.saved()
    if not defined:
        program.ok("undefine", NAME)
    reseal(lab, with_emulator(document(lab.disk), evil), sealed=sealed)
    words = program.error("restore", lab.image)
    assert f"emulator '{evil}'" in words
    assert f"'{lab.image}'" in words
    assert "hint: restore --trust" in words
    assert not (lab.folder / "trace").exists()
    assert guests(lab.folder.parent) == []
    assert str(evil) in program.ok("save-image-dumpxml", lab.image)
    assert not (lab.folder / "trace").exists()
    program.ok("restore", lab.image, "--trust")
    assert (lab.folder / "trace").exists()


@pytest.mark.parametrize("part", [
    "<qemu:commandline><qemu:env name='LD_PRELOAD' value='/tmp/evil.so'/></qemu:commandline>",
    "<qemu:commandline><qemu:arg value='-plugin'/><qemu:arg value='/tmp/evil.so'/></qemu:commandline>",
    "<devices><interface type='ethernet'><script path='/tmp/evil'/></interface>",
    "<devices><filesystem><driver type='virtiofs'/><binary path='/tmp/evil'/><source dir='/'/><target dir='x'/>"
    "</filesystem>"])
def test_other_ways_to_run_a_program(lab: Lab, part: str) -> None:
    lab.saved()
    text = document(lab.disk).replace("<domain type='qemu'", f"<domain type='qemu'{QEMU_NS}")
    text = text.replace("<vcpu>", SHARED + "<vcpu>")
    text = text.replace("<devices>", part) if part.startswith("<devices>") else text.replace("</domain>",
                                                                                             part + "</domain>")
    reseal(lab, text)
    with pytest.raises(VirtctlError, match=r"/tmp/evil"):
        lab.driver.restore(lab.image, RestoreOptions())
    assert guests(lab.folder.parent) == []


def test_what_the_definition_names_runs(lab: Lab, evil: Path) -> None:
    xml = with_emulator(document(lab.disk), evil)
    lab.driver.define(xml)
    lab.driver.start(NAME, StartOptions())
    lab.driver.save(NAME, lab.image, SaveOptions())
    assert lab.driver.restore(lab.image, RestoreOptions()) == NAME
    lab.driver.destroy(NAME)
    lab.driver.define(document(lab.disk))  # no longer
    with pytest.raises(VirtctlError, match="is not known here to run"):
        lab.driver.restore(lab.image, RestoreOptions())
    assert lab.driver.restore(lab.image, RestoreOptions(xml=xml)) == NAME
