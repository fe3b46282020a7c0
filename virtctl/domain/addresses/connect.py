"""What plugs where: kinds of PCI connection, those a device wants and those a bus offers."""

from __future__ import annotations

from typing import NamedTuple


class Connect:
    """Kinds of PCI connection, and what goes with them, as bits. The values are those that libvirt's messages show."""

    AUTO = 1 << 1  # may be placed by us, on a bus that takes what is placed by us
    AGGREGATE = 1 << 3
    PCI_DEVICE = 1 << 4
    PCIE_DEVICE = 1 << 5
    ROOT_PORT = 1 << 6
    UPSTREAM_PORT = 1 << 7
    DOWNSTREAM_PORT = 1 << 8
    DMI_TO_PCI = 1 << 9
    PCI_EXPANDER = 1 << 10
    PCIE_EXPANDER = 1 << 11
    PCI_BRIDGE = 1 << 12
    PCIE_TO_PCI = 1 << 13
    INTEGRATED = 1 << 14


KINDS = (Connect.PCI_DEVICE | Connect.PCIE_DEVICE | Connect.ROOT_PORT | Connect.UPSTREAM_PORT | Connect.DOWNSTREAM_PORT
         | Connect.DMI_TO_PCI | Connect.PCI_EXPANDER | Connect.PCIE_EXPANDER | Connect.PCI_BRIDGE | Connect.PCIE_TO_PCI)
ENDPOINT = Connect.PCI_DEVICE | Connect.PCIE_DEVICE
NOTHING = 0
PCI = Connect.PCI_DEVICE | Connect.AUTO
PCIE = Connect.PCIE_DEVICE | Connect.AUTO

# What each PCI controller plugs into; the roots are part of the board.
WANTS: dict[str, int] = {
    "pci-root": NOTHING,
    "pcie-root": NOTHING,
    "pci-bridge": Connect.PCI_BRIDGE,
    "dmi-to-pci-bridge": Connect.DMI_TO_PCI,
    "pcie-to-pci-bridge": Connect.PCIE_TO_PCI,
    "pcie-root-port": Connect.ROOT_PORT | Connect.AGGREGATE,
    "pcie-switch-upstream-port": Connect.UPSTREAM_PORT,
    "pcie-switch-downstream-port": Connect.DOWNSTREAM_PORT,
    "pci-expander-bus": Connect.PCI_EXPANDER,
    "pcie-expander-bus": Connect.PCIE_EXPANDER,
}

# How libvirt names what a device asks for, in the order in which it looks.
NAMES: tuple[tuple[int, str], ...] = (
    (Connect.PCI_DEVICE, "standard PCI device"),
    (Connect.PCIE_DEVICE, "PCI Express device"),
    (Connect.ROOT_PORT, "pcie-root-port"),
    (Connect.UPSTREAM_PORT, "pcie-switch-upstream-port"),
    (Connect.DOWNSTREAM_PORT, "pcie-switch-downstream-port"),
    (Connect.DMI_TO_PCI, "dmi-to-pci-bridge"),
    (Connect.PCI_EXPANDER, "pci-expander-bus"),
    (Connect.PCIE_EXPANDER, "pcie-expander-bus"),
    (Connect.PCI_BRIDGE, "pci-bridge"),
    (Connect.PCIE_TO_PCI, "pcie-to-pci-bridge"),
)


class Offer(NamedTuple):
    """What a bus takes, in which slots."""

    flags: int
    first: int
    last: int


_CONVENTIONAL = Connect.PCI_DEVICE | Connect.PCI_BRIDGE
_PORT = Offer(PCIE | Connect.UPSTREAM_PORT | Connect.PCIE_TO_PCI, 0, 0)

OFFERS: dict[str, Offer] = {
    "pci-root": Offer(_CONVENTIONAL | Connect.AUTO | Connect.PCI_EXPANDER, 1, 31),
    "pci-bridge": Offer(_CONVENTIONAL | Connect.AUTO, 1, 31),
    "pci-expander-bus": Offer(_CONVENTIONAL | Connect.AUTO, 0, 31),
    "pcie-root": Offer(Connect.PCIE_DEVICE | Connect.ROOT_PORT | Connect.DMI_TO_PCI | Connect.PCIE_EXPANDER, 1, 31),
    "dmi-to-pci-bridge": Offer(_CONVENTIONAL, 0, 31),
    "pcie-to-pci-bridge": Offer(_CONVENTIONAL | Connect.AUTO, 1, 31),
    "pcie-root-port": _PORT,
    "pcie-switch-downstream-port": _PORT,
    "pcie-switch-upstream-port": Offer(Connect.DOWNSTREAM_PORT, 0, 31),
    "pcie-expander-bus": Offer(Connect.ROOT_PORT | Connect.DMI_TO_PCI, 0, 31),
}
