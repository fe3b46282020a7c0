"""What a site decides for all its guests: `qemu.conf` in the folder of the configuration, in the manner of libvirt's.

One setting a line, `name = value`; a value is a "string" or a number; `#` begins a comment. Each name is one of
`Settings`; a file that does not exist says nothing. libvirt's names are kept where the meaning is libvirt's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from virtctl.errors import ConfigSyntaxError
from virtctl.paths import Paths
from virtctl.state.atomic import read_file

MAX_SIZE = 1 << 16  # bytes; no site has so much to say
_LINE = re.compile(r"""^\s*(?:(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(\d{1,18}))\s*)?(?:\#.*)?$""")
_FORMATS = ("raw", "gzip", "bzip2", "xz", "lzop", "zstd")


class Settings(NamedTuple):
    """`user` and `group`: whom QEMU runs as, a name or `+` and a number; None is whoever calls.

    `dynamic_ownership`: whether a guest's files are given to that user for as long as it runs. `save_image_format`:
    how saved memory is compressed when the command does not say. `max_log_size`: bytes of one log file of a guest,
    0 for no limit; `max_log_backups`: how many full ones are kept beside it.
    """

    user: str | None = None
    group: str | None = None
    dynamic_ownership: bool = True
    save_image_format: str = "raw"
    max_log_size: int = 2 << 20
    max_log_backups: int = 3


def settings_path(paths: Paths) -> Path:
    """The file."""
    return paths.config / "qemu.conf"


def load_settings(paths: Paths) -> Settings:
    """What the file says, the defaults for the rest.

    Raises ConfigSyntaxError naming file and line for what is no setting; what `read_file` raises when it is there and
    cannot be read, or when others may write it.
    """
    path = settings_path(paths)
    text = _read(path)
    settings = Settings()
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.match(line)
        if match is None:
            raise ConfigSyntaxError(f"{path}:{number}: expecting a name, '=' and a \"string\" or a number")
        name, *strings, figure = match.groups()
        if name is not None:
            given = next((string for string in strings if string is not None), None)
            value = _value(f"{path}:{number}", name, int(figure) if given is None else given)
            settings = settings._replace(**{name: value})
    return settings


def _value(where: str, name: str, given: str | int) -> Any:  # noqa: ANN401 - as many types as settings
    """The value in the type of the setting's default."""
    known = Settings._field_defaults
    if name not in known:
        raise ConfigSyntaxError(f"{where}: unknown setting '{name}'", hint=f"the settings are {', '.join(known)}")
    default = known[name]
    wanted = int if isinstance(default, int) else str
    if not isinstance(given, wanted):
        raise ConfigSyntaxError(f"{where}: setting '{name}' is a {'number' if wanted is int else 'string'}")
    if name == "save_image_format" and given not in _FORMATS:
        raise ConfigSyntaxError(f"{where}: Invalid save image format specified: {given}",
                          hint=f"the formats are {', '.join(_FORMATS)}")
    return bool(given) if isinstance(default, bool) else given


def _read(path: Path) -> str:
    try:
        return read_file(path, MAX_SIZE).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""
