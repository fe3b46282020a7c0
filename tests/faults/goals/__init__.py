"""The figures that the project promises about faults, each measured by one module `gNN_*.py`.

A module has `TITLE`, one line that names the goal with its number, `TRIALS`, how many the whole run makes, and
`measure(trials, seed) -> Result`. `python -m tests.faults.goals` measures all of them; a test of the same area calls
`measure` with a few trials.
"""

from __future__ import annotations

from typing import NamedTuple


class Result(NamedTuple):
    """How often it was tried, what was not as promised (a line each, with what repeats it), and figures in words."""

    trials: int
    violations: list[str]
    figures: str = ""
