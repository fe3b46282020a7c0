"""The documents inside saved images, dumps, chains of images and sizes, through the command line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import documents
from tests.support.machines import Machine
from tests.support.program import Program

pytestmark = pytest.mark.qemu


def edited(text: str) -> str:
    return text.replace("<on_crash>destroy", "<on_crash>preserve")


def test_the_document_in_an_image_is_shown_and_replaced(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    image, new = tmp_path / "memory.save", tmp_path / "new.xml"
    virtctl.ok("save", "counter", image)
    new.write_text(edited(virtctl.ok("save-image-dumpxml", image)))
    assert virtctl.ok("save-image-define", image, new) == f"State file {image} updated.\n\n"
    assert "<on_crash>preserve" in virtctl.ok("save-image-dumpxml", image)
    same = Program(virtctl.root, virtctl.command, {"EDITOR": "true", "VISUAL": "true"})
    assert "not changed" in same.ok("save-image-edit", image)
    new.write_text(new.read_text().replace("<name>counter", "<name>other"))
    assert "other" in virtctl.error("save-image-define", image, new)
    virtctl.ok("restore", image)
    assert "<on_crash>preserve" in virtctl.ok("dumpxml", "counter")


def test_a_managed_save_is_edited_in_place(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    assert "does not have managed save image" in virtctl.error("managedsave-dumpxml", "counter")
    virtctl.ok("managedsave", "counter")
    new = tmp_path / "new.xml"
    new.write_text(edited(virtctl.ok("managedsave-dumpxml", "counter")))
    virtctl.ok("managedsave-define", "counter", new)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/<on_reboot>restart/<on_reboot>destroy/' \"$1\"\n")
    editor.chmod(0o755)
    edit = Program(virtctl.root, virtctl.command, {"EDITOR": str(editor), "VISUAL": str(editor)})
    assert "edited" in edit.ok("managedsave-edit", "counter")
    said = virtctl.ok("managedsave-dumpxml", "counter")
    assert "<on_crash>preserve" in said
    assert "<on_reboot>destroy" in said
    before = machine.counts()
    virtctl.ok("start", "counter")
    assert machine.counts(before) > before


def test_memory_is_dumped_for_a_debugger(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    core = tmp_path / "core"
    virtctl.ok("dump", "counter", core, "--memory-only")
    assert core.read_bytes()[:4] == b"\x7fELF"
    assert core.stat().st_mode & 0o777 == 0o600
    virtctl.ok("dump", "counter", core, "--memory-only", "--format", "kdump-zlib")
    assert core.read_bytes()[:8] in (b"KDUMP   ", b"makedump")
    assert "--memory-only" in virtctl.error("dump", "counter", core)
    machine.counts(machine.counts())


def chain(virtctl: Program, folder: Path) -> Path:
    base, top = folder / "base.qcow2", folder / "top.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "16M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top], check=True)
    text = documents.machine("chain", top, log=folder / "chain.log").replace("type='raw'", "type='qcow2'", 1)
    (folder / "chain.xml").write_text(text)
    virtctl.ok("define", folder / "chain.xml")
    virtctl.ok("start", "chain")
    return base


def test_chains_are_committed_and_disks_grow(virtctl: Program, tmp_path: Path) -> None:
    base = chain(virtctl, tmp_path)
    assert "Capacity:       16777216\n" in virtctl.ok("domblkinfo", "chain", "vda")
    done = virtctl("blockcommit", "chain", "vda", "--active", "--wait", "--pivot")
    assert done.status == 0, done.err
    assert "Successfully pivoted" in done.out
    assert str(base) in virtctl.ok("domblklist", "chain")
    virtctl.ok("blockresize", "chain", "vda", "32M")
    assert "Capacity:       33554432\n" in virtctl.ok("domblkinfo", "chain", "vda")
    assert "32.000 MiB" in virtctl.ok("domblkinfo", "chain", "--all", "--human")


def test_an_image_is_pulled_up(virtctl: Program, tmp_path: Path) -> None:
    base = chain(virtctl, tmp_path)
    assert "Pull complete" in virtctl.ok("blockpull", "chain", "vda", "--wait")
    assert str(base) not in virtctl.ok("dumpxml", "chain")


def test_marked_domains_start_with_the_host(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    assert virtctl.ok("autostart-run").strip() == ""
    virtctl.ok("autostart", "counter")
    assert virtctl.ok("autostart-run") == "Domain 'counter' started\n\n"
    machine.counts()
    assert virtctl.ok("autostart-run").strip() == ""


@pytest.mark.skipif(not Path("/usr/share/OVMF").is_dir(), reason="package ovmf is not installed")
def test_variables_that_start_made_are_seen_by_undefine(virtctl: Program, tmp_path: Path) -> None:
    document = tmp_path / "efi.xml"
    document.write_text("<domain type='qemu'><name>efi</name><memory unit='MiB'>64</memory><os firmware='efi'>"
                        "<type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features></domain>")
    virtctl.ok("define", document)
    virtctl.ok("start", "efi", "--paused")
    virtctl.ok("destroy", "efi")
    made = virtctl.root / "lib/qemu/nvram/efi_VARS.fd"
    assert made.exists()
    assert "cannot undefine domain with nvram" in virtctl.error("undefine", "efi")
    virtctl.ok("undefine", "efi", "--nvram")
    assert not made.exists()
