"""capabilities, domcapabilities, nodememstats and freecell: what programs read of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.program import Program

pytestmark = pytest.mark.qemu


def validate(document: str, schema: str, folder: Path) -> None:
    """By libvirt's own schema, where it is installed."""
    if shutil.which("virt-xml-validate") is None:
        return
    path = folder / f"{schema}.xml"
    path.write_text(document, encoding="utf-8")
    done = subprocess.run(["virt-xml-validate", path, schema], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_capabilities_name_architectures_machines_and_the_processor(virtctl: Program, tmp_path: Path) -> None:
    text = virtctl.ok("capabilities")
    validate(text, "capability", tmp_path)
    root = ElementTree.fromstring(text)
    assert root.findtext("host/cpu/arch") == "x86_64"
    assert root.findtext("host/cpu/model")
    assert [one.get("name") for one in root.findall("guest/arch")] == ["i686", "x86_64"]
    wide = root.findall("guest/arch")[1]
    machines = [one.text or "" for one in wide.findall("machine")]
    assert {"pc", "q35"} <= set(machines)
    assert machines[0].startswith("pc-i440fx-")
    assert "qemu" in [one.get("type") for one in wide.findall("domain")]
    assert int(root.findtext("host/topology/cells/cell/memory") or 0) > 0


def test_domcapabilities_are_of_the_machine_that_was_asked_for(virtctl: Program, tmp_path: Path) -> None:
    text = virtctl.ok("domcapabilities", "--machine", "q35", "--arch", "x86_64", "--virttype", "qemu")
    validate(text, "domaincaps", tmp_path)
    root = ElementTree.fromstring(text)
    assert (root.findtext("machine") or "").startswith("pc-q35-")
    assert root.findtext("domain") == "qemu"
    assert "virtio" in [one.text for one in root.findall("devices/disk/enum[@name='bus']/value")]
    assert "qemu64" in [one.text for one in root.findall("cpu/mode[@name='custom']/model")]


@pytest.mark.parametrize(("words", "error"), [
    (["--arch", "bogus"], "invalid argument: unknown architecture: bogus"),
    (["--machine", "bogus"],
     "invalid argument: the machine 'bogus' is not supported by emulator '/usr/bin/qemu-system-x86_64'"),
    (["--virttype", "xen"],
     "invalid argument: Emulator '/usr/bin/qemu-system-x86_64' does not support virt type 'xen'"),
])
def test_what_domcapabilities_refuse(virtctl: Program, words: list[str], error: str) -> None:
    said = virtctl.error("domcapabilities", *words)
    assert said == f"error: failed to get emulator capabilities\nerror: {error}\n"


def test_memory_of_the_host(virtctl: Program) -> None:
    lines = virtctl.ok("nodememstats").splitlines()
    assert [line[:8] for line in lines] == ["total  :", "free   :", "buffers:", "cached :", ""]
    assert all(re.fullmatch(r"[a-z ]{7}: {1,20}\d{1,20} KiB", line) for line in lines[:4])
    assert re.fullmatch(r"Total: \d+ KiB\n\n", virtctl.ok("freecell"))
    assert re.fullmatch(r"0: \d+ KiB\n\n", virtctl.ok("freecell", "0"))
    assert virtctl.error("freecell", "99").startswith("error: internal error: start cell 99 out of range (0-")
    assert virtctl.error("nodememstats", "99").startswith(
        "error: Unable to get number of memory stats\nerror: cellNum in virHostMemGetStats must be less than")
