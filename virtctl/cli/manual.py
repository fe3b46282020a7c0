"""The manual page, generated from the table and the declarations of the commands; man/virtctl.1 is its copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from virtctl import __version__
from virtctl.cli.help import GLOBAL_OPTIONS, description, in_options, synopsis
from virtctl.cli.operands import VirshCommand
from virtctl.cli.table import GROUPS, Row, group_title, rows_of

PROGRAM = "virtctl"

INTRODUCTION = """\
virtctl defines, starts, watches, saves and moves virtual machines on one Linux host. It reads libvirt's domain XML,
takes virsh's commands and options, prints virsh's output and runs QEMU, without a daemon. Started through a link named
virsh it calls itself virsh.
"""

GRAMMAR = """\
One argument is a string of commands, separated by semicolons or newlines, with a shell's quotes, backslashes and
comments. Several arguments are one command. Without any, commands are read from the terminal or from standard input.

An operand may be given by its place or by name: start vm1, start --domain vm1, start --domain=vm1. Options may be
abbreviated where that is unambiguous. After -- everything is an operand. A domain is named by id, UUID or name, in that
order. Commands that report take --output table, json or yaml, and --plain.
"""

ENVIRONMENT = (
    ("VIRTCTL_DEFAULT_URI, VIRSH_DEFAULT_CONNECT_URI, LIBVIRT_DEFAULT_URI", "the connection when none is named"),
    ("VIRTCTL_ROOT", "folder that holds all state, instead of the places below /etc, /var and /run"),
    ("VISUAL, EDITOR", "the editor of edit"),
    ("NO_COLOR", "when set, tables are plain text on a terminal, too"),
)

FILES = (
    ("/etc/virtctl/qemu/NAME.xml", "definitions; autostart/ beside them has links to those that start with the host"),
    ("/etc/virtctl/qemu.conf", "the settings, one name = value a line; a value is a \"string\" or a number"),
    ("/var/lib/virtctl/qemu", "managed saves, NVRAM, history, and what undo brings back"),
    ("/run/virtctl/qemu/UUID", "what is known of a running guest"),
    ("/var/log/virtctl/qemu/NAME.log", "what QEMU says; NAME.log.0 is what it said before"),
)

SETTINGS = (
    ("user", "whom QEMU runs as: a name, or + and a number; another than oneself only as root (default: whoever "
             "starts the guest)"),
    ("group", "its group (default: that user's own); the user's further groups come along"),
    ("dynamic_ownership", "1: images that QEMU could not use as that user are given to it while the guest runs and go "
                          "back to their owners after it; 0: nobody's owner is changed (default: 1)"),
    ("save_image_format", "how saved memory is compressed: raw, gzip, bzip2, xz, lzop, zstd (default: raw)"),
    ("max_log_size", "bytes of one log file of a guest, 0 for no limit (default: 2097152)"),
    ("max_log_backups", "how many full log files are kept beside it (default: 3)"),
)

STATUS = """\
0 when the last command succeeded, 1 for every failure, 130 after an interrupt.
"""


def manual(command: Callable[[str], VirshCommand]) -> str:
    """The page, in man's own language; `command` loads a command by its name."""
    return "".join(f"{line}\n" for line in _page(command))


def _page(command: Callable[[str], VirshCommand]) -> Iterator[str]:
    yield f'.TH VIRTCTL 1 "" "virtctl {__version__}" "User Commands"'
    yield ".SH NAME"
    yield f"{PROGRAM} \\- virtual machines by libvirt's documents and virsh's commands, without a daemon"
    yield ".SH SYNOPSIS"
    yield f".B {PROGRAM}\n[\\fIOPTION\\fR]... [\\fICOMMAND_STRING\\fR]\n.br"
    yield f".B {PROGRAM}\n[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARG\\fR]..."
    yield ".SH DESCRIPTION"
    yield f"{roff(INTRODUCTION)}\n.PP\n{roff(GRAMMAR)}"
    yield ".SH OPTIONS"
    yield from _options()
    for group in GROUPS:
        yield f".SH {roff(group_title(group, PROGRAM).upper())}"
        for row in rows_of(group):
            yield from _command(row, command(row.name))
    yield ".SH ENVIRONMENT"
    for name, doc in ENVIRONMENT:
        yield f".TP\n.B {roff(name)}\n{roff(doc)}"
    yield ".SH FILES"
    for name, doc in FILES:
        yield f".TP\n.B {roff(name)}\n{roff(doc)}"
    yield ".SH SETTINGS"
    for name, doc in SETTINGS:
        yield f".TP\n.B {roff(name)}\n{roff(doc)}"
    yield ".SH EXIT STATUS"
    yield roff(STATUS)
    yield ".SH SEE ALSO\n.BR virsh (1),\n.BR qemu\\-system\\-x86_64 (1)"


def _options() -> Iterator[str]:
    for option, doc in GLOBAL_OPTIONS:
        if option:
            yield f".TP\n.B {roff(' '.join(option.split()))}"
        if doc:
            yield roff(doc)


def _command(row: Row, command: VirshCommand) -> Iterator[str]:
    yield f".SS {roff(row.name)}"
    yield f"{roff(row.summary)}\n.PP\n.B {roff(synopsis(row.name, command))}"
    if description(command):
        yield f".PP\n{roff(description(command))}"
    for parameter in command.own():
        yield f".TP\n.B {roff(in_options(parameter))}\n{roff(parameter.help or '')}"


def roff(text: str) -> str:
    """Text that man shows as it is: paragraphs stay, characters that mean something to it are escaped."""
    escaped = text.strip().replace("\\", "\\e").replace("-", "\\-")
    lines = [f"\\&{line}" if line.startswith((".", "'")) else line for line in escaped.split("\n")]
    return "\n".join(line or ".PP" for line in lines)
