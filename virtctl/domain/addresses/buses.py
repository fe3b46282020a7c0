"""The PCI buses of a guest while addresses are handed out: which function of which slot is taken."""

from __future__ import annotations

from virtctl.domain.addresses.connect import ENDPOINT, KINDS, NAMES, OFFERS, Connect
from virtctl.domain.devices.address import PciAddress
from virtctl.errors import InternalError, VirtctlError, XmlError

FUNCTIONS = 8
UNGROWABLE = ((Connect.DMI_TO_PCI, "dmi-to-pci-bridge"), (Connect.ROOT_PORT, "pcie-root-port"),
              (Connect.DOWNSTREAM_PORT, "pcie-switch-downstream-port"), (Connect.PCI_EXPANDER, "pci-expander-bus"),
              (Connect.PCIE_EXPANDER, "pcie-expander-bus"), (Connect.PCI_BRIDGE, "pci-bridge"))


class Bus:
    """One bus: what it takes, and a bit for each function in use."""

    __slots__ = ("aggregate", "first", "flags", "last", "model", "slots")

    def __init__(self, model: str) -> None:
        if model not in OFFERS:
            raise InternalError("PCI controller model was not set correctly")
        self.model = model
        self.flags, self.first, self.last = OFFERS[model]
        self.slots = [0] * 32
        self.aggregate = [False] * 32

    @property
    def full(self) -> bool:
        """Whether no slot is free."""
        return all(self.slots[self.first:self.last + 1])

    def place(self, flags: int, function: int | None) -> tuple[int, int] | None:
        """The first free (slot, function) for a device that wants `flags`; `function` None for any."""
        wanted = function or 0
        for slot in range(self.first, self.last + 1):
            used = self.slots[slot]
            if used == 0:
                return slot, wanted
            if flags & Connect.AGGREGATE and self.aggregate[slot]:
                for candidate in range(FUNCTIONS) if function is None else (wanted,):
                    if not used & (1 << candidate):
                        return slot, candidate
        return None


class Buses:
    """All buses. `growing`: buses are added as devices need them (the first of two passes)."""

    def __init__(self, growing: bool) -> None:
        self.buses: list[Bus] = []
        self.growing = growing

    def in_use(self, bus: int, slot: int) -> bool:
        """Whether anything sits in the slot."""
        return self.buses[bus].slots[slot] != 0

    def reserve(self, address: PciAddress, flags: int, *, from_config: bool = True) -> None:
        """Takes an address that is already decided. Raises when it cannot be."""
        error = XmlError if from_config else InternalError
        name = str(address)
        if self.growing:
            self._grow_to(address, flags)
        self.validate(address, flags, name, from_config=from_config)
        bus = self.buses[address.bus]
        if bus.slots[address.slot] & (1 << address.function):
            raise error(f"Attempted double use of PCI Address {name}")
        if not bus.slots[address.slot] and flags & Connect.AGGREGATE:
            bus.aggregate[address.slot] = True
        bus.slots[address.slot] |= 1 << address.function

    def next_free(self, flags: int, function: int | None = None) -> PciAddress:
        """Finds and takes a place for a device that has no address."""
        if not self.buses:
            raise XmlError("No PCI buses available")
        found = self._search(flags, function)
        if found is None and not self.growing:
            raise InternalError("No more available PCI slots")
        if found is None:
            found = PciAddress(bus=len(self.buses), function=function or 0)
            self._grow_to(found, flags)
            found.slot = self.buses[found.bus].first
        self.reserve(found, flags, from_config=False)
        return found

    def _search(self, flags: int, function: int | None) -> PciAddress | None:
        for number, bus in enumerate(self.buses):
            if not compatible(bus.flags, flags):
                continue
            place = bus.place(flags, function)
            if place is not None:
                return PciAddress(bus=number, slot=place[0], function=place[1])
        return None

    def validate(self, address: PciAddress, flags: int, name: str, *, from_config: bool = True) -> None:
        """Whether such a device may sit there; messages call the address `name`. Raises with the reason."""
        error = XmlError if from_config else InternalError
        if not self.buses:
            raise error("No PCI buses available")
        if address.domain != 0:
            raise error(f"Invalid PCI address {name}. Only PCI domain 0 is available")
        if address.bus >= len(self.buses):
            raise error(f"Invalid PCI address {name}. Only PCI buses up to {len(self.buses) - 1} are available")
        bus = self.buses[address.bus]
        self._check_connection(address, flags, name, error, from_config)
        if address.slot < bus.first:
            raise error(f"Invalid PCI address {name}. slot must be >= {bus.first}")
        if address.slot > bus.last:
            raise error(f"Invalid PCI address {name}. slot must be <= {bus.last}")
        if address.function >= FUNCTIONS:
            raise error(f"Invalid PCI address {name}. function must be <= {FUNCTIONS - 1}")

    def _check_connection(self, address: PciAddress, flags: int, name: str, error: type[VirtctlError],
                          from_config: bool) -> None:
        offered = self.buses[address.bus].flags
        if from_config:
            # The user may put a PCI card into a PCIe slot and the other way round, and forgo hotplug.
            if offered & ENDPOINT:
                offered |= ENDPOINT
            if flags & Connect.PCI_BRIDGE:
                flags |= Connect.PCI_DEVICE
        if flags & Connect.INTEGRATED and address.bus != 0:
            raise error(f"The device at PCI address {name} needs to be an integrated device (bus=0)")
        if not flags & offered & KINDS:
            wanted = next((name for kind, name in NAMES if flags & kind), None)
            if wanted is None:
                raise error(f"The device at PCI address {name} has unrecognized connection type flags "
                            f"0x{flags:02x}")
            raise error(f"The device at PCI address {name} cannot be plugged into the PCI controller with "
                        f"index='{address.bus}'. It requires a controller that accepts a {wanted}.")

    def _grow_to(self, address: PciAddress, flags: int) -> None:
        """Adds the buses that `address` names and that are not there yet; may move it to a later bus."""
        missing = address.bus - len(self.buses) + 1
        if missing <= 0:
            return
        first: list[str] = []
        if flags & Connect.PCI_DEVICE:
            model, first = self._conventional()
        elif flags & (Connect.PCIE_DEVICE | Connect.UPSTREAM_PORT):
            model = "pcie-root-port"
        else:
            self._cannot_grow(flags)
        if first and missing == 1:
            # The device sits behind the bridge, not behind the port that the bridge needs.
            address.bus += 1
            missing = 2
        added = [Bus(name) for name in first + [model] * (missing - len(first))]
        if first:
            added[0].flags = Connect.PCIE_TO_PCI  # kept for the bridge
        self.buses += added

    def _conventional(self) -> tuple[str, list[str]]:
        """The model of a further conventional bus, and what must come before it."""
        if any(bus.flags & Connect.PCI_BRIDGE for bus in self.buses):
            return "pci-bridge", []
        return "pci-bridge", ["pcie-root-port", "pcie-to-pci-bridge"]

    def _cannot_grow(self, flags: int) -> None:
        for kind, model in UNGROWABLE:
            if flags & kind:
                raise InternalError(f"a PCI slot is needed to connect a PCI controller model='{model}', but none is "
                                    "available, and it cannot be automatically added")
        raise InternalError(f"Cannot automatically add a new PCI bus for a device with connect flags {flags:02x}")


def compatible(offered: int, wanted: int) -> bool:
    """Whether a bus that libvirt picks by itself suits a device."""
    if not offered & wanted & KINDS:
        return False
    return not (wanted & Connect.AUTO and not offered & Connect.AUTO)
