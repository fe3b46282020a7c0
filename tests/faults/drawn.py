"""A drawn part of the sweep, for the goals: so many attempts, of some faults, over all verbs or some.

    python -m tests.faults.drawn KILL,KILL-AFTER 500 1                # faults, attempts, seed
    python -m tests.faults.drawn SIGINT,SIGTERM 60 1 --verbs save,restore
    python -m tests.faults.drawn EINTR,EAGAIN 100 1 --calls waits     # at those that wait or read; or closes

Each verb gets an equal share; of a verb the calls are drawn by the seed. What is printed last is JSON, for `draw`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from tests.faults.attempts import CHANGES, CLOSES, WAITS, build_shim
from tests.faults.goals import Result
from tests.faults.sweep import fresh_driver, one
from tests.faults.verbs import Lab, Verb
from tests.faults.verbs_small import EVERY

KINDS = {"changes": CHANGES, "waits": WAITS, "closes": CLOSES}
TOP = Path(__file__).resolve().parents[2]


def draw(faults: str, trials: int, seed: int, *, verbs: str = "", calls: str = "changes") -> Result:
    """Makes the attempts in a process under the shim."""
    with tempfile.TemporaryDirectory(prefix="shim-") as folder:
        environment = {**os.environ, "LD_PRELOAD": str(build_shim(Path(folder)))}
        command = [sys.executable, "-m", "tests.faults.drawn", faults, str(trials), str(seed),
                   "--verbs", verbs, "--calls", calls]
        done = subprocess.run(command, cwd=TOP, env=environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
    last = (done.stdout.splitlines() or [""])[-1]
    if not last.startswith("{"):
        return Result(0, [f"ended with status {done.returncode}: {done.stdout[-2000:]}"])
    return Result(**json.loads(last))


def candidates(root: Path, verb: Verb, faults: list[str], seed: int, kinds: int) -> Iterator[tuple[Verb, str, int]]:
    """All attempts on one verb, in the order of the seed."""
    outcome, wrong = one(root, verb, "EIO", 0, kinds)
    if outcome.status or wrong:
        raise SystemExit(f"{verb.name} fails without any fault: {outcome} {wrong}")
    mine = [(verb, fault, number) for number in range(1, outcome.seen + 1) for fault in faults]
    random.Random(f"{seed} {verb.name}").shuffle(mine)
    yield from mine


def attempts(root: Path, chosen: list[Verb], faults: list[str], seed: int, kinds: int) -> Iterator[
        tuple[Verb, str, int]]:
    """One attempt on each verb in turn, until there are no more."""
    left = {verb.name: candidates(root, verb, faults, seed, kinds) for verb in chosen}
    for name in cycle(list(left)):
        if not left:
            return
        found = next(left[name], None) if name in left else None
        if found is not None:
            yield found
        else:
            left.pop(name, None)


def measure(root: Path, options: argparse.Namespace) -> Result:
    """Makes them."""
    faults, kinds = options.faults.split(","), KINDS[options.calls]
    chosen = [verb for verb in EVERY if not options.verbs or verb.name in options.verbs.split(",")]
    random.Random(options.seed).shuffle(chosen)
    tried: Counter[str] = Counter()
    violations = []
    for verb, fault, number in attempts(root, chosen, faults, options.seed, kinds):
        outcome, wrong = one(root, verb, fault, number, kinds)
        tried[verb.name] += outcome.killed or outcome.seen >= number  # else it ended before its turn
        if wrong:
            violations.append(f"--verb {verb.name} --fault {fault} --number {number}: {'; '.join(wrong)} "
                              f"({outcome.status} {outcome.text[:300]})")
        if sum(tried.values()) >= options.trials:
            break
    keeping = sum(tried[verb.name] for verb in chosen if verb.keeps)
    return Result(sum(tried.values()), violations, f"{len(tried)} verbs; in {keeping} attempts a guest had to be kept")


def main() -> int:
    """As a program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("faults")
    parser.add_argument("trials", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--verbs", default="")
    parser.add_argument("--calls", default="changes", choices=list(KINDS))
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        found = measure(root, options)
    finally:
        Lab(root / "lab", fresh_driver(root)).wipe()
        shutil.rmtree(root, ignore_errors=True)
    print(json.dumps(found._asdict()))
    return 1 if found.violations else 0


if __name__ == "__main__":
    sys.exit(main())
