"""The controllers and devices that every guest of a board has, and models that the document leaves open."""

from __future__ import annotations

from virtctl.domain.addresses.topology import tagged
from virtctl.domain.addresses.wants import text
from virtctl.domain.controllers import (
    MOST,
    add_controller,
    add_up_to,
    all_controllers,
    controllers,
    find_controller,
    maybe_add_controller,
    sort_controllers,
)
from virtctl.domain.controllers import assign_indexes as number
from virtctl.domain.devices.address import DriveAddress
from virtctl.domain.devices.controller import Controller
from virtctl.domain.devices.input import Input
from virtctl.domain.devices.memballoon import Memballoon
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.machine import is_i440fx, is_q35, machine_of
from virtctl.errors import UnsupportedConfig, VirtctlError, XmlError


def number_controllers(domain: Domain, host: Host) -> None:
    """The controllers in libvirt's order, those that SCSI host devices need behind them, each with an index."""
    sort_controllers(domain)
    add_hostdev_controllers(domain)
    number(domain)


MAX_PCI = 255
WITHOUT_USB = {
    ("input", "bus", "usb"): "Can't add USB input device. USB bus is disabled",
    ("hostdev", "type", "usb"): "Can't add host USB device: USB is disabled in this host",
    ("hub", "type", "usb"): "Can't add USB hub: USB is disabled for this domain",
}


def check_usb(domain: Domain, host: Host) -> None:
    """USB is either there or switched off, and companions need a master."""
    found = controllers(domain, "usb")
    if len(found) > 1 and any(cont.model == "none" for cont in found):
        raise VirtctlError("Can't add another USB controller: USB is disabled for this domain")
    if found and all(cont.master is not None for cont in found):
        raise VirtctlError("No master USB controller specified")
    if found and found[0].model == "none":
        for (tag, field, value), message in WITHOUT_USB.items():
            if any(text(device, field) == value for device in tagged(domain, tag)):
                raise UnsupportedConfig(message)


def add_hostdev_controllers(domain: Domain) -> None:
    """Controllers for SCSI host devices, of the model of those that are there."""
    wanted = [one.address.controller if isinstance(one.address, DriveAddress) else 0
              for one in tagged(domain, "hostdev") if text(one, "type") == "scsi"]
    model = next((cont.model for cont in controllers(domain, "scsi") if cont.index in wanted and cont.model), None)
    add_up_to(domain, "scsi", max(wanted, default=-1), model)


def reject_duplicates(domain: Domain, host: Host) -> None:
    """No two controllers of one type and index, but for the parts of a USB controller."""
    seen: set[tuple[str, int | None]] = set()
    for cont in all_controllers(domain):
        if cont.type == "usb":
            continue
        if (cont.type, cont.index) in seen:
            raise XmlError(f"Multiple '{cont.type}' controllers with index '{cont.index}'")
        seen.add((cont.type, cont.index))


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
                       f"but model='{root.model or '(null)'}' was found instead")


def controller_models(domain: Domain, host: Host) -> None:
    """The models that the document leaves open."""
    for cont in all_controllers(domain):
        complete_model(cont)
        if cont.type == "pci":
            _check_pci(domain, cont)


def _check_pci(domain: Domain, cont: Controller) -> None:
    machine = machine_of(domain)
    if (cont.index or 0) > MOST:
        raise UnsupportedConfig(f"PCI controller index {cont.index} too high, maximum is {MAX_PCI}")
    if cont.model in ("pci-root", "pcie-root") and cont.index != 0:
        raise XmlError("pci-root and pcie-root controllers should have index 0")
    if cont.model == "pci-expander-bus" and not is_i440fx(machine):
        raise UnsupportedConfig("pci-expander-bus controllers are only supported on 440fx-based machinetypes")
    if cont.model == "pcie-expander-bus" and not is_q35(machine):
        raise UnsupportedConfig("pcie-expander-bus controllers are not supported with this machine type")
    cells = domain.cpu.numa.cells if domain.cpu and domain.cpu.numa else []
    if cont.node is not None and cont.node >= len(cells):
        raise XmlError(f"{cont.model} with index {cont.index} is configured for a NUMA node ({cont.node}) "
                       f"not present in the domain's <cpu><numa> array ({len(cells)})")


def complete_model(cont: Controller) -> None:
    """The model of one controller."""
    if cont.model is None or cont.model == "auto":
        cont.model = {"usb": "piix3-uhci", "scsi": "lsilogic"}.get(cont.type)


BOOTABLE = ("disk", "interface", "hostdev", "redirdev", "filesystem")
WITH_ROM = ("interface", "hostdev")


def drop_unread(domain: Domain, host: Host) -> None:
    """A boot order or ROM where libvirt does not look for one."""
    for device in domain.devices or ():
        if device.tag not in BOOTABLE:
            device.boot = None
        if device.tag not in WITH_ROM:
            device.rom = None
