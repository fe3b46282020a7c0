"""No guest is ended that nobody wanted ended: the verbs under which a guest must be kept, with every kind of fault."""

from __future__ import annotations

from tests.faults.drawn import draw
from tests.faults.goals import Result
from tests.faults.verbs_small import EVERY

TITLE = "a guest is never ended unless its end was asked for"
TRIALS = 1000


def measure(trials: int, seed: int) -> Result:
    """Kills, errors and signals in verbs that leave the guest alive; its process must be the same afterwards."""
    keeping = ",".join(verb.name for verb in EVERY if verb.keeps)
    return draw("KILL,KILL-AFTER,EIO,ENOSPC,EINTR,SIGTERM,SIGINT", trials, seed, verbs=keeping)
