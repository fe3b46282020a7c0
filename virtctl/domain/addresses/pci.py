"""PCI addresses: two passes over the devices, the first to learn which buses are needed, the second to hand out."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.domain.addresses import topology
from virtctl.domain.addresses.buses import Bus, Buses
from virtctl.domain.addresses.chipset import reserve_chipset
from virtctl.domain.addresses.connect import PCI, PCIE
from virtctl.domain.addresses.places import is_empty, is_present, is_wanted
from virtctl.domain.addresses.wants import Board, text, wants
from virtctl.domain.controllers import add_controller, controllers, find_controller
from virtctl.domain.devices.address import PciAddress
from virtctl.domain.devices.controller import Controller
from virtctl.domain.devices.device import Device
from virtctl.domain.domain import Domain
from virtctl.domain.machine import is_q35, machine_of
from virtctl.errors import InternalError

USB2 = {"ich9-ehci1": 7, "ich9-uhci1": 0, "ich9-uhci2": 1, "ich9-uhci3": 2}


def assign_pci(domain: Domain) -> None:
    """Gives every PCI device its address, adding controllers where they are needed."""
    board = Board(is_q35(machine_of(domain)))
    highest = max((cont.index or 0 for cont in controllers(domain, "pci")), default=-1)
    if highest >= 0:
        _add_needed_controllers(domain, board, highest)
    count = 1 + max((cont.index or 0 for cont in controllers(domain, "pci")), default=-1)
    buses = create(domain, board, growing=False, count=count)
    reserve_chipset(domain, buses, board)
    for device in _unaddressed(domain, board):
        _take(domain, buses, device, board)
    _set_multifunction(domain)
    topology.complete_controllers(domain)


def create(domain: Domain, board: Board, *, growing: bool, count: int) -> Buses:
    """The buses of the domain's controllers, with the addresses that the document gives."""
    buses = Buses(growing)
    root = "pcie-root" if board.express else "pci-root"
    models: dict[int, Controller] = {}
    for cont in controllers(domain, "pci"):
        models[cont.index or 0] = cont
    filler = topology.filler_model(board)
    for index in range(count):
        found = models.get(index)
        buses.buses.append(Bus((found.model or "") if found else root if index == 0 else filler))
    for device in topology.pci_devices(domain):
        _collect(buses, device, board)
    return buses


def _collect(buses: Buses, device: Device, board: Board) -> None:
    address = device.address
    if not isinstance(address, PciAddress) or is_empty(address):
        return
    on_piix3 = address.place[:3] == (0, 0, 1) and isinstance(device, Controller) and _is_piix3(device, address.function)
    if on_piix3 and board.express:
        raise InternalError("Bus 0 must be PCI for integrated PIIX3 USB or IDE controllers")
    # A device that has no business on PCI takes its slot all the same; the rules refuse it later where they do.
    buses.reserve(address, wants(device, board) or PCI)


def _is_piix3(cont: Controller, function: int) -> bool:
    if cont.type == "ide":
        return cont.index == 0 and function == 1
    return cont.type == "usb" and cont.index == 0 and function == 2 and cont.model in (None, "piix3-uhci")


def _add_needed_controllers(domain: Domain, board: Board, highest: int) -> None:
    buses = create(domain, board, growing=True, count=highest + 1)
    reserve_chipset(domain, buses, board)
    spare = not board.express and not all(bus.full for bus in buses.buses)
    if spare:
        buses.next_free(PCI)  # so that a bridge can still be added when the bus fills up
    for device in _unaddressed(domain, board):
        _take(domain, buses, device, board, dry=True)
    if highest <= 0 and len(buses.buses) > highest + 1 and board.express:
        buses.next_free(PCIE)  # one port to plug something in later
    index = 1
    while index < len(buses.buses):
        bus = buses.buses[index]
        if find_controller(domain, "pci", index) is None:
            added = add_controller(domain, "pci", index, bus.model)
            buses.next_free(wants(added, board))
        index += 1


def _unaddressed(domain: Domain, board: Board) -> Iterator[Device]:
    """The devices that need a PCI address, in the order in which libvirt serves them."""
    for device in topology.serving_order(domain):
        if is_wanted(device) and (wants(device, board) or _asks_anyway(device)):
            yield device


def _asks_anyway(device: Device) -> bool:
    """What libvirt tries to place although nothing can take it, which makes it refuse the document."""
    return text(device, "model") == "usb-net" or text(device, "type") in ("xenbus", "isa")


def _take(domain: Domain, buses: Buses, device: Device, board: Board, *, dry: bool = False) -> None:
    flags = wants(device, board)
    if isinstance(device, Controller) and device.type == "usb" and device.model in USB2:
        _take_companion(domain, buses, device, flags, dry)
        return
    address = buses.next_free(flags)
    if not dry:
        if isinstance(device.address, PciAddress):
            address.zpci_uid, address.zpci_fid = device.address.zpci_uid, device.address.zpci_fid
        device.address = address


def _take_companion(domain: Domain, buses: Buses, device: Controller, flags: int, dry: bool) -> None:
    """The parts of one USB 2 controller share a slot."""
    function = USB2[device.model or ""]
    multi = True if device.model == "ich9-uhci1" else None
    sibling = next((cont.address for cont in controllers(domain, "usb") if cont.model in USB2
                    and cont.index == device.index and is_present(cont)), None)
    if isinstance(sibling, PciAddress):
        address = PciAddress(domain=sibling.domain, bus=sibling.bus, slot=sibling.slot, function=function)
        buses.reserve(address, flags)
    else:
        address = buses.next_free(flags, function)
    address.multifunction = multi
    if not dry or sibling is not None:
        device.address = address


def _set_multifunction(domain: Domain) -> None:
    """Function 0 of a slot that others share says so."""
    zeros: dict[tuple[int, ...], list[PciAddress]] = {}
    shared: set[tuple[int, ...]] = set()
    for device in topology.pci_devices(domain):
        address = device.address
        if not isinstance(address, PciAddress) or is_empty(address):
            continue
        if address.function:
            shared.add(address.place[:3])
        elif address.multifunction is None:
            zeros.setdefault(address.place[:3], []).append(address)
    for slot in shared:
        for address in zeros.get(slot, ()):
            address.multifunction = True
