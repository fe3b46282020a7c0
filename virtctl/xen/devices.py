"""The devices of a guest as they stand in a domain document."""

from __future__ import annotations

from virtctl.schema.node import Node
from virtctl.xen.disks import index_of
from virtctl.xen.guest import Chardev, Disk, Graphics, Guest, Pci, Port, Usb, Vif
from virtctl.xen.vifs import family

_DRIVES = {"ide": (2, "ide"), "scsi": (7, "scsi"), "fdc": (2, "fdc")}


def _some(node: Node, tag: str, name: str, value: str | int | None) -> None:
    """`<tag name='value'/>`, where there is a value."""
    if value is not None:
        node.add(tag, {name: str(value)})


def add_devices(devices: Node, guest: Guest, xend: bool, card_vram: int) -> None:
    """Appends the devices of `guest`, and those that every Xen guest has."""
    if guest.emulator is not None:
        devices.add("emulator", text=guest.emulator)
    for disk in guest.disks:
        _add_disk(devices, disk, xend)
    _add_controllers(devices, guest, xend)
    for index, vif in enumerate(guest.vifs):
        live = f"vif{guest.domid}.{index}" if guest.domid is not None else None
        _add_vif(devices, vif, vif.ifname or live)
    _add_ports(devices, guest)
    _add_inputs(devices, guest)
    for graphics in guest.graphics:
        add_graphics(devices, graphics)
    for model in guest.sounds:
        devices.add("sound", {"model": model})
    _add_video(devices, guest, card_vram)
    for pci in guest.pci:
        _add_pci(devices, pci, xend)
    for usb in guest.usb:
        _add_usb(devices, usb)
    devices.add("memballoon", {"model": "xen"})


def _add_disk(devices: Node, disk: Disk, xend: bool) -> None:
    node = devices.add("disk", {"type": disk.kind, "device": disk.device})
    if disk.driver is not None:
        node.add("driver", {"name": disk.driver, "type": disk.format, "discard": disk.discard})
    add_source(node, disk)
    if xend:
        node.add("backingStore")
    _some(node, "backenddomain", "name", disk.backend)
    node.add("target", {"dev": disk.target, "bus": disk.bus})
    for tag, wanted in (("readonly", disk.readonly), ("shareable", disk.shareable)):
        if wanted:
            node.add(tag)
    _add_drive_address(node, disk)


def add_source(node: Node, disk: Disk) -> None:
    """Appends what a disk reads: a file, a block device or a network image."""
    _some(node, "auth", "username", disk.auth)
    if disk.kind == "network":
        source = node.add("source", {"protocol": disk.protocol, "name": disk.source})
        for name, port in disk.hosts:
            source.add("host", {"name": name, "port": port})
    else:
        _some(node, "source", "dev" if disk.kind == "block" else "file", disk.source)


def _add_drive_address(node: Node, disk: Disk) -> None:
    index = index_of(disk.target)
    if disk.bus not in _DRIVES or index < 0:
        return
    units = _DRIVES[disk.bus][0]
    controller, bus, unit = index // units, 0, index % units
    if disk.bus == "ide":
        controller, bus, unit = index // 4, index // 2 % 2, index % 2
    node.add("address", {"type": "drive", "controller": str(controller), "bus": str(bus), "target": "0",
                         "unit": str(unit)})


