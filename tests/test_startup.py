"""What the commands that run all day may load: gated on modules, which are the same on every machine, not on time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.program import Program

HEAVY = {"lxml", "rich", "asyncio", "importlib.metadata", "logging", "subprocess", "tempfile", "pexpect"}
RUN = """
import sys
bare = set(sys.modules)  # with an editable install that is more than usual
sys.argv[0] = "virtctl"
from virtctl.cli.root import main  # __main__ ends the process itself
status = main()
sys.stdout.flush()
sys.stderr.write("\\n".join(["", "MODULES", *(set(sys.modules) - bare)]))
sys.exit(status)
"""


def loaded(program: Program, *arguments: str, status: int = 0) -> set[str]:
    """All modules that a run loads, beyond those of a bare interpreter."""
    traced = Program(program.root, (sys.executable, "-c", RUN))
    result = traced(*arguments)
    assert result.status == status, result.err
    return set(result.err.partition("MODULES\n")[2].split("\n"))


def heavy(modules: set[str]) -> set[str]:
    """Those of them that such a command may not load."""
    return {name for name in modules if name in HEAVY or name.split(".")[0] in HEAVY}


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
    assert not heavy(loaded(one_definition, *command.split()))


def test_a_name_that_nobody_has_loads_little(virtctl: Program) -> None:
    assert not heavy(loaded(virtctl, "domstate", "nobody", status=1))


@pytest.mark.parametrize(("command", "wanted"), [("--help", set()), ("help", {"itself"}), ("list", {"listing"})])
def test_only_the_commands_that_are_needed_are_loaded(virtctl: Program, command: str, wanted: set[str]) -> None:
    folder = "virtctl.cli.commands."
    assert {name.removeprefix(folder) for name in loaded(virtctl, command) if name.startswith(folder)} == wanted


def test_the_gate_sees_what_is_loaded(one_definition: Program) -> None:
    assert "lxml.etree" in loaded(one_definition, "dumpxml", "quiet")
