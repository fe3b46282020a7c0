"""What a short command may load: start-up is gated on modules, not on milliseconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FORBIDDEN = {"lxml", "rich", "asyncio", "importlib.metadata", "logging", "subprocess", "tempfile", "pexpect"}

RUN = """
import sys
sys.argv = ["virtctl", *sys.argv[1:]]
from virtctl.cli.root import main  # __main__ ends the process itself
status = main()
sys.stdout.flush()
sys.stderr.write("\\n".join(["", "MODULES", *sys.modules]))
sys.exit(status)
"""


def modules(root: Path, *words: str) -> tuple[int, set[str]]:
    """Exit status, and the modules that were loaded."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "VIRTCTL_ROOT": str(root)},
    )
    return done.returncode, set(done.stderr.partition("MODULES\n")[2].split("\n"))


@pytest.mark.parametrize("words", [["--help"], ["help"], ["list"], ["list", "--all", "--name"], ["domstate", "nope"],
                                   ["domid", "nope"], ["-v"], ["completion", "bash"]], ids=" ".join)
def test_short_commands_load_little(tmp_path: Path, words: list[str]) -> None:
    status, loaded = modules(tmp_path, *words)
    assert status == (1 if "nope" in words else 0)
    assert not loaded & FORBIDDEN
    assert "click" in loaded


def test_state_of_a_defined_domain_loads_little(tmp_path: Path) -> None:
    document = tmp_path / "vm1.xml"
    document.write_text("<domain type='qemu'><name>vm1</name><memory>1024</memory><os><type>hvm</type></os></domain>")
    assert modules(tmp_path / "root", "define", str(document))[0] == 0
    for words in (["domstate", "vm1"], ["domid", "vm1"], ["list", "--all"]):
        status, loaded = modules(tmp_path / "root", *words)
        assert status == 0
        assert not loaded & FORBIDDEN


def test_help_and_list_load_only_the_commands_that_they_need(tmp_path: Path) -> None:
    def commands(*words: str) -> set[str]:
        loaded = modules(tmp_path, *words)[1]
        return {name.rpartition(".")[2] for name in loaded if name.startswith("virtctl.cli.commands.")}

    assert commands("--help") == set()
    assert commands("help") == {"itself"}
    assert commands("list") == {"listing"}
