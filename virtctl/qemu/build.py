"""Plan to QEMU options, pure. The ladder: marks in the class, then a function registered with `@builds`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TypeVar

from virtctl.argv import Opt, Value, argv, props
from virtctl.domain.devices import Devices
from virtctl.domain.devices.address import (
    CcidAddress,
    DriveAddress,
    IsaAddress,
    PciAddress,
    UsbAddress,
    VirtioSerialAddress,
)
from virtctl.domain.devices.device import Device
from virtctl.domain.domain import Domain
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.plan import Plan
from virtctl.schema.element import Element, Field
from virtctl.schema.marks import Driver, Prop

D = TypeVar("D", bound=Device)
_SWITCHES = {"true": "on", "false": "off"}
Builder = Callable[[D, Plan], Iterable[Opt]]
_BUILDERS: dict[str, Callable[[Device, Plan], Iterable[Opt]]] = {}

# libvirt's order on the command line; devices whose place decides guest-visible numbering keep theirs by address.
ORDER = ("iommu", "controller", "memory", "hub", "disk", "filesystem", "interface", "smartcard", "serial", "parallel",
         "channel", "console", "tpm", "input", "audio", "graphics", "video", "sound", "watchdog", "redirdev", "hostdev",
         "memballoon", "rng", "nvram", "panic", "shmem", "vsock", "crypto")
MODULES = ("controllers", "disks", "nics", "chardevs", "sounds", "displays", "tpms", "small_devices", "passthrough")


def builds(kind: type[D]) -> Callable[[Callable[[D, Plan], Iterable[Opt]]], Callable[[D, Plan], Iterable[Opt]]]:
    """Registers the function that builds devices of one class."""
    def register(function: Callable[[D, Plan], Iterable[Opt]]) -> Callable[[D, Plan], Iterable[Opt]]:
        def call(device: Device, plan: Plan) -> Iterable[Opt]:
            if not isinstance(device, kind):
                raise TypeError(f"{kind.__name__} builder got {type(device).__name__}")
            return function(device, plan)
        _BUILDERS[kind.tag] = call
        return function
    return register


def pci_bus(plan: Plan, index: int) -> str:
    """QEMU's name of the bus behind the PCI controller `index`."""
    from virtctl.domain.devices.controller import Controller

    for controller in (plan.domain.devices or Devices()).all(Controller):
        if controller.type == "pci" and (controller.index or 0) == index:
            return controller.id or f"pci.{index}"
    return f"pci.{index}"


def controller_id(plan: Plan, kind: str, index: int) -> str:
    """The alias of the controller that carries a bus."""
    from virtctl.domain.devices.controller import Controller

    for controller in (plan.domain.devices or Devices()).all(Controller):
        if controller.type == kind and (controller.index or 0) == index:
            return controller.id or f"{kind}{index}"
    return f"{kind}{index}"


def _hex(value: int) -> str:
    return f"0x{value:x}"


def address_props(device: Device, plan: Plan) -> list[tuple[str, Value]]:
    """`bus=...,addr=...` and their kin for the device's address."""
    address = device.address
    if isinstance(address, PciAddress):
        spot = _hex(address.slot) + (f".{_hex(address.function)}" if address.function else "")
        multi: Value = address.multifunction
        return [("bus", pci_bus(plan, address.bus)), ("multifunction", multi), ("addr", spot),
                ("acpi-index", device.acpi_index)]
    if isinstance(address, UsbAddress):
        return [("bus", f"{controller_id(plan, 'usb', address.bus)}.0"), ("port", address.port)]
    if isinstance(address, VirtioSerialAddress):
        bus = f"{controller_id(plan, 'virtio-serial', address.controller)}.{address.bus}"
        return [("bus", bus), ("nr", address.port)]
    if isinstance(address, CcidAddress):
        return [("bus", f"{controller_id(plan, 'ccid', address.controller)}.0")]
    if isinstance(address, IsaAddress):
        return [("iobase", _hex(address.iobase) if address.iobase is not None else None),
                ("irq", _hex(address.irq) if address.irq is not None else None)]
    if isinstance(address, DriveAddress) or address is None:
        return []
    return []


def _boot_index(device: Device, plan: Plan) -> int | None:
    return device.boot.order if device.boot else plan.boot_order.get(device.id)


