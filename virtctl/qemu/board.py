"""What the command line wants to know of a domain's board: short questions with plain answers."""

from __future__ import annotations

from virtctl.domain.domain import Domain


def arch_of(domain: Domain) -> str:
    """The guest's processor architecture."""
    return (domain.os.arch if domain.os else None) or "x86_64"


def machine_name(domain: Domain) -> str:
    """The machine type."""
    return (domain.os.machine if domain.os else None) or "pc"


def is_q35(domain: Domain) -> bool:
    """Whether the machine is PCI Express from its root."""
    return "q35" in machine_name(domain)


def nvram_path(domain: Domain) -> str | None:
    """The file of the firmware's variables, None when there is none."""
    store = domain.os.nvram if domain.os else None
    if store is None or store.type not in (None, "file"):
        return None
    return store.source.file if store.source is not None else store.path
