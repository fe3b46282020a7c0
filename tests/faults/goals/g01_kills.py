"""Killed at any call that changes something, a command leaves nothing that needs a hand."""

from __future__ import annotations

from tests.faults.drawn import draw
from tests.faults.goals import Result

TITLE = "a command killed at any of its state-changing calls leaves old or new, and the next command succeeds"
TRIALS = 1500


def measure(trials: int, seed: int) -> Result:
    """Kills before and after drawn calls of every verb that changes something."""
    return draw("KILL,KILL-AFTER", trials, seed)
