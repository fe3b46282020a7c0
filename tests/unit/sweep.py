"""Fails or kills a small Python program at each of its system calls in turn, with strace."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
MARKER = "/sweep-starts-here"
CALLS = (
    "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,"
    "symlink,symlinkat,ftruncate,fchmod,flock,close"
)
PRELUDE = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from virtctl.errors import VirtctlError
{{imports}}
os.path.exists({MARKER!r})
try:
    {{body}}
except VirtctlError as error:
    print(error, flush=True)
    os._exit(1)
os._exit(0)
"""


def have_strace() -> bool:
    """Whether strace is there and may trace here."""
    strace = shutil.which("strace")
    return bool(strace) and subprocess.run([strace, "-qq", "true"], capture_output=True).returncode == 0


needs_strace = pytest.mark.skipif(not have_strace(), reason="strace is not installed, or may not trace here")


class Injection(NamedTuple):
    """One run: the `number`-th call of `call` met `fault`; it ended with `status` and printed `output`."""

    call: str
    number: int
    fault: str
    status: int
    output: str

    def __str__(self) -> str:
        return f"{self.call}#{self.number} {self.fault} -> {self.status} {self.output!r}"


def _run(program: str, *options: str, log: Path) -> subprocess.CompletedProcess[str]:
    command = ["strace", "-qq", "-o", str(log), "-e", f"trace={CALLS},?stat,?newfstatat,?access", *options]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run(
        [*command, sys.executable, "-I", "-B", "-S", "-c", program],
        capture_output=True, text=True, timeout=60, env=environment, check=False,
    )  # fmt: skip


def _calls(log: Path) -> list[tuple[str, int, bool]]:
    """Each call after the marker: name, number among all calls of its name, whether it changes something."""
    seen: dict[str, int] = {}
    found, started = [], False
    for line in log.read_text().splitlines():
        match = re.match(r"(\w+)\(", line)
        if not match:
            continue
        name = match[1]
        seen[name] = seen.get(name, 0) + 1
        started = started or MARKER in line
        if started and name in CALLS.split(","):
            found.append((name, seen[name], name != "close" and (name != "openat" or "O_CREAT" in line)))
    return found


def sweep(
    tmp_path: Path, imports: str, body: str, faults: tuple[str, ...], reset: Callable[[], object]
) -> Iterator[Injection]:
    """Runs `body` once for each of its system calls and each fault (`KILL` or the name of an errno).

    `reset` puts the files back before each run; the caller looks at them after each.
    """
    program = PRELUDE.format(imports=imports, body=body)
    log = tmp_path / "strace.log"
    reset()
    plain = _run(program, log=log)
    assert plain.returncode == 0, plain.stdout + plain.stderr
    calls = _calls(log)
    assert calls, "nothing to fail"
    for call, number, changes in calls:
        for fault in faults:
            if fault == "KILL" and not changes:
                continue  # the same moment as before the next call that changes something
            reset()
            what = f"signal={fault}" if fault == "KILL" else f"error={fault}"
            done = _run(program, "-e", f"inject={call}:{what}:when={number}", log=log)
            yield Injection(call, number, fault, done.returncode, done.stdout + done.stderr)
