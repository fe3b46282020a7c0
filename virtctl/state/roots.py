"""The four folders that all state lies below: not a stranger's, who could put anything in the place of our files."""

from __future__ import annotations

import os

from virtctl.errors import OperationFailed
from virtctl.paths import Paths


def refuse_strangers(paths: Paths) -> None:
    """Raises OperationFailed for one that belongs neither to us nor to root; one that is not there yet is fine."""
    for folder in paths:
        try:
            owners = {os.lstat(folder).st_uid, os.stat(folder).st_uid}  # noqa: PTH116 - at every command's start
        except OSError:
            continue
        for owner in owners - {os.geteuid(), 0}:
            raise OperationFailed(f"folder '{folder}' belongs to user {owner}, not to user {os.geteuid()}",
                                  hint="whoever owns it decides what is in it: have it removed, or given to you")
