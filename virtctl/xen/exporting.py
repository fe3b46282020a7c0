"""The way back: a document of a KVM guest rewritten for Xen, so that it can be said in a native form.

Only what has a counterpart is rewritten, and what merely carries a QEMU machine (controllers, addresses) is left to
Xen. Anything else stays as it is, to be refused by its path when the document is read.
"""

from __future__ import annotations

from virtctl.schema.node import Node
from virtctl.xen.disks import index_of
from virtctl.xen.guest import HVMLOADER, OVMF

TYPES = ("kvm", "qemu")
_CARRIERS = ("pci", "ide", "sata", "scsi", "fdc", "usb", "virtio-serial")
_CARDS = ("cirrus", "vga", "qxl", "none")
_TIMERS = ("hpet", "tsc")
_FEATURES = ("acpi", "apic", "pae", "hap", "viridian", "hyperv")
_QEMUS_OWN = ("pm", "seclabel", "resource", "sysinfo", "genid")
_DRIVER_KEPT = ("name", "type", "discard")


def as_xen(domain: Node, notes: list[str]) -> Node:
    """A copy of the document for Xen; what it lost is said in `notes`."""
    root = _copy(domain)
    root.attrs = {"type": "xen"}
    devices = root.find("devices")
    order = _boot_order(devices, notes) if devices is not None else []
    _rewrite_os(root, order, notes)
    _rewrite_features(root, notes)
    _rewrite_cpu(root, notes)
    _rewrite_clock(root, notes)
    _drop(root, _QEMUS_OWN, "domain", notes)
    if devices is not None:
        _rewrite_devices(devices, notes)
    return root


def _copy(node: Node) -> Node:
    twin = Node(node.tag, node.attrs, node.text, node.line)
    twin.raw = node.raw
    twin.children = [_copy(child) for child in node.children]
    return twin


def _drop(node: Node, tags: tuple[str, ...], path: str, notes: list[str]) -> None:
    for tag in dict.fromkeys(child.tag for child in node.children if child.tag in tags):
        notes.append(f"{path}/{tag} is QEMU's and left out")
    node.children = [child for child in node.children if child.tag not in tags]


def _boot_order(devices: Node, notes: list[str]) -> list[str]:
    """The boot devices that the orders of single devices amount to; the orders are taken away."""
    found = []
    for device in devices.children:
        boot = device.find("boot")
        order = None if boot is None else boot.attrs.get("order", "")
        if boot is not None and order and order.isdecimal() and device.tag in ("disk", "interface"):
            kind = {"cdrom": "cdrom", "floppy": "fd"}.get(device.attrs.get("device", ""), "hd")
            found.append((int(order), "network" if device.tag == "interface" else kind))
            device.children = [child for child in device.children if child is not boot]
    if found:
        notes.append("the boot order of single devices became one of their kinds: Xen has no finer one")
    return list(dict.fromkeys(kind for _, kind in sorted(found)))


def _rewrite_os(root: Node, order: list[str], notes: list[str]) -> None:
    os = root.ensure("os")
    flash = os.attrs.get("firmware") == "efi" or os.get("loader/@type") == "pflash"
    _drop(os, ("nvram", "firmware", "bootmenu", "smbios", "bios"), "domain/os", notes)
    if os.find("loader") is not None:
        notes.append(f"the firmware {os.get('loader') or ''} is QEMU's; Xen's own takes its place")
    os.children = [child for child in os.children if child.tag != "loader"]
    os.attrs = {}
    loader = Node("loader", {"type": "pflash" if flash else "rom"}, OVMF if flash else HVMLOADER)
    os.children.insert(1, loader)
    for kind in order:
        os.add("boot", {"dev": kind})


def _rewrite_features(root: Node, notes: list[str]) -> None:
    features = root.find("features")
    if features is None:
        return
    _drop(features, tuple(child.tag for child in features.children if child.tag not in _FEATURES),
          "domain/features", notes)
    for child in features.children:
        if child.tag == "hyperv":
            child.tag, child.children, child.attrs = "viridian", [], {}
            notes.append("the Hyper-V enlightenments became viridian, which has all of them")
        child.attrs = {key: value for key, value in child.attrs.items() if child.tag == "hap"}


def _rewrite_cpu(root: Node, notes: list[str]) -> None:
    cpu = root.find("cpu")
    if cpu is None:
        return
    if cpu.attrs or any(child.tag != "numa" for child in cpu.children):
        notes.append("domain/cpu is left out: Xen shows its guests the host's processor")
    cpu.attrs = {}
    cpu.children = [child for child in cpu.children if child.tag == "numa"]


