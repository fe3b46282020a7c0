"""A guest as a domain document, in the order and with the words that libvirt writes for Xen."""

from __future__ import annotations

from typing import NamedTuple

from virtctl.schema.node import Node
from virtctl.xen.devices import add_devices
from virtctl.xen.guest import Guest, Timer

_NAMESPACE = "http://libvirt.org/schemas/domain/xen/1.0"
_MACHINES = {"linux": "xenpv", "hvm": "xenfv", "xenpvh": "xenpvh"}
_FEATURES = ("acpi", "apic", "pae", "hap", "viridian")
_WITH_STATE = ("hap",)


class Style(NamedTuple):
    """What differs between libvirt's documents for xend and those for xl: the former are of an older libvirt."""

    xend: bool

    @property
    def card_vram(self) -> int:
        """KiB of an emulated card's memory, where nothing says how much."""
        return 16384 if self.xend else 8192


XEND = Style(xend=True)
XL = Style(xend=False)


def _text(parent: Node, tag: str, text: str | None) -> None:
    if text is not None:
        parent.add(tag, text=text)


def write_document(guest: Guest, style: Style) -> Node:
    """The document of a guest."""
    root = Node("domain", {"type": "xen"})
    if guest.domid is not None:
        root.attrs["id"] = str(guest.domid)
    if guest.device_model_args:
        root.attrs["xmlns:xen"] = _NAMESPACE
    root.add("name", text=guest.name)
    root.add("uuid", text=guest.uuid)
    _text(root, "description", guest.description)
    root.add("memory", {"unit": "KiB"}, str(guest.memory))
    root.add("currentMemory", {"unit": "KiB"}, str(guest.current_memory))
    root.add("vcpu", {"placement": "static", "cpuset": guest.cpuset,
                      "current": None if guest.online is None else str(guest.online)}, str(guest.vcpus))
    add_pins(root, guest)
    _text(root, "bootloader", guest.bootloader)
    _text(root, "bootloader_args", guest.bootloader_args)
    _add_os(root, guest, style)
    _add_features(root, guest)
    _add_cpu(root, guest)
    add_clock(root, guest, guest.timers)
    root.add("on_poweroff", text=guest.on_poweroff)
    root.add("on_reboot", text=guest.on_reboot)
    root.add("on_crash", text=guest.on_crash)
    add_devices(root.add("devices"), guest, style.xend, style.card_vram)
    if guest.device_model_args:
        line = root.add("xen:commandline")
        for word in guest.device_model_args:
            line.add("xen:arg", {"value": word})
    return root


def add_pins(root: Node, guest: Guest) -> None:
    """Where the processors may run."""
    pins = [(number, cpus) for number, cpus in enumerate(guest.pins[:guest.vcpus]) if cpus is not None]
    tune = root.add("cputune") if pins else root
    for number, cpus in pins:
        tune.add("vcpupin", {"vcpu": str(number), "cpuset": cpus})


def _add_os(root: Node, guest: Guest, style: Style) -> None:
    os = root.add("os")
    where = {} if style.xend else {"arch": "x86_64", "machine": _MACHINES[guest.kind]}
    os.add("type", where, guest.kind)
    if guest.loader is not None:
        os.add("loader", {"readonly": "yes", "type": "pflash"} if guest.flash else {"type": "rom"}, guest.loader)
    for tag, text in (("kernel", guest.kernel), ("initrd", guest.initrd), ("cmdline", guest.cmdline),
                      ("root", guest.root)):
        _text(os, tag, text)
    if guest.acpi_table is not None:
        os.add("acpi").add("table", {"type": "slic"}, guest.acpi_table)
    for device in guest.boot:
        os.add("boot", {"dev": device})


def _add_features(root: Node, guest: Guest) -> None:
    features = Node("features")
    for name in _FEATURES:
        state = guest.features.get(name)
        if name in _WITH_STATE and state is not None:
            features.add(name, {"state": "on" if state else "off"})
        elif state:
            features.add(name)
    if guest.e820_host is not None or guest.passthrough is not None:
        xen = features.add("xen")
        if guest.e820_host is not None:
            xen.add("e820_host", {"state": "on" if guest.e820_host else "off"})
        if guest.passthrough is not None:
            mode = guest.passthrough
            xen.add("passthrough", {"state": "off" if mode == "disabled" else "on",
                                    "mode": mode if mode.endswith("_pt") else None})
    if features.children:
        root.children.append(features)


def _add_cpu(root: Node, guest: Guest) -> None:
    if not guest.host_cpu and not guest.cells:
        return
    cpu = root.add("cpu", {"mode": "host-passthrough" if guest.host_cpu else None})
    for policy, name in guest.cpu_features:
        cpu.add("feature", {"policy": policy, "name": name})
    add_numa(cpu, guest)


def add_numa(cpu: Node, guest: Guest) -> None:
    """The guest's NUMA nodes."""
    if not guest.cells:
        return
    numa = cpu.add("numa")
    for index, cell in enumerate(guest.cells):
        node = numa.add("cell", {"id": str(index), "cpus": cell.cpus, "memory": str(cell.memory), "unit": "KiB"})
        if cell.distances:
            distances = node.add("distances")
            for to, value in cell.distances:
                distances.add("sibling", {"id": str(to), "value": str(value)})


def add_clock(root: Node, guest: Guest, timers: list[Timer]) -> None:
    """The clock, with those timers."""
    base = "localtime" if guest.localtime else "utc"
    if guest.hvm:
        clock = root.add("clock", {"offset": "variable", "adjustment": str(guest.clock_offset), "basis": base})
    else:
        # A paravirtual guest has no clock chip whose setting could outlive it.
        clock = root.add("clock", {"offset": base, "adjustment": "reset"})
    for timer in timers:
        present = None if timer.present is None else "yes" if timer.present else "no"
        clock.add("timer", {"name": timer.name, "present": present, "mode": timer.mode})