def common_props(device: Device, plan: Plan) -> list[tuple[str, Value]]:
    """Boot index and option ROM, for every kind of device that has them."""
    found: list[tuple[str, Value]] = [("bootindex", _boot_index(device, plan))]
    if device.rom is not None:
        if device.rom.enabled is False:
            found.append(("romfile", ""))
        else:
            found += [("rombar", None if device.rom.bar is None else int(device.rom.bar)), ("romfile", device.rom.file)]
    return found


def device_opt(driver: str, device: Device, plan: Plan, pairs: Iterable[tuple[str, Value]] = ()) -> Opt:
    """`-device driver,id=...,...,bus=...,addr=...`."""
    everything = [("id", device.id), *pairs, *common_props(device, plan), *address_props(device, plan)]
    return Opt("device", props(driver, overridden(device.id, everything, plan)))


def overridden(alias: str, pairs: list[tuple[str, Value]], plan: Plan) -> list[tuple[str, Value]]:
    """The properties as `<qemu:override>` leaves them."""
    override = plan.domain.override
    for one in override.devices if override is not None else ():
        if one.alias == alias:
            for change in one.properties:
                pairs = [pair for pair in pairs if pair[0] != change.name]
                if change.type != "remove":
                    pairs.append((change.name, _SWITCHES.get(change.value or "", change.value)
                                  if change.type == "bool" else change.value))
    return pairs


def marked(element: Element) -> tuple[str | None, list[tuple[str, Value]]]:
    """What the marks of a class say: the driver, and the properties in the order of declaration."""
    driver: str | None = None
    pairs: list[tuple[str, Value]] = []
    for declared in element.fields:
        if not isinstance(declared, Field):
            continue
        value = getattr(element, declared.name)
        if isinstance(declared.qemu, Driver):
            driver = declared.qemu.drivers.get(str(value))
            if driver is None:
                what = f"{element.tag} {declared.path} '{value}'"
                raise UnsupportedConfig(f"{what} is not supported with this QEMU binary")
        elif isinstance(declared.qemu, Prop) and value is not None:
            pairs.append((declared.qemu.name, value))
    return driver, pairs


def build_device(device: Device, plan: Plan) -> list[Opt]:
    """The options of one device."""
    if device.id in plan.omitted:
        return []
    builder = _BUILDERS.get(device.tag)
    if builder is not None:
        return list(builder(device, plan))
    driver, pairs = marked(device)
    if driver is None:
        raise UnsupportedConfig(f"<{device.tag}> is not supported by this version of virtctl at start",
                                hint=f"remove domain/devices/{device.tag} to start the guest")
    return [device_opt(driver, device, plan, pairs)]


def build(plan: Plan) -> list[Opt]:
    """All options, in libvirt's order."""
    for module in MODULES:
        import_module(f"virtctl.qemu.{module}")
    from virtctl.qemu.controllers import controller_options
    from virtctl.qemu.disks import floppy_controller
    from virtctl.qemu.hot_processors import hot_processors
    from virtctl.qemu.machine import closing_options, machine_options

    options = [*machine_options(plan), *hot_processors(plan.domain)]
    devices = plan.domain.devices or Devices()
    for tag in ORDER:
        if tag == "controller":
            options += controller_options(plan)
            continue
        if tag == "panic" and plan.domain.features is not None and plan.domain.features.vmcoreinfo:
            options.append(Opt("device", "vmcoreinfo"))
        if tag == "disk":
            options += [*controller_options(plan, ccid=True), *floppy_controller(plan)]
        for device in devices.by_tag.get(tag, []):
            options += build_device(device, plan)
    return options + closing_options(plan)


def build_argv(plan: Plan) -> list[str]:
    """The command line; what `<qemu:commandline>` says comes last, as it stands."""
    from virtctl.qemu.machine import passthrough_words

    return argv(plan.emulator, build(plan)) + passthrough_words(plan.domain)


def environment(domain: Domain) -> dict[str, str]:
    """What QEMU's environment says beside the usual: of sound, of windows, of `<qemu:commandline>`."""
    from virtctl.domain.devices.graphics import Graphics
    from virtctl.qemu.sounds import sound_environment

    devices = domain.devices or Devices()
    found = sound_environment(devices)
    for window in devices.all(Graphics):
        if window.type == "sdl":
            places = (("DISPLAY", window.display), ("XAUTHORITY", window.xauth))
            found |= {name: value for name, value in places if value}
    if domain.commandline is not None:
        found |= {one.name: one.value or "" for one in domain.commandline.envs}
    return found
