"""Files that commands read for the user: at most 10 MiB, as virsh has it, in virsh's words when they cannot be read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from virtctl.errors import VirtctlError

LARGEST = 10 * 1024 * 1024


def read_file(path: str) -> bytes:
    """What a file holds. Raises VirtctlError."""
    step = "open"
    try:
        with Path(path).open("rb") as file:
            step = "read"
            text = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        step = "read" if isinstance(error, IsADirectoryError) else step
        raise VirtctlError(f"Failed to {step} file '{path}': {reason(error)}") from error
    if len(text) > LARGEST:
        raise VirtctlError(f"Failed to read file '{path}': {os.strerror(errno.EOVERFLOW)}")
    return text


def reason(error: OSError | ValueError) -> str:
    """Why a path cannot be used; a ValueError means that it holds a zero byte."""
    return error.strerror or str(error) if isinstance(error, OSError) else "Invalid argument"
