"""What the environment says: which connection, and where state lives."""

from __future__ import annotations

import os
from pathlib import Path

from virtctl.paths import Paths

URI_VARIABLES = ("VIRTCTL_DEFAULT_URI", "VIRSH_DEFAULT_CONNECT_URI", "LIBVIRT_DEFAULT_URI")


def default_uri() -> str:
    """The connection when none is named."""
    for name in URI_VARIABLES:
        if os.environ.get(name):
            return os.environ[name]
    return "qemu:///system" if os.geteuid() == 0 or os.environ.get("VIRTCTL_ROOT") else "qemu:///session"


def paths_for(uri: str) -> Paths:
    """The folders of a connection."""
    root = os.environ.get("VIRTCTL_ROOT")
    if root:
        return Paths.under(Path(root).absolute())
    if not uri.startswith("qemu:///session"):
        return Paths.system()
    state = _folder("XDG_STATE_HOME", ".local/state")
    run = Path(os.environ.get("XDG_RUNTIME_DIR") or _folder("XDG_CACHE_HOME", ".cache"))
    return Paths(
        _folder("XDG_CONFIG_HOME", ".config") / "virtctl",
        _folder("XDG_DATA_HOME", ".local/share") / "virtctl",
        run / "virtctl",
        state / "virtctl" / "log",
    )


def _folder(variable: str, below_home: str) -> Path:
    """An XDG folder; a relative path in the variable does not count, as the standard says."""
    given = os.environ.get(variable, "")
    return Path(given) if given.startswith("/") else Path.home() / below_home


def history_file() -> Path:
    """Where the interactive shell remembers its lines."""
    return _folder("XDG_CACHE_HOME", ".cache") / "virtctl" / "history"


def editor() -> str:
    """The command that edits a file, perhaps with options of its own."""
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"


def dumb_terminal() -> bool:
    """Whether the terminal wants no more than text."""
    return os.environ.get("TERM", "dumb") == "dumb" or "NO_COLOR" in os.environ
