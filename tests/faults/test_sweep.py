"""A part of the sweep in every test run: attempts drawn by a fixed seed, none of which may violate anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.attempts import build_shim

SECONDS = float(os.environ.get("VIRTCTL_SWEEP_SECONDS", "130"))
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.fault(1, 2, 3, 4, 5, 6, 8, 10, 27, 28, 31, 32)
@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="the shim that injects faults needs gcc")
def test_no_fault_at_any_call_breaks_anything(tmp_path: Path) -> None:
    shim = build_shim(tmp_path)
    command = [sys.executable, "-m", "tests.faults.sweep", "--seconds", str(SECONDS), "--seed", "1"]
    environment = {**os.environ, "LD_PRELOAD": str(shim)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS + 300)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert " 0 violations" in " " + done.stdout.splitlines()[-1]
