"""Interrupts end with 130, and leave nothing behind on the terminal."""

from __future__ import annotations

import signal
import subprocess

from tests.support.program import PROGRAM, Program


def test_an_interrupt_ends_with_130(virtctl: Program) -> None:
    with subprocess.Popen(
        [PROGRAM, "-q", "-c", "test:///default"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=virtctl.environ(),
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("echo --err ready\n")
        child.stdin.flush()
        assert child.stderr is not None
        assert child.stderr.readline() == "error: ready\n"
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=20) == 130
        assert child.stderr.read() == ""
