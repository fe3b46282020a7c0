"""The devices of a domain document, read into a guest."""

from __future__ import annotations

import re

from virtctl.errors import UnsupportedConfig
from virtctl.xen.disks import in_libvirts_order
from virtctl.xen.guest import Channel, Chardev, Disk, Graphics, Guest, Pci, Port, Usb, UsbController, Video
from virtctl.xen.ledger import Cursor
from virtctl.xen.mapping import number
from virtctl.xen.reading_vifs import read_vif

_BUSES = {"xvd": "xen", "hd": "ide", "sd": "scsi", "fd": "fdc", "vd": "virtio"}
_KNOWN_BUSES = ("xen", "ide", "scsi", "fdc")
_IMPLIED = ("ide", "scsi", "fdc")
_HERE = ("pty", None)
_NOWHERE = (None, None)


def read_devices(devices: Cursor, guest: Guest) -> None:
    """Fills in the devices of `guest`."""
    guest.emulator = devices.text_of("emulator")
    guest.disks = in_libvirts_order([_disk(disk) for disk in devices.children("disk")])
    for controller in devices.children("controller"):
        _read_controller(controller, guest)
    guest.vifs = [read_vif(interface, guest.domid) for interface in devices.children("interface")]
    guest.serials = [_port(serial) for serial in devices.children("serial")]
    guest.parallels = [_port(parallel) for parallel in devices.children("parallel")]
    _read_consoles(devices, guest)
    guest.channels = [_channel(channel) for channel in devices.children("channel")]
    for device in devices.children("input"):
        _read_input(device, guest)
    guest.graphics = [_graphics(graphics) for graphics in devices.children("graphics")]
    for sound in devices.children("sound"):
        sound.skip("alias")
        guest.sounds.append(sound.attr("model") or "")
    _read_video(devices, guest)
    for hostdev in devices.children("hostdev"):
        _read_hostdev(hostdev, guest)
    balloon = devices.child("memballoon")
    if balloon is not None:
        if balloon.attr("model") not in ("xen", "none"):
            raise UnsupportedConfig(f"memballoon model '{balloon.attr('model')}' cannot be expressed: Xen has its own")
        balloon.skip("alias")


def _bus(target: str, given: str | None) -> str:
    name = re.match(r"[a-z]+?d(?=[a-z])", target)
    bus = given or _BUSES.get(name[0] if name else "", "ide")
    if bus not in _KNOWN_BUSES:
        raise UnsupportedConfig(f"bus '{bus}' of disk '{target}' is not one that Xen has")
    return bus


def _disk(cursor: Cursor) -> Disk:
    cursor.skip("alias")
    kind = cursor.attr("type") or "file"
    at = cursor.child("target")
    target = ((at.attr("dev") if at is not None else None) or "").removeprefix("ioemu:")
    if not target or at is None:
        raise UnsupportedConfig("a disk without a target")
    if kind not in ("file", "block", "network"):
        raise UnsupportedConfig(f"disk '{target}' of type '{kind}' cannot be expressed")
    driver = cursor.child("driver")
    form = None if driver is None else driver.attr("type")
    disk = Disk(target=target, bus=_bus(target, at.attr("bus")), kind=kind, device=cursor.attr("device") or "disk",
                driver=None if driver is None else driver.attr("name"), format="raw" if form == "aio" else form,
                readonly=cursor.has("readonly"), shareable=cursor.has("shareable"),
                backend=cursor.get("backenddomain", "name"), discard=None if driver is None else driver.attr("discard"))
    backing = cursor.child("backingStore")
    if backing is not None and backing.attr("type") is None:
        backing.skip_all()
    _wave_address(cursor)
    return _with_source(cursor, disk)


def _with_source(cursor: Cursor, disk: Disk) -> Disk:
    source, auth = cursor.child("source"), cursor.get("auth", "username")
    if source is None:
        return disk._replace(auth=auth)
    source.skip("privateData")
    source.attr("index")
    if disk.kind != "network":
        return disk._replace(source=source.attr("dev" if disk.kind == "block" else "file") or None)
    hosts = tuple((host.attr("name") or "", host.attr("port")) for host in source.children("host"))
    return disk._replace(source=source.attr("name"), protocol=source.attr("protocol"), hosts=hosts,
                         auth=auth or source.get("auth", "username"))


