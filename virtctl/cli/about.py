"""What the program says of itself: usage and versions."""

from __future__ import annotations

from virtctl import __version__
from virtctl.cli.help import usage

LIBVIRT = "9.0.0"  # the release whose commands, documents and messages this program follows


def about(action: str, program: str) -> str:
    """`--help`, `-v`, `-V`. Started as virsh, the version is the one of virsh whose place is taken."""
    version = LIBVIRT if program == "virsh" else __version__
    if action == "help":
        return usage(program)
    if action == "version":
        return f"{version}\n"
    return (
        f"{program.capitalize()} command line tool of virtctl {__version__}, which follows libvirt {LIBVIRT}\n\n"
        "Compiled with support for:\n"
        " Hypervisors: QEMU/KVM Test\n"
        " Miscellaneous: Readline Completion JSON YAML\n"
    )
