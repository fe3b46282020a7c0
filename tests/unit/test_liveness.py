"""Whether a process still runs, told from what the kernel says of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from virtctl.state import liveness
from virtctl.state.liveness import start_time

LEADERLESS = """
import ctypes, os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0))).start()
print(flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_is_there_until_its_last_thread_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "ENDING", 0.05)
    with subprocess.Popen([sys.executable, "-c", LEADERLESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        child.stdout.readline()
        stat = Path(f"/proc/{child.pid}/stat")
        eventually(lambda: stat.read_bytes().rpartition(b")")[2].split()[0] == b"Z", "its first thread to end")
        assert start_time(child.pid) is not None
        child.stdin.close()
        eventually(lambda: start_time(child.pid) is None, "all of it to end")
