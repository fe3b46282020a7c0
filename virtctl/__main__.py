"""`python -m virtctl`, and the script that the package installs."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Runs the program; its exit status."""
    gc.disable()  # a tenth of the time of a short command; whoever runs many turns it on
    from virtctl.cli.root import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
