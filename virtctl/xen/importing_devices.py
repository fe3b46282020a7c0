"""The devices of an imported guest: Xen's own become virtio ones, emulated ones stay what they were."""

from __future__ import annotations

import re

from virtctl.errors import UnsupportedConfig
from virtctl.schema.node import Node
from virtctl.xen.devices import add_graphics, add_port, add_source, add_vif_details
from virtctl.xen.disks import index_of
from virtctl.xen.guest import Chardev, Disk, Guest, Pci, Port, Vif

Renamed = dict[str, str]
"""Old names of disks, without /dev/, and their new ones."""

_DECIDE = "decide: "
_FORMATS = {"vhd": "vpc", None: "raw"}
_CARDS = ("e1000", "e1000e", "rtl8139", "ne2k_pci", "ne2k_isa", "pcnet", "i82551", "i82557b", "i82559er", "vmxnet3",
          "virtio")
_VIRTIO_NAMES = ("netfront", "vif", "virtio-net", "virtio-net-pci", None)
_PARTITION = re.compile(r"((?:xvd|hd|sd|vd)[a-z]+)([0-9]+)\Z")
_BRIDGING = ("vif-bridge", "/etc/xen/scripts/vif-bridge")


def add_devices(devices: Node, guest: Guest, notes: list[str]) -> Renamed:
    """Fills in `devices`; the names that disks have lost for new ones."""
    renamed: Renamed = {}
    names = [disk.target for disk in guest.disks]
    if len(set(names)) < len(names):
        raise UnsupportedConfig(f"two disks are called '{max(names, key=names.count)}'")
    for disk, (target, bus) in zip(guest.disks, _places(guest.disks, guest.hvm), strict=True):
        if target != disk.target:
            renamed[disk.target] = target
        _add_disk(devices, disk, target, bus)
        _note_disk(disk, target, guest, notes)
    for vif in guest.vifs:
        _add_vif(devices, vif, notes)
    for controller in guest.usb_controllers:
        ports = None if controller.ports is None else str(controller.ports)
        devices.add("controller", {"type": "usb", "model": "qemu-xhci", "ports": ports})
        notes.append("the paravirtual USB controller became an emulated xHCI one")
    _add_ports(devices, guest, notes)
    for kind in guest.inputs:
        devices.add("input", {"type": kind, "bus": "usb"})
    _add_displays(devices, guest, notes)
    for model in guest.sounds:
        devices.add("sound", {"model": model})
    _add_host_devices(devices, guest, notes)
    devices.add("memballoon", {"model": "virtio"})
    return renamed


def _name(prefix: str, index: int) -> str:
    letters = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        letters = chr(ord("a") + digit) + letters
    return prefix + letters


def _wanted(disk: Disk, hvm: bool) -> tuple[str, int, str]:
    """(prefix, index, bus): Xen's own disks begin with vd now, and a CD-ROM needs a bus that has them."""
    index = index_of(disk.target)
    if disk.device == "floppy":
        return "fd", index, "fdc"
    if disk.device == "cdrom" and (disk.bus == "xen" or not hvm):
        return "hd", 2, "ide"
    if disk.bus == "xen" or not hvm:
        return "vd", index, "virtio"
    return {"ide": "hd", "scsi": "sd"}.get(disk.bus, "fd"), index, disk.bus


def _places(disks: list[Disk], hvm: bool) -> list[tuple[str, str]]:
    """(target, bus) of each disk. Whole disks keep their letters; partitions and the rest take the next free ones."""
    wanted = [_wanted(disk, hvm) for disk in disks]
    taken = {(prefix, index) for disk, (prefix, index, _) in zip(disks, wanted, strict=True) if _keeps(disk, index)}
    after: dict[str, int] = {}
    for prefix, index in taken:
        after[prefix] = max(after.get(prefix, 0), index + 1)
    places = []
    for disk, (prefix, index, bus) in zip(disks, wanted, strict=True):
        if not _keeps(disk, index):
            index = max(index, 0)
            index = index if (prefix, index) not in taken else after.get(prefix, 0)
            taken.add((prefix, index))
            after[prefix] = max(after.get(prefix, 0), index + 1)
        places.append((_name(prefix, index), bus))
    return places


def _keeps(disk: Disk, index: int) -> bool:
    return index >= 0 and not _PARTITION.match(disk.target) and disk.device != "cdrom"


def _note_disk(disk: Disk, target: str, guest: Guest, notes: list[str]) -> None:
    part = _PARTITION.match(disk.target)
    if part:
        notes.append(f"{_DECIDE}{disk.target} was a partition without a disk, which QEMU does not have: it is the "
                     f"whole disk {target} now; the guest's fstab and root= must say so")
    elif target != disk.target:
        notes.append(f"disk {disk.target} is {target} in the guest now: /dev/{target}, or the same label or UUID")
    if guest.hvm and disk.bus == "xen" and target.startswith("vd"):
        notes.append(f"{_DECIDE}disk {target} needs a virtio driver in the guest; without one, change its bus to ide")
    if disk.backend is not None:
        notes.append(f"{_DECIDE}disk {target} was served by domain '{disk.backend}': its source must be reachable here")
    if disk.auth is not None:
        notes.append(f"{_DECIDE}disk {target} needs the secret of user '{disk.auth}'")


def _local(disk: Disk) -> Disk:
    """The disk with the kind that its source is: a block device by any driver is one."""
    source = disk.source
    if disk.kind == "network" or source is None:
        return disk if disk.kind == "network" else disk._replace(kind="file")
    if disk.kind == "block" and not source.startswith("/"):
        source = f"/dev/{source}"
    return disk._replace(source=source, kind="block" if source.startswith("/dev/") else "file")


