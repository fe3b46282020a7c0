"""`python -m virtctl`, and the script that the package installs."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress


def main() -> int:
    """Runs the command line."""
    gc.disable()  # a tenth of the time of a short command; whoever runs many turns it on
    from virtctl.cli.root import main as run

    status = run()
    with suppress(OSError, ValueError, AttributeError):  # what was printed is flushed already, or said to be lost
        sys.stderr.flush()
    os._exit(status)  # to take the interpreter down in order is another tenth


if __name__ == "__main__":
    sys.exit(main())
