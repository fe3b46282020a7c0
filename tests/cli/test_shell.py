"""The interactive shell on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.program import PROGRAM, Program


@pytest.fixture
def shell(virtctl: Program, tmp_path: Path) -> Iterator[pexpect.spawn[str]]:
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment = {**virtctl.environ(), "TERM": "dumb", **home}
    child = pexpect.spawn(str(PROGRAM), ["-c", "test:///default"], encoding="utf-8", timeout=20, env=environment)
    child.expect("virtctl # ")
    yield child
    child.close(force=True)


def answer(shell: pexpect.spawn[str], line: str) -> str:
    """What comes back for a line, without its echo."""
    shell.send(f"{line}\r")
    shell.expect("virtctl # ")
    assert shell.before is not None
    return str(shell.before).partition("\r\n")[2].replace("\r\n", "\n")


def test_a_conversation(shell: pexpect.spawn[str], tmp_path: Path) -> None:
    assert answer(shell, "domstate test") == "running\n\n"
    assert answer(shell, "start nope") == "error: failed to get domain 'nope'\n\n"
    assert answer(shell, "bogus") == "error: unknown command: 'bogus'\n"
    assert answer(shell, f"cd {tmp_path}; pwd") == f"\n{tmp_path}\n\n"
    assert answer(shell, "suspend test; domstate test") == "Domain 'test' suspended\n\npaused\n\n"
    assert answer(shell, "") == ""
    shell.send("quit\r")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 0


def test_the_tabulator_completes(shell: pexpect.spawn[str]) -> None:
    assert answer(shell, "domstate\tte\t") == "running\n\n"
    assert answer(shell, "domstate --rea\tte\t") == "running (unknown)\n\n"


def test_an_interrupt_ends_the_line_and_not_the_shell(shell: pexpect.spawn[str]) -> None:
    shell.send("destroy t")
    shell.expect_exact("destroy t")
    shell.sendcontrol("c")
    shell.expect("virtctl # ")
    assert answer(shell, "domstate test") == "running\n\n"


def test_the_end_of_input_ends_the_shell(shell: pexpect.spawn[str]) -> None:
    shell.sendcontrol("d")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 0


def test_lines_are_remembered(shell: pexpect.spawn[str], tmp_path: Path) -> None:
    answer(shell, "domid test")
    shell.send("quit\r")
    shell.expect(pexpect.EOF)
    assert "domid test" in (tmp_path / "cache/virtctl/history").read_text()


def test_connecting_elsewhere(shell: pexpect.spawn[str]) -> None:
    answer(shell, "destroy test")
    assert answer(shell, "connect test:///default; domstate test") == "\nrunning\n\n"
    assert answer(shell, "connect bogus:///x") == (
        "error: failed to connect to the hypervisor\nerror: no connection driver available for bogus:///x\n\n"
    )
