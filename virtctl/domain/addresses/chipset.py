"""What the board itself puts on its root bus: PIIX3 on i440fx, ICH9 on q35, and the first graphics card."""

from __future__ import annotations

from virtctl.domain.addresses.buses import Buses
from virtctl.domain.addresses.connect import ENDPOINT, PCI, Connect
from virtctl.domain.addresses.places import is_present, is_wanted
from virtctl.domain.addresses.wants import Board, wants
from virtctl.domain.controllers import all_controllers
from virtctl.domain.devices.address import PciAddress
from virtctl.domain.devices.controller import Controller
from virtctl.domain.devices.sound import Sound
from virtctl.domain.devices.video import Video
from virtctl.domain.domain import Domain
from virtctl.domain.machine import is_i440fx, machine_of
from virtctl.errors import InternalError


def reserve_chipset(domain: Domain, buses: Buses, board: Board) -> None:
    """Takes the board's own slots and places what belongs there."""
    if board.express:
        _reserve_ich9(domain, buses, board)
    elif is_i440fx(machine_of(domain)):
        _reserve_piix3(domain, buses, board)


def _reserve_piix3(domain: Domain, buses: Buses, board: Board) -> None:
    """ISA bridge and ACPI are functions 0 and 3 of slot 1, IDE and USB functions 1 and 2 where there are any."""
    for cont in all_controllers(domain):
        if cont.index != 0:
            continue
        if cont.type == "ide":
            _pin(buses, cont, 1, 1, "Primary IDE controller must have PCI address 0:0:1.1")
        elif cont.type == "usb" and cont.model in (None, "piix3-uhci"):
            _pin(buses, cont, 1, 2, "PIIX3 USB controller at index 0 must have PCI address 0:0:1.2")
    for function in (0, 3):
        buses.reserve(PciAddress(slot=1, function=function), Connect.PCI_DEVICE)
    _reserve_video(domain, buses, board, slot=2)


def _pin(buses: Buses, cont: Controller, slot: int, function: int, refusal: str) -> None:
    if not is_present(cont):
        cont.address = PciAddress(slot=slot, function=function)
        buses.reserve(cont.address, ENDPOINT)
    elif isinstance(cont.address, PciAddress) and cont.address.place != (0, 0, slot, function):
        raise InternalError(refusal)


def _reserve_ich9(domain: Domain, buses: Buses, board: Board) -> None:
    """LPC, SATA and SMBus are in slot 0x1f; USB 2 and the DMI bridge have customary slots."""
    for cont in all_controllers(domain):
        if cont.type == "sata" and cont.index == 0:
            _pin(buses, cont, 0x1F, 2, "Primary SATA controller must have PCI address 0:0:1f.2")
        elif cont.type == "usb" and cont.model == "ich9-uhci1" and is_wanted(cont):
            _prefer(cont, buses, board, (0x1D, 0x1A), multifunction=True)
        elif cont.type == "pci" and cont.model == "dmi-to-pci-bridge" and is_wanted(cont):
            _prefer(cont, buses, board, (0x1E,))
    _prefer_sound(domain, buses)
    for function in (0, 3):
        buses.reserve(PciAddress(slot=0x1F, function=function), Connect.PCIE_DEVICE)
    _reserve_video(domain, buses, board, slot=1)


def _prefer_sound(domain: Domain, buses: Buses) -> None:
    """The first ICH9 sound card has a customary slot too."""
    for card in domain.devices.all(Sound) if domain.devices else ():
        if card.model == "ich9" and is_wanted(card) and not buses.in_use(0, 0x1B):
            card.address = PciAddress(slot=0x1B)
            buses.reserve(PciAddress(slot=0x1B), PCI)


def _prefer(cont: Controller, buses: Buses, board: Board, slots: tuple[int, ...], *,
            multifunction: bool | None = None) -> None:
    for slot in slots:
        if not buses.in_use(0, slot):
            address = PciAddress(slot=slot, multifunction=multifunction)
            buses.reserve(address, wants(cont, board))
            cont.address = address
            return


def _reserve_video(domain: Domain, buses: Buses, board: Board, slot: int) -> None:
    """The first graphics card goes to its customary slot when that is free."""
    videos = domain.devices.all(Video) if domain.devices else []
    if not videos or videos[0].type in ("none", "ramfb") or not is_wanted(videos[0]):
        return
    primary = videos[0]
    address = PciAddress(slot=slot)
    buses.validate(address, ENDPOINT, str(address))
    if buses.in_use(0, slot):
        primary.address = buses.next_free(wants(primary, board))
    else:
        buses.reserve(address, ENDPOINT)
        primary.address = address
