"""PCI controllers: which options each model has, and in what range."""

from __future__ import annotations

from virtctl.domain.addresses.topology import MODEL_NAMES
from virtctl.domain.defaults.controllers import MAX_PCI
from virtctl.domain.devices.controller import Controller
from virtctl.domain.domain import Domain
from virtctl.errors import UnsupportedConfig

ROOTS = ("pci-root", "pcie-root")
PORTS = ("pcie-root-port", "pcie-switch-downstream-port")
EXPANDERS = ("pci-expander-bus", "pcie-expander-bus")
RANGES = {"chassis_nr": ("chassisNr", 1, 255), "chassis": ("chassis", 0, 255), "port": ("port", 0, 255),
          "bus_nr": ("busNr", 1, 254)}
# The options, with the models that have them, in libvirt's order.
OPTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("target_index", "targetIndex", ()),
    ("bus_nr", "busNr", EXPANDERS),
    ("node", "numaNode", EXPANDERS),
    ("chassis_nr", "chassisNr", ("pci-bridge",)),
    ("chassis", "chassis", PORTS),
    ("port", "port", PORTS),
    ("hotplug", "hotplug", ("pci-root", *PORTS)),
)
OTHER_NAMES = {"pcie-root-port": ("ioh3420",)}


def check_pci_controller(domain: Domain, cont: Controller) -> None:
    """One controller."""
    if (cont.index or 0) > MAX_PCI:
        raise UnsupportedConfig(f"PCI controller index {cont.index} too high, maximum is {MAX_PCI}")
    for field, (name, low, high) in RANGES.items():
        value = getattr(cont, field)
        if value is not None and not low <= value <= high:
            raise UnsupportedConfig(f"PCI controller {name} '{value}' out of range - must be {low}-{high}")
    model = cont.model or ""
    if model in ROOTS and cont.address is not None:
        raise UnsupportedConfig("pci-root and pcie-root controllers should not have an address")
    where = (f"for PCI controller with index '{cont.index}', model '{model}' and modelName "
             f"'{cont.model_name or 'none'}'")
    if cont.model_name is not None and cont.model_name not in (MODEL_NAMES.get(model), *OTHER_NAMES.get(model, ())):
        verb = "is not valid" if model in ROOTS else "has invalid value"
        raise UnsupportedConfig(f"Option 'modelName' {verb} {where}")
    for field, name, models in OPTIONS:
        if getattr(cont, field) is not None and model not in models:
            raise UnsupportedConfig(f"Option '{name}' is not valid {where}")