def _wave_address(cursor: Cursor) -> None:
    """A drive address follows from the target's name; no other kind can be asked of Xen."""
    address = cursor.child("address")
    if address is not None and address.attr("type") == "drive":
        address.skip_all()


def _read_controller(cursor: Cursor, guest: Guest) -> None:
    kind = cursor.attr("type")
    cursor.skip("alias")
    if kind == "xenbus":
        cursor.attr("index")
        frames, channels = cursor.attr("maxGrantFrames"), cursor.attr("maxEventChannels")
        guest.grant_frames = None if frames is None else number(frames, "maxGrantFrames")
        guest.event_channels = None if channels is None else number(channels, "maxEventChannels")
    elif kind == "usb":
        cursor.attr("index")
        ports = cursor.attr("ports")
        guest.usb_controllers.append(UsbController(cursor.attr("model"),
                                                   None if ports is None else number(ports, "usb controller ports")))
    elif kind in _IMPLIED:
        cursor.attr("index")
    else:
        raise UnsupportedConfig(f"controller of type '{kind}' cannot be expressed")


def _chardev(cursor: Cursor) -> Chardev:
    kind = cursor.attr("type") or "pty"
    cursor.attr("tty")
    cursor.skip("alias")
    sources = cursor.children("source")
    if kind == "udp":
        ends = {source.attr("mode"): (source.attr("host"), source.attr("service")) for source in sources}
        (host, service), (bind_host, bind_service) = ends.get("connect", _NOWHERE), ends.get("bind", _NOWHERE)
        return Chardev("udp", host=host, service=service, bind_host=bind_host, bind_service=bind_service)
    source = sources[0] if sources else None
    if source is None or kind in ("pty", "null", "stdio", "vc"):
        if source is not None:
            source.skip_all()
        return Chardev(kind)
    if kind == "tcp":
        protocol = cursor.get("protocol", "type") or source.attr("wiremode") or "raw"
        if protocol not in ("raw", "telnet"):
            raise UnsupportedConfig(f"protocol '{protocol}' of a {cursor.tag} device cannot be expressed")
        return Chardev("tcp", host=source.attr("host"), service=source.attr("service"),
                       listen=source.attr("mode") == "bind", telnet=protocol == "telnet")
    return Chardev(kind, path=source.attr("path"), listen=source.attr("mode") == "bind")


def _port(cursor: Cursor) -> Port:
    target = cursor.child("target")
    port = "0"
    if target is not None:
        port = target.attr("port") or "0"
        target.attr("type")
        target.skip("model")
    return Port(number(port, f"{cursor.tag} port"), _chardev(cursor))


def _read_consoles(devices: Cursor, guest: Guest) -> None:
    consoles = devices.children("console")
    for index, console in enumerate(consoles):
        kind = console.get("target", "type")
        if index or kind not in (None, "serial" if guest.hvm else "xen"):
            raise UnsupportedConfig(f"console {index + 1} (target type '{kind}') cannot be expressed")
        if guest.hvm and not guest.serials:
            guest.serials.append(_port(console))
        elif not guest.hvm and console.attr("type") not in _HERE:
            raise UnsupportedConfig(f"console of type '{console.attr('type')}': a paravirtual guest has a pty")
        console.skip_all()


def _channel(cursor: Cursor) -> Channel:
    target, kind = cursor.child("target"), cursor.attr("type")
    cursor.skip("alias")
    name = None if target is None else target.attr("name")
    if target is None or target.attr("type") != "xen" or kind not in ("pty", "unix") or not name:
        raise UnsupportedConfig(f"channel of type '{kind}' cannot be expressed: only pty and unix to target 'xen' can")
    source = cursor.child("source")
    if kind == "pty":
        if source is not None:
            source.skip_all()
        return Channel(name)
    path = None
    if source is not None:
        source.attr("mode")
        path = source.attr("path")
    return Channel(name, path or "")


