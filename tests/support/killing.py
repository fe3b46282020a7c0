"""Kills a command at one of its system calls: the verb runs in a Python of its own below strace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MARK = "/the-verb-begins-here"
CALLS = ("write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,rmdir,link,linkat,symlink,"
         "symlinkat,ftruncate,connect,sendto,vfork,clone,clone3,fork,pidfd_send_signal,bind,accept4,recvfrom")
PRELUDE = """
import os, signal, sys
from pathlib import Path
from virtctl.errors import VirtctlError
from virtctl.paths import Paths
from virtctl.qemu.context import Context
{imports}
context = Context(Paths.under(Path({root!r})), warn=print, command="killed", lock_timeout=10)
os.path.exists({mark!r})
try:
    {body}
except VirtctlError as error:
    print(error, flush=True)
    os._exit(1)
os._exit(0)
"""


class Step(NamedTuple):
    """The `number`-th call of this name that the process makes."""

    call: str
    number: int
    text: str = ""  # the call with its arguments


class Verb(NamedTuple):
    """A verb as Python text, on the connection whose state is below `root`."""

    root: Path
    imports: str
    body: str

    def _run(self, log: Path, *options: str) -> subprocess.CompletedProcess[str]:
        text = PRELUDE.format(imports=self.imports, root=str(self.root), mark=MARK, body=self.body)
        command = ["strace", "-qq", "-o", str(log), "-e", f"trace={CALLS},?stat,?newfstatat,?access", *options]
        place = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": place, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run([*command, sys.executable, "-c", text], capture_output=True, text=True, timeout=60,
                              env=environment, check=False)

    def steps(self, log: Path) -> list[Step]:
        """Runs it to its end; the calls that it made."""
        done = self._run(log)
        assert done.returncode == 0, done.stdout + done.stderr
        return list(_steps(log))

    def fails_at(self, step: Step, fault: str, log: Path) -> subprocess.CompletedProcess[str]:
        """Runs it with a fault (`KILL`, `ENOSPC`...) at that call."""
        what = f"signal={fault}" if fault == "KILL" else f"error={fault}"
        return self._run(log, "-e", f"inject={step.call}:{what}:when={step.number}")


def _steps(log: Path) -> Iterator[Step]:
    seen: dict[str, int] = {}
    begun = False
    for line in log.read_text().splitlines():
        match = re.match(r"(\w+)\(", line)
        if not match:
            continue
        seen[match[1]] = seen.get(match[1], 0) + 1
        begun = begun or MARK in line
        if begun and match[1] in CALLS.split(","):
            yield Step(match[1], seen[match[1]], line)
