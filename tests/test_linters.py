"""The linters run as tests, so that one command says whether a change may be merged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LINTERS = {
    "ruff check": ("ruff", "check", "virtctl", "tests", "examples"),
    "mypy": ("mypy",),
    "codespell": ("codespell_lib", "virtctl", "tests", "examples", "man", "README.md", ".github"),
}


@pytest.mark.parametrize("linter", LINTERS)
def test_linter_has_nothing_to_say(linter: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *LINTERS[linter]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
