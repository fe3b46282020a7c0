"""What a machine type says of the guest's board: pure questions about its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtctl.domain.domain import Domain


def machine_of(domain: Domain) -> str:
    """The machine type's name; empty before it is known."""
    return domain.os.machine or "" if domain.os else ""


def is_q35(machine: str) -> bool:
    """The PCI Express board."""
    return machine.startswith("pc-q35") or machine == "q35"


def is_i440fx(machine: str) -> bool:
    """The conventional PCI board."""
    return machine == "pc" or machine.startswith(("pc-0.", "pc-1.", "pc-i440", "rhel"))
