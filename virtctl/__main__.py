"""`python -m virtctl`, and the script that the package installs."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs the program; its exit status."""
    from virtctl.cli.root import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
