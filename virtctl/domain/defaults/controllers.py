"""The controllers and devices that every guest of a board has, and models that the document leaves open."""

from __future__ import annotations

from virtctl.domain.controllers import (
    add_controller,
    all_controllers,
    find_controller,
    maybe_add_controller,
    sort_controllers,
)
from virtctl.domain.controllers import assign_indexes as number
from virtctl.domain.devices.controller import Controller
from virtctl.domain.devices.input import Input
from virtctl.domain.devices.memballoon import Memballoon
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.machine import is_i440fx, is_q35, machine_of
from virtctl.errors import XmlError

__all__ = ["add_default_devices", "controller_models", "number_controllers"]


def number_controllers(domain: Domain, host: Host) -> None:
    """The controllers in libvirt's order, each with an index."""
    sort_controllers(domain)
    number(domain)


def add_default_devices(domain: Domain, host: Host) -> None:
    """Mouse, keyboard, USB, the root bus, SATA on q35, and the memory balloon."""
    if domain.devices is None:
        return
    for kind in ("mouse", "keyboard"):
        _add_input(domain, kind)
    machine = machine_of(domain)
    express = is_q35(machine)
    if machine != "isapc":
        maybe_add_controller(domain, "usb", 0, "qemu-xhci" if express else None)
    if express:
        maybe_add_controller(domain, "sata", 0)
    if express or is_i440fx(machine):
        _add_root(domain, "pcie-root" if express else "pci-root")
    balloons = domain.devices.all(Memballoon)
    if not balloons:
        balloons.append(Memballoon(model="virtio"))


def _add_input(domain: Domain, kind: str) -> None:
    inputs = domain.devices.all(Input) if domain.devices else []
    if not any(one.type == kind and one.bus == "ps2" for one in inputs):
        inputs.append(Input(type=kind, bus="ps2"))


def _add_root(domain: Domain, model: str) -> None:
    root = find_controller(domain, "pci", 0)
    if root is None:
        add_controller(domain, "pci", 0, model)
    elif root.model != model:
        raise XmlError(f"The PCI controller with index='0' must be model='{model}' for this machine type, "
                       f"but model='{root.model}' was found instead")


def controller_models(domain: Domain, host: Host) -> None:
    """The models that the document leaves open."""
    for cont in all_controllers(domain):
        complete_model(cont)


def complete_model(cont: Controller) -> None:
    """The model of one controller."""
    if cont.model is None or cont.model == "auto":
        cont.model = {"usb": "piix3-uhci", "scsi": "lsilogic"}.get(cont.type)