def _rewrite_clock(root: Node, notes: list[str]) -> None:
    clock = root.find("clock")
    if clock is None:
        return
    if clock.attrs.get("adjustment") == "reset":
        del clock.attrs["adjustment"]
        notes.append("domain/clock/@adjustment is left out: a Xen guest keeps what it sets its clock to")
    lost = [timer for timer in clock.all("timer") if timer.attrs.get("name") not in _TIMERS]
    notes += [f"timer {timer.attrs.get('name')} is left out: Xen has no such setting" for timer in lost]
    clock.children = [child for child in clock.children if child.tag != "timer" or child.attrs.get("name") in _TIMERS]


def _rewrite_devices(devices: Node, notes: list[str]) -> None:
    _drop_carriers(devices, notes)
    taken = {device.get("target/@dev") for device in devices.all("disk")}
    for device in list(devices.children):
        device.children = [child for child in device.children if child.tag not in ("address", "alias")]
        if device.tag == "disk":
            _rewrite_disk(device, taken, notes)
        elif device.tag == "interface":
            _rewrite_interface(device)
        elif device.tag == "channel":
            _rewrite_channel(device, notes)
        elif device.tag in ("video", "hostdev", "memballoon"):
            _rewrite_simple(device, notes)


def _rewrite_disk(disk: Node, taken: set[str | None], notes: list[str]) -> None:
    target, driver = disk.find("target"), disk.find("driver")
    if driver is not None:
        lost = [name for name in driver.attrs if name not in _DRIVER_KEPT]
        if lost:
            notes.append(f"disk {disk.get('target/@dev')}: driver/@{', @'.join(lost)} left out: Xen has no such "
                         "setting")
        driver.attrs = {name: value for name, value in driver.attrs.items() if name in _DRIVER_KEPT}
        driver.attrs.update({"type": "vhd"} if driver.attrs.get("type") == "vpc" else {})
    if target is None:
        return
    old, bus = target.attrs.get("dev", ""), target.attrs.get("bus")
    index = index_of(old)
    new = {"virtio": f"xvd{old[2:]}", "sata": f"hd{old[2:]}"}.get(bus or "", old)
    if new == old or index < 0 or (bus == "sata" and (index > 3 or new in taken)):
        return
    taken.add(new)
    target.attrs.update({"dev": new, "bus": "xen" if bus == "virtio" else "ide"})
    notes.append(f"disk {old} is {new} in the guest now")


def _rewrite_interface(interface: Node) -> None:
    model, target = interface.find("model"), interface.find("target")
    if model is not None and model.attrs.get("type") == "virtio":
        model.attrs["type"] = "netfront"
    if target is not None and target.attrs.get("dev", "vnet").startswith(("vnet", "tap", "macvtap")):
        interface.children = [child for child in interface.children if child is not target]


def _drop_carriers(devices: Node, notes: list[str]) -> None:
    """Takes away what every QEMU machine has and no Xen one is told of."""
    if devices.find("emulator") is not None:
        notes.append("domain/devices/emulator is left out: Xen has its own device model")
    if any(audio.attrs.get("type") != "none" for audio in devices.all("audio")):
        notes.append("domain/devices/audio is left out: where sound goes is not Xen's to say")
    if any(map(_is_agent, devices.children)):
        notes.append("the channel of spice's agent is left out: xl makes it by itself")
    devices.children = [child for child in devices.children
                        if child.tag not in ("emulator", "audio") and not _is_agent(child)
                        and not (child.tag == "controller" and child.attrs.get("type") in _CARRIERS)]


def _is_agent(device: Node) -> bool:
    return device.tag == "channel" and device.attrs.get("type") == "spicevmc"


def _rewrite_channel(channel: Node, notes: list[str]) -> None:
    target = channel.find("target")
    if target is not None and target.attrs.get("type") == "virtio":
        target.attrs = {"type": "xen", "name": target.attrs.get("name", "")}
        if channel.get("source/@path") is None and channel.attrs.get("type") == "unix":
            channel.attrs["type"] = "pty"
            notes.append(f"channel {target.attrs['name']} is a pty now: it had no path of its own")


def _rewrite_simple(device: Node, notes: list[str]) -> None:
    if device.tag == "memballoon":
        device.attrs = {"model": "none" if device.attrs.get("model") == "none" else "xen"}
        device.children = []
    elif device.tag == "hostdev":
        driver = device.find("driver")
        if driver is not None and driver.attrs.get("name") == "vfio":
            device.children = [child for child in device.children if child is not driver]
    else:
        model = device.find("model")
        if model is not None and model.attrs.get("type") not in _CARDS:
            notes.append(f"the {model.attrs.get('type')} video card became a standard one")
            model.attrs, model.children = {"type": "vga"}, []
        device.children = [child for child in device.children if child.tag == "model"]
