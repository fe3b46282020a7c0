"""The kinds of operating system, and the architectures, that libvirt has a name for."""

from __future__ import annotations

from virtctl.errors import UnsupportedConfig, XmlError

ARCHES = frozenset((
    "alpha", "armv6l", "armv7l", "armv7b", "aarch64", "cris", "i686", "ia64", "lm32", "loongarch64", "m68k",
    "microblaze", "microblazeel", "mips", "mipsel", "mips64", "mips64el", "openrisc", "parisc", "parisc64",
    "ppc", "ppc64", "ppc64le", "ppcemb", "riscv32", "riscv64", "s390", "s390x", "sh4", "sh4eb", "sparc",
    "sparc64", "unicore32", "x86_64", "xtensa", "xtensaeb",
))


TYPES = ("hvm", "linux", "exe", "xen", "uml", "xenpvh")


def check_kind(type: str | None, arch: str | None) -> None:
    """Refuses an operating system type or architecture that does not exist; libvirt looks at these first."""
    if not type:
        raise XmlError("an os <type> must be specified")
    if type not in TYPES:
        raise UnsupportedConfig(f"unknown OS type '{type}'")
    if arch:
        check_arch(arch)


def check_arch(name: str) -> None:
    """Refuses an architecture that does not exist."""
    if name not in ARCHES:
        raise UnsupportedConfig(f"Unknown architecture {name}")
