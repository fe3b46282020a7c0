"""`console`, with a real guest that says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.program import PROGRAM, Program

pytestmark = pytest.mark.qemu

DOCUMENT = """
<domain type='qemu'><name>quiet</name><memory unit='MiB'>16</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><serial type='pty'/><console type='pty'/><video><model type='none'/></video></devices></domain>
"""
GREETING = "Connected to domain 'quiet'\r\nEscape character is ^] (Ctrl + ])\r\n"


@pytest.fixture
def quiet(virtctl: Program, tmp_path: Path) -> Iterator[Program]:
    (tmp_path / "quiet.xml").write_text(DOCUMENT)
    virtctl.ok("define", tmp_path / "quiet.xml")
    yield virtctl
    virtctl("destroy", "quiet")


def terminal(program: Program, *words: str) -> pexpect.spawn[str]:
    environment = program.environ()
    return pexpect.spawn(str(PROGRAM), list(words), encoding="utf-8", timeout=30, env=environment)


def ended(child: pexpect.spawn[str]) -> tuple[str, int | None]:
    """What was still printed, and the exit status."""
    child.expect(pexpect.EOF)
    child.close()
    return str(child.before), child.exitstatus


def test_the_escape_key_leaves(quiet: Program) -> None:
    child = terminal(quiet, "start", "--console", "quiet")
    child.expect_exact("Domain 'quiet' started\r\n" + GREETING)
    child.send("\x1d")
    assert ended(child) == ("\r\n", 0)
    assert quiet.ok("domstate", "quiet") == "running\n\n"


def test_another_escape_key(quiet: Program) -> None:
    quiet.ok("start", "quiet")
    child = terminal(quiet, "-e", "^X", "console", "quiet")
    child.expect_exact("Escape character is ^X (Ctrl + X)\r\n")
    child.send("\x18")
    assert ended(child) == ("\r\n", 0)


def test_the_end_of_the_guest_is_the_end_of_the_console(quiet: Program) -> None:
    quiet.ok("start", "--paused", "quiet")
    child = terminal(quiet, "console", "--resume", "quiet")
    child.expect_exact(GREETING)
    quiet.ok("destroy", "quiet")
    assert ended(child) == ("\r\n", 0)


def test_one_session_at_a_time_unless_forced(quiet: Program) -> None:
    quiet.ok("start", "quiet")
    first = terminal(quiet, "console", "quiet")
    first.expect_exact(GREETING)
    out, status = ended(terminal(quiet, "console", "quiet"))
    assert "error: operation failed: Active console session exists for this domain\r\n" in out
    assert status == 1
    second = terminal(quiet, "console", "--force", "quiet")
    second.expect_exact(GREETING)
    assert ended(first)[1] == 0
    second.send("\x1d")
    assert ended(second)[1] == 0


def test_what_is_no_terminal_is_refused(quiet: Program) -> None:
    assert quiet.error("console", "quiet") == "error: The domain is not running\n"
    quiet.ok("start", "quiet")
    message = "error: Cannot run interactive console without a controlling TTY\n"
    assert quiet.error("console", "quiet") == message
    assert quiet.error("console", "quiet", "--devname", "nope") == message
