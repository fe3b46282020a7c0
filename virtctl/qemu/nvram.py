"""The file of the firmware's variables and its template, looked at before QEMU opens them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from virtctl.domain.domain import Domain
from virtctl.errors import SystemFault, UnsupportedConfig
from virtctl.qemu.board import arch_of, nvram_path

_PAGE = 4096  # x86: the flash chips are whole pages, and 8 MiB at most with the firmware
_MOST = 8 * 1024 * 1024
_PC = ("x86_64", "i686")
_HINT = "start --reset-nvram makes it anew from its template"


def check_nvram(domain: Domain) -> str | None:
    """Refuses a file of variables that no firmware could use; what is odd about it, for a warning, or None.

    Raises SystemFault and UnsupportedConfig, which name the file.
    """
    store = nvram_path(domain)
    if store is None or domain.os is None or domain.os.nvram is None:
        return None
    template = domain.os.nvram.template
    if not os.path.lexists(store):
        if template is not None:
            _length(template, f"template '{template}' of NVRAM file '{store}'", os.O_RDONLY, domain)
        return None
    length = _length(store, f"NVRAM file '{store}'", os.O_RDWR, domain, _HINT if template else None)
    if template is None or not Path(template).is_file() or Path(template).stat().st_size == length:
        return None
    return f"NVRAM file '{store}' is not as long as its template '{template}': the firmware may not find its variables"


def _length(path: str, what: str, mode: int, domain: Domain, hint: str | None = None) -> int:
    try:
        fd = os.open(path, mode | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SystemFault(f"cannot open {what}", error) from error
    try:
        found = os.fstat(fd)
        length = os.lseek(fd, 0, os.SEEK_END) if stat.S_ISBLK(found.st_mode) else found.st_size
    finally:
        os.close(fd)
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISBLK(found.st_mode):
        raise UnsupportedConfig(f"{what} is not a regular file")
    wrong = length == 0 or (arch_of(domain) in _PC and (length % _PAGE or length > _MOST))
    if wrong:
        raise UnsupportedConfig(f"{what} is {length} bytes long: variables are whole pages of {_PAGE} bytes, "
                                "and 8 MiB at most", hint=hint)
    return length