def _add_disk(devices: Node, given: Disk, target: str, bus: str) -> None:
    disk = _local(given)
    node = devices.add("disk", {"type": disk.kind, "device": disk.device})
    node.add("driver", {"name": "qemu", "type": _FORMATS.get(disk.format, disk.format), "discard": disk.discard})
    add_source(node, disk)
    node.add("target", {"dev": target, "bus": bus})
    for tag, wanted in (("readonly", disk.readonly or disk.device == "cdrom"), ("shareable", disk.shareable)):
        if wanted:
            node.add(tag)


def _card(vif: Vif, notes: list[str]) -> str:
    if vif.model is None and vif.emulated:
        # What Xen's device model gives a guest that names no card.
        return "rtl8139"
    if vif.model in _VIRTIO_NAMES:
        return "virtio"
    if vif.model in _CARDS:
        return str(vif.model)
    notes.append(f"network card '{vif.model}' is not one that QEMU has; virtio takes its place")
    return "virtio"


def _add_vif(devices: Node, vif: Vif, notes: list[str]) -> None:
    what = vif.mac or "without a mac address"
    routed = vif.kind == "ethernet" and vif.script is not None
    node = devices.add("interface", {"type": "ethernet" if routed else "bridge"})
    if routed:
        notes.append(f"{_DECIDE}interface {what} was set up by {vif.script}: address, routes and forwarding of its tap "
                     "device are yours to set up")
    elif vif.bridge is None:
        notes.append(f"{_DECIDE}interface {what} names no bridge; xenbr0 was Xen's, name this host's")
        vif = vif._replace(bridge="xenbr0")
    elif vif.script is not None and vif.script not in _BRIDGING and not vif.openvswitch:
        notes.append(f"{_DECIDE}interface {what}: the script {vif.script} is not run any more")
    if vif.ips:
        notes.append(f"{_DECIDE}interface {what}: the addresses {' '.join(vif.ips)} were enforced by Xen's script; "
                     "use a <filterref> for that")
    if vif.backend is not None:
        notes.append(f"{_DECIDE}interface {what} was served by domain '{vif.backend}'")
    name = None if (vif.ifname or "vif").startswith("vif") else vif.ifname
    add_vif_details(node, vif._replace(ips=(), script=None, backend=None, model=_card(vif, notes)), name)


def _hosted(port: Port, notes: list[str]) -> Port:
    if port.chardev.kind not in ("stdio", "vc"):
        return port
    notes.append(f"serial port {port.number}: {port.chardev.kind} became a pty, which `console` opens")
    return Port(port.number, Chardev("pty"))


def _add_ports(devices: Node, guest: Guest, notes: list[str]) -> None:
    serials = [_hosted(port, notes) for port in guest.serials]
    if not guest.hvm:
        serials = [Port(0, Chardev("pty"))]
        notes.append(f"{_DECIDE}the Xen console (hvc0) is the serial port ttyS0 now: the guest's getty and its "
                     "kernel's console= must say so")
    for port in serials:
        add_port(devices, "serial", port)
    for port in guest.parallels:
        add_port(devices, "parallel", _hosted(port, notes))
    if serials:
        add_port(devices, "console", serials[0], "serial")
    for channel in guest.channels:
        node = devices.add("channel", {"type": "unix" if channel.path else "pty"})
        if channel.path:
            node.add("source", {"mode": "bind", "path": channel.path})
        node.add("target", {"type": "virtio", "name": channel.name})


def _add_displays(devices: Node, guest: Guest, notes: list[str]) -> None:
    for graphics in guest.graphics:
        if graphics.tls_port is not None:
            notes.append(f"{_DECIDE}the TLS port {graphics.tls_port} of the display is left out: it needs certificates")
            graphics = graphics._replace(tls_port=None, autoport=graphics.port is None)
        add_graphics(devices, graphics)
    if not guest.graphics and guest.video is None:
        return
    model = guest.video.model if guest.video else "cirrus" if guest.hvm else "xen"
    if model == "xen":
        model = "vga"
        notes.append("the paravirtual frame buffer became an emulated VGA card")
    vram = guest.video.vram if guest.video and model not in ("none", "xen") else None
    node = devices.add("video").add("model", {"type": model, "vram": None if vram is None else str(vram)})
    if model != "none":
        node.attrs["heads"] = "1"


def _add_host_devices(devices: Node, guest: Guest, notes: list[str]) -> None:
    for pci in guest.pci:
        _add_pci(devices, pci)
    if guest.pci:
        notes.append(f"{_DECIDE}PCI devices are handed over by vfio: the host's IOMMU must be on, and nobody else may "
                     "use their group")
    for usb in guest.usb:
        source = devices.add("hostdev", {"mode": "subsystem", "type": "usb", "managed": "yes"}).add("source")
        if usb.vendor is not None:
            source.add("vendor", {"id": f"0x{usb.vendor:04x}"})
            source.add("product", {"id": f"0x{usb.product or 0:04x}"})
        if usb.bus is not None:
            source.add("address", {"bus": str(usb.bus), "device": str(usb.device)})


def _add_pci(devices: Node, pci: Pci) -> None:
    node = devices.add("hostdev", {"mode": "subsystem", "type": "pci", "managed": "yes"})
    node.add("source").add("address", {"domain": f"0x{pci.domain:04x}", "bus": f"0x{pci.bus:02x}",
                                       "slot": f"0x{pci.slot:02x}", "function": f"0x{pci.function:x}"})
