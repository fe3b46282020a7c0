"""Measures the goals at their full number of trials and prints one line each.

    python -m tests.faults.goals                      # all of them; the exit status is 1 after any violation
    python -m tests.faults.goals g07 g10 --seed 3     # some, with another seed
    python -m tests.faults.goals --share 0.1          # a tenth of the trials
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time

from tests.faults import goals


def names() -> list[str]:
    """The modules, in order of their numbers."""
    return sorted(found.name for found in pkgutil.iter_modules(goals.__path__) if found.name.startswith("g"))


def main() -> int:
    """Measures, prints, judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wanted", nargs="*", help="numbers such as g07; all when there are none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0)
    args = parser.parse_args()
    bad = 0
    for name in names():
        if args.wanted and name.split("_")[0] not in args.wanted:
            continue
        module = importlib.import_module(f"{goals.__name__}.{name}")
        begin = time.monotonic()
        result = module.measure(max(1, round(module.TRIALS * args.share)), args.seed)
        bad += len(result.violations)
        cost = f"seed {args.seed}, {time.monotonic() - begin:.0f} s"
        print(f"{name.split('_')[0].upper():4} {module.TITLE}: {len(result.violations)} violations / "
              f"{result.trials} trials ({cost}){'; ' + result.figures if result.figures else ''}", flush=True)
        for line in result.violations[:20]:
            print(f"     {line}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
