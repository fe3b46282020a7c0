"""Waiting for what a test expects, with a deadline that only a failure reaches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], what: str, seconds: float = 60.0) -> Found:
    """Looks again and again until there is something to see, and hands it back; fails naming `what` at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what} (last seen: {found!r})"
        time.sleep(0.01)
