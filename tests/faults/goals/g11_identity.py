"""A guest's pid and its pty are soon another's: that stranger gets no signal and no byte."""

from __future__ import annotations

import subprocess
import sys

from tests.faults.goals import Result
from tests.faults.strangers import COMMANDS

TITLE = "a stranger with the pid or the pty of a dead guest: no signal, no byte, and the guest is said to have crashed"
TRIALS = 200


def measure(trials: int, seed: int) -> Result:
    """Half of the times the pid comes back, half of the times the pty; each time all commands are run."""
    reused = max(1, trials // 2)
    words = [sys.executable, "-m", "tests.faults.strangers"]
    violations: list[str] = []
    for kind, before in (("pid", ["unshare", "-pf", "--kill-child", "--mount-proc"]), ("pty", [])):
        done = subprocess.run([*before, *words, kind, str(reused), str(seed)], capture_output=True, text=True,
                              check=False)
        violations += done.stdout.splitlines()
        if done.returncode:
            violations.append(f"{kind}: ended {done.returncode}: {done.stderr[-1500:]}")
    return Result(2 * reused, violations, f"{len(COMMANDS)} commands each")
