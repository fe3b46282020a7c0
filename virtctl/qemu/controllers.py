"""Controllers and hubs on QEMU's command line; those that the machine brings along need no option."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value
from virtctl.domain.devices import Devices
from virtctl.domain.devices.controller import Controller
from virtctl.domain.devices.device import Device
from virtctl.domain.devices.hub import Hub
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.board import is_q35
from virtctl.qemu.build import builds, device_opt
from virtctl.qemu.plan import Plan

PCI_DRIVERS = {"pci-bridge": "pci-bridge", "dmi-to-pci-bridge": "i82801b11-bridge",
               "pcie-to-pci-bridge": "pcie-pci-bridge", "pcie-root-port": "pcie-root-port",
               "pcie-switch-upstream-port": "x3130-upstream", "pcie-switch-downstream-port": "xio3130-downstream",
               "pci-expander-bus": "pxb", "pcie-expander-bus": "pxb-pcie"}
USB_DRIVERS = {"piix3-uhci": "piix3-usb-uhci", "piix4-uhci": "piix4-usb-uhci", "ehci": "usb-ehci",
               "ich9-ehci1": "ich9-usb-ehci1", "ich9-uhci1": "ich9-usb-uhci1", "ich9-uhci2": "ich9-usb-uhci2",
               "ich9-uhci3": "ich9-usb-uhci3", "vt82c686b-uhci": "vt82c686b-usb-uhci", "pci-ohci": "pci-ohci",
               "nec-xhci": "nec-usb-xhci", "qemu-xhci": "qemu-xhci"}
SCSI_DRIVERS = {"lsilogic": "lsi", "lsisas1068": "mptsas1068", "lsisas1078": "megasas", "vmpvscsi": "pvscsi",
                "am53c974": "am53c974", "dc390": "dc390"}


def virtio_name(base: str, model: str | None) -> str:
    """`virtio-blk-pci`, or its transitional or non-transitional variant."""
    variant = (model or "").removeprefix("virtio")
    return f"{base}-pci{variant if variant in ('-transitional', '-non-transitional') else ''}"


def virtio_props(device: Device) -> list[tuple[str, Value]]:
    """The options all virtio cards share, where the class declares them."""
    names = (("iommu_platform", "iommu"), ("ats", "ats"), ("packed", "packed"), ("page-per-vq", "page_per_vq"))
    return [(prop, getattr(device, name, None)) for prop, name in names]


def _pci(controller: Controller, plan: Plan) -> Iterator[Opt]:
    model = controller.model or ""
    if model in ("pci-root", "pcie-root"):
        if controller.pcihole64 is not None:
            bridge = "q35-pcihost" if model == "pcie-root" else "i440FX-pcihost"
            yield Opt("global", f"{bridge}.pci-hole64-size={controller.pcihole64}K")
        return
    driver = controller.model_name or PCI_DRIVERS.get(model)
    if driver is None:
        raise UnsupportedConfig(f"PCI controller model '{model}' is not supported")
    yield device_opt(driver, controller, plan, [
        ("chassis_nr", controller.chassis_nr), ("port", controller.port), ("chassis", controller.chassis),
        ("bus_nr", controller.bus_nr), ("numa_node", controller.node), ("hotplug", controller.hotplug)])


def _usb(controller: Controller, plan: Plan) -> Iterator[Opt]:
    model = controller.model or "piix3-uhci"
    if model == "none":
        return
    if model not in USB_DRIVERS:
        raise UnsupportedConfig(f"USB controller model '{model}' is not supported")
    pairs: list[tuple[str, Value]] = []
    if model in ("nec-xhci", "qemu-xhci"):
        pairs = [("p2", controller.ports), ("p3", controller.ports)]
    elif controller.master is not None:
        pairs = [("masterbus", f"{controller.id}.0"), ("firstport", controller.master)]
    yield _companion(controller, plan, USB_DRIVERS[model], pairs)


def _companion(controller: Controller, plan: Plan, driver: str, pairs: list[tuple[str, Value]]) -> Opt:
    """Companions share the alias of their master, which QEMU would refuse twice: they go without an id."""
    option = device_opt(driver, controller, plan, pairs)
    if controller.master is None or option.value is None:
        return option
    return Opt("device", option.value.replace(f",id={controller.id}", "", 1))


def _scsi(controller: Controller, plan: Plan) -> Iterator[Opt]:
    model = controller.model or "lsilogic"
    if model.startswith("virtio"):
        iothread = f"iothread{controller.iothread}" if controller.iothread is not None else None
        yield device_opt(virtio_name("virtio-scsi", model), controller, plan, [
            ("iothread", iothread), *virtio_props(controller), ("num_queues", controller.queues),
            ("cmd_per_lun", controller.cmd_per_lun), ("max_sectors", controller.max_sectors),
            ("ioeventfd", controller.ioeventfd)])
        return
    if model not in SCSI_DRIVERS:
        raise UnsupportedConfig(f"SCSI controller model '{model}' is not supported")
    yield device_opt(SCSI_DRIVERS[model], controller, plan)


def _sata(controller: Controller, plan: Plan) -> Iterator[Opt]:
    if not (is_q35(plan.domain) and not controller.index):
        yield device_opt("ahci", controller, plan)


def _virtio_serial(controller: Controller, plan: Plan) -> Iterator[Opt]:
    yield device_opt(virtio_name("virtio-serial", controller.model), controller, plan, [
        ("max_ports", controller.ports), ("vectors", controller.vectors), *virtio_props(controller)])


def _fdc(controller: Controller, plan: Plan) -> Iterator[Opt]:
    """Part of the machine, or made beside its drives: see `disks.floppy_controller`."""
    yield from ()


def _ide(controller: Controller, plan: Plan) -> Iterator[Opt]:
    if controller.index:
        raise UnsupportedConfig("Only a single IDE controller is supported for this machine type")
    yield from ()


def _ccid(controller: Controller, plan: Plan) -> Iterator[Opt]:
    yield device_opt("usb-ccid", controller, plan)


_KINDS = {"pci": _pci, "usb": _usb, "scsi": _scsi, "sata": _sata, "virtio-serial": _virtio_serial, "fdc": _fdc,
          "ide": _ide, "ccid": _ccid}
_ORDER = list(_KINDS)


def controller_options(plan: Plan, *, ccid: bool = False) -> list[Opt]:
    """All controllers: PCI ones first and by index, for each bus must exist before what is plugged into it.

    `ccid`: those of smart cards instead, which may stand behind a USB hub.
    """
    found = [one for one in (plan.domain.devices or Devices()).all(Controller) if (one.type == "ccid") == ccid]
    found.sort(key=lambda one: (_ORDER.index(one.type) if one.type in _ORDER else 99, one.index or 0))
    out: list[Opt] = []
    for controller in found:
        out += build_controller(controller, plan)
    return out


@builds(Controller)
def build_controller(controller: Controller, plan: Plan) -> Iterator[Opt]:
    """One controller."""
    kind = _KINDS.get(controller.type)
    if kind is None:
        raise UnsupportedConfig(f"controller type '{controller.type}' is not supported")
    return kind(controller, plan)


@builds(Hub)
def build_hub(hub: Hub, plan: Plan) -> Iterator[Opt]:
    """A USB hub."""
    yield device_opt("usb-hub", hub, plan)


__all__ = ["build_controller", "build_hub", "controller_options", "virtio_name", "virtio_props"]
