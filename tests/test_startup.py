"""What the commands that run all day may load: gated on modules, which are the same on every machine, not on time."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support.program import Program

HEAVY = {"lxml", "rich", "asyncio", "importlib.metadata", "logging", "subprocess", "tempfile", "pexpect"}


def loaded(program: Program, *arguments: str) -> set[str]:
    """All modules that a run imports, beyond those of a bare interpreter in this environment."""
    traced = Program(program.root, (sys.executable, "-X", "importtime", *program.command))
    result = traced(*arguments)
    assert result.status == 0, result.err
    return imported(result.err) - bare()


def imported(trace: str) -> set[str]:
    """The module names of `-X importtime`."""
    return {line.rsplit("|", 1)[1].strip() for line in trace.splitlines() if line.startswith("import time:")}


@cache
def bare() -> frozenset[str]:
    """What the interpreter loads by itself, which with an editable install is more than usual."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "pass"], capture_output=True, text=True, check=True
    )
    return frozenset(imported(done.stderr))


@pytest.fixture
def one_definition(virtctl: Program, tmp_path: Path) -> Program:
    """A connection that knows one domain, which is off."""
    document = tmp_path / "quiet.xml"
    document.write_text(
        "<domain type='qemu'><name>quiet</name><memory>65536</memory><os><type>hvm</type></os></domain>",
        encoding="utf-8",
    )
    virtctl.ok("define", document)
    return virtctl


@pytest.mark.parametrize("command", ["--help", "help", "-v", "completion bash", "list", "list --all --name",
                                     "domstate quiet", "domid quiet"])
def test_commands_that_run_all_day_load_little(one_definition: Program, command: str) -> None:
    found = loaded(one_definition, *command.split())
    assert not {name for name in found if name in HEAVY or name.split(".")[0] in HEAVY}


def test_the_gate_sees_what_is_loaded(one_definition: Program) -> None:
    assert "lxml.etree" in loaded(one_definition, "dumpxml", "quiet")


@pytest.mark.parametrize(("command", "wanted"), [("--help", set()), ("help", {"itself"}), ("list", {"listing"})])
def test_only_the_commands_that_are_needed_are_loaded(virtctl: Program, command: str, wanted: set[str]) -> None:
    commands = "virtctl.cli.commands."
    assert {name.removeprefix(commands) for name in loaded(virtctl, command) if name.startswith(commands)} == wanted


def test_a_name_that_nobody_has_loads_little(virtctl: Program) -> None:
    traced = Program(virtctl.root, (sys.executable, "-X", "importtime", *virtctl.command))
    result = traced("domstate", "nobody")
    assert result.status == 1
    assert not (imported(result.err) - bare()) & HEAVY
