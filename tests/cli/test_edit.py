"""`edit`, with small programs as editors."""

from __future__ import annotations

from pathlib import Path

import pexpect
import pytest

from tests.support.program import PROGRAM, Program

DOCUMENT = "<domain type='qemu'><name>vm1</name><memory unit='KiB'>65536</memory><os><type>hvm</type></os></domain>"


@pytest.fixture
def vm1(virtctl: Program, tmp_path: Path) -> Program:
    (tmp_path / "vm1.xml").write_text(DOCUMENT)
    virtctl.ok("define", tmp_path / "vm1.xml")
    return virtctl


def edited_by(program: Program, editor: str) -> Program:
    return Program(program.root, program.command, {"VISUAL": editor})


def memory(program: Program) -> str:
    return program.ok("dumpxml", "vm1", "--xpath", "/domain/memory/text()").strip()


def test_what_comes_out_is_stored(vm1: Program) -> None:
    out = edited_by(vm1, "sed -i s/65536/131072/").ok("edit", "vm1")
    assert out == "Domain 'vm1' XML configuration edited.\n\n"
    assert memory(vm1) == "131072"


def test_nothing_changed(vm1: Program) -> None:
    assert edited_by(vm1, "true").ok("edit", "vm1") == "Domain 'vm1' XML configuration not changed.\n\n"


def test_an_editor_that_fails(vm1: Program) -> None:
    assert "false: command exited with non-zero status" in edited_by(vm1, "false").error("edit", "vm1")
    assert "/nope: No such file" in edited_by(vm1, "/nope -x").error("edit", "vm1")


def test_a_change_of_somebody_else_is_not_overwritten(vm1: Program, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    (tmp_path / "other.xml").write_text(vm1.ok("dumpxml", "vm1").replace("65536", "262144"))
    editor.write_text(f"#!/bin/sh\n{PROGRAM} -q define {tmp_path}/other.xml\nsed -i s/65536/131072/ $1\n")
    editor.chmod(0o755)
    assert "changed by another user" in edited_by(vm1, str(editor)).error("edit", "vm1")
    assert memory(vm1) == "262144"


def test_a_refused_document_can_be_edited_again(vm1: Program, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\ngrep -q broken $1 && exec sed -i s/broken/131072/ $1\nsed -i s/65536/broken/ $1\n")
    editor.chmod(0o755)
    environment = edited_by(vm1, str(editor)).environ()
    child = pexpect.spawn(str(PROGRAM), ["edit", "vm1"], encoding="utf-8", timeout=20, env=environment)
    child.expect_exact("Failed. Try again? [y,n,i,?]: ")
    child.sendline("?")
    child.expect("y - yes, start editor again")
    child.expect_exact("Failed. Try again? [y,n,i,?]: ")
    child.sendline("y")
    child.expect("XML configuration edited.")
    child.expect(pexpect.EOF)
    assert memory(vm1) == "131072"