def _read_input(cursor: Cursor, guest: Guest) -> None:
    kind, bus = cursor.attr("type") or "", cursor.attr("bus")
    cursor.skip("alias")
    bus = bus or ("usb" if kind == "tablet" else "ps2" if guest.hvm else "xen")
    if bus == "usb":
        guest.inputs.append(kind)
    elif bus not in ("ps2", "xen") or kind not in ("mouse", "keyboard"):
        raise UnsupportedConfig(f"input '{kind}' on bus '{bus}' cannot be expressed")


def _graphics(cursor: Cursor) -> Graphics:
    kind = cursor.attr("type") or ""
    if kind == "sdl":
        return Graphics("sdl", display=cursor.attr("display"), xauth=cursor.attr("xauth"))
    if kind not in ("vnc", "spice"):
        raise UnsupportedConfig(f"unsupported graphics type '{kind}'")
    listen = cursor.child("listen")
    inner = None if listen is None else listen.attr("address")
    address = cursor.attr("listen") or inner
    if listen is not None and listen.attr("type") not in (None, "address"):
        raise UnsupportedConfig(f"graphics that listen on '{listen.attr('type')}' cannot be expressed")
    port, tls = _port_number(cursor.attr("port")), _port_number(cursor.attr("tlsPort"))
    autoport = cursor.attr("autoport") == "yes" or (port is None and tls is None)
    copypaste = cursor.get("clipboard", "copypaste")
    return Graphics(kind, port=port, tls_port=tls, autoport=autoport, listen=address, keymap=cursor.attr("keymap"),
                    passwd=cursor.attr("passwd"), mouse=cursor.get("mouse", "mode"),
                    copypaste=None if copypaste is None else copypaste == "yes")


def _port_number(text: str | None) -> int | None:
    return None if text is None or text.startswith("-") else number(text, "graphics port")


def _read_video(devices: Cursor, guest: Guest) -> None:
    video = devices.child("video")
    model = None if video is None else video.child("model")
    if video is None or model is None:
        return
    video.skip("alias")
    for name in ("ram", "vgamem", "primary"):
        model.attr(name)
    if model.attr("heads") not in (None, "1"):
        raise UnsupportedConfig(f"a video card of {model.attr('heads')} heads cannot be expressed")
    vram = model.attr("vram")
    guest.video = Video(model.attr("type") or "cirrus", None if vram is None else number(vram, "video vram"))


def _hex(cursor: Cursor, name: str) -> int:
    text = cursor.attr(name) or "0"
    try:
        return int(text, 0)
    except ValueError:
        raise UnsupportedConfig(f"{cursor.tag}/@{name}: '{text}' is not a number") from None


def _read_hostdev(cursor: Cursor, guest: Guest) -> None:
    kind, source = cursor.attr("type"), cursor.child("source")
    managed = cursor.attr("managed") == "yes"
    cursor.skip("alias")
    if cursor.attr("mode") != "subsystem" or kind not in ("pci", "usb") or source is None:
        raise UnsupportedConfig(f"hostdev of mode '{cursor.attr('mode')}', type '{kind}' cannot be expressed")
    driver = cursor.child("driver")
    if driver is not None and driver.attr("name") != "xen":
        raise UnsupportedConfig(f"hostdev driver '{driver.attr('name')}' cannot be expressed: xen is Xen's only one")
    address = source.child("address")
    if kind == "pci":
        if address is None:
            raise UnsupportedConfig("a pci hostdev without an address")
        guest.pci.append(Pci(_hex(address, "domain"), _hex(address, "bus"), _hex(address, "slot"),
                             _hex(address, "function"), source.attr("writeFiltering") != "no", managed))
        return
    vendor, product = source.child("vendor"), source.child("product")
    guest.usb.append(Usb(bus=_hex(address, "bus") if address else None,
                         device=_hex(address, "device") if address else None,
                         vendor=_hex(vendor, "id") if vendor else None,
                         product=_hex(product, "id") if product else None))
