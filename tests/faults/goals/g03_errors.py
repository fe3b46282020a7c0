"""Errors of the disk at any call: the command fails and says so, and nothing old is lost."""

from __future__ import annotations

from tests.faults.drawn import draw
from tests.faults.goals import Result

TITLE = "an error of the disk at any state-changing call is told, and nothing that was stored is lost"
TRIALS = 2500


def measure(trials: int, seed: int) -> Result:
    """EIO, ENOSPC, EROFS, EDQUOT and EINTR at drawn calls of every verb that changes something."""
    return draw("EIO,ENOSPC,EROFS,EDQUOT,EINTR", trials, seed)