def _add_controllers(devices: Node, guest: Guest, xend: bool) -> None:
    if not xend:
        devices.add("controller", {
            "type": "xenbus", "index": "0",
            "maxGrantFrames": None if guest.grant_frames is None else str(guest.grant_frames),
            "maxEventChannels": None if guest.event_channels is None else str(guest.event_channels)})
    for index, usb in enumerate(guest.usb_controllers):
        devices.add("controller", {"type": "usb", "index": str(index), "model": usb.model,
                                   "ports": None if usb.ports is None else str(usb.ports)})
    for bus, (units, kind) in _DRIVES.items():
        units = 4 if bus == "ide" else units
        numbers = [index_of(disk.target) // units for disk in guest.disks if disk.bus == bus]
        for index in sorted({number for number in numbers if number >= 0}):
            devices.add("controller", {"type": kind, "index": str(index)})


def _add_vif(devices: Node, vif: Vif, ifname: str | None) -> None:
    add_vif_details(devices.add("interface", {"type": vif.kind}), vif, ifname)


def add_vif_details(node: Node, vif: Vif, ifname: str | None) -> None:
    """Fills in an `<interface>`."""
    _some(node, "mac", "address", vif.mac)
    _some(node, "source", "bridge", vif.bridge)
    if vif.vlans:
        vlan = node.add("vlan", {"trunk": "yes" if vif.trunk else None})
        for tag in vif.vlans:
            vlan.add("tag", {"id": str(tag)})
    if vif.openvswitch:
        node.add("virtualport", {"type": "openvswitch"})
    if vif.rate is not None:
        node.add("bandwidth").add("outbound", {"average": str(vif.rate)})
    for address in vif.ips:
        node.add("ip", {"address": address, "family": family(address)})
    _some(node, "script", "path", vif.script)
    _some(node, "backenddomain", "name", vif.backend)
    _some(node, "target", "dev", ifname)
    _some(node, "model", "type", vif.model)


def add_chardev(node: Node, chardev: Chardev) -> None:
    """Appends the sources of a serial, parallel or console element."""
    if chardev.kind == "udp":
        if chardev.bind_host is not None or chardev.bind_service is not None:
            node.add("source", {"mode": "bind", "host": chardev.bind_host, "service": chardev.bind_service})
        if chardev.host is not None or chardev.service is not None:
            node.add("source", {"mode": "connect", "host": chardev.host, "service": chardev.service})
    elif chardev.kind == "tcp":
        mode = "bind" if chardev.listen else "connect"
        node.add("source", {"mode": mode, "host": chardev.host, "service": chardev.service})
        node.add("protocol", {"type": "telnet" if chardev.telnet else "raw"})
    elif chardev.kind == "unix":
        node.add("source", {"mode": "bind" if chardev.listen else "connect", "path": chardev.path})
    elif chardev.path is not None:
        node.add("source", {"path": chardev.path})


def add_port(devices: Node, tag: str, port: Port, target: str | None = None) -> None:
    """Appends a serial, parallel or console element."""
    node = devices.add(tag, {"type": port.chardev.kind})
    add_chardev(node, port.chardev)
    node.add("target", {"type": target, "port": str(port.number)})


def _add_ports(devices: Node, guest: Guest) -> None:
    for port in guest.serials:
        add_port(devices, "serial", port)
    for port in guest.parallels:
        add_port(devices, "parallel", port)
    if not guest.hvm:
        add_port(devices, "console", Port(0, Chardev("pty")), "xen")
    elif guest.serials:
        # The first serial port is the console, which libvirt therefore shows twice.
        add_port(devices, "console", guest.serials[0], "serial")
    for channel in guest.channels:
        node = devices.add("channel", {"type": "pty" if channel.path is None else "unix"})
        if channel.path is not None:
            node.add("source", {"mode": "bind", "path": channel.path})
        node.add("target", {"type": "xen", "name": channel.name})


def _add_inputs(devices: Node, guest: Guest) -> None:
    for kind in guest.inputs:
        devices.add("input", {"type": kind, "bus": "usb"})
    for kind in ("mouse", "keyboard"):
        devices.add("input", {"type": kind, "bus": "ps2" if guest.hvm else "xen"})


def add_graphics(devices: Node, graphics: Graphics) -> None:
    """Appends a display."""
    if graphics.kind == "sdl":
        devices.add("graphics", {"type": "sdl", "display": graphics.display, "xauth": graphics.xauth})
        return
    port = str(graphics.port) if graphics.port is not None else "-1" if graphics.kind == "vnc" else None
    node = devices.add("graphics", {
        "type": graphics.kind, "port": port, "tlsPort": None if graphics.tls_port is None else str(graphics.tls_port),
        "autoport": "yes" if graphics.autoport else "no", "listen": graphics.listen, "keymap": graphics.keymap,
        "passwd": graphics.passwd})
    node.add("listen", {"type": "address", "address": graphics.listen})
    if graphics.mouse is not None:
        node.add("mouse", {"mode": graphics.mouse})
    if graphics.copypaste is not None:
        node.add("clipboard", {"copypaste": "yes" if graphics.copypaste else "no"})


def _add_video(devices: Node, guest: Guest, card_vram: int) -> None:
    if not guest.graphics and guest.video is None:
        return
    model = guest.video.model if guest.video else "cirrus" if guest.hvm else "xen"
    default = 4096 if model == "xen" else 16384 if model == "vga" else 65536 if model == "qxl" else card_vram
    vram = guest.video.vram if guest.video and guest.video.vram else default
    if model == "none":
        devices.add("video").add("model", {"type": "none"})
        return
    ram = "65536" if model == "qxl" else None
    devices.add("video").add("model", {"type": model, "ram": ram, "vram": str(vram), "heads": "1", "primary": "yes"})


def _add_pci(devices: Node, pci: Pci, xend: bool) -> None:
    node = devices.add("hostdev", {"mode": "subsystem", "type": "pci", "managed": "yes" if pci.managed else "no"})
    if not xend:
        node.add("driver", {"name": "xen"})
    source = node.add("source", None if pci.filtered else {"writeFiltering": "no"})
    source.add("address", {"domain": f"0x{pci.domain:04x}", "bus": f"0x{pci.bus:02x}", "slot": f"0x{pci.slot:02x}",
                           "function": f"0x{pci.function:x}"})


def _add_usb(devices: Node, usb: Usb) -> None:
    source = devices.add("hostdev", {"mode": "subsystem", "type": "usb", "managed": "no"}).add("source")
    if usb.vendor is not None:
        source.add("vendor", {"id": f"0x{usb.vendor:04x}"})
        source.add("product", {"id": f"0x{usb.product or 0:04x}"})
    if usb.bus is not None:
        source.add("address", {"bus": str(usb.bus), "device": str(usb.device)})
