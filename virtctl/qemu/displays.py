"""Graphics, video cards and input devices on QEMU's command line. Passwords are never here: see startup."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.devices.input import Input
from virtctl.domain.devices.video import Video
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.build import builds, device_opt
from virtctl.qemu.controllers import virtio_name, virtio_props
from virtctl.qemu.plan import Plan
from virtctl.qemu.sounds import audio_name

VNC_FIRST_PORT, LAST_PORT = 5900, 65535
PORT_TRIES = 200


def listen_address(graphics: Graphics) -> str:
    """The address that the server listens on: loopback unless the document says otherwise."""
    for listen in graphics.listens:
        if listen.type in ("address", "network") and listen.address:
            return listen.address
    return graphics.listen or "127.0.0.1"


def listen_socket(graphics: Graphics, plan: Plan) -> str | None:
    """The path of the UNIX socket that the server listens on, None when it listens on TCP.

    One of ours is named as QEMU sees it from its folder: short enough for a socket wherever that lies.
    """
    for listen in graphics.listens:
        if listen.type == "socket":
            path = listen.socket or f"{graphics.type}.sock"
            return path.removeprefix(f"{plan.runtime}/")
    return graphics.socket


def _vnc(graphics: Graphics, plan: Plan) -> Opt:
    socket = listen_socket(graphics, plan)
    address = listen_address(graphics)
    host = f"[{address}]" if ":" in address else address
    place = f"unix:{socket}" if socket else f"{host}:{_display(graphics, plan)}"
    if graphics.listens and graphics.listens[0].type == "none":
        place = "none"
    audio = audio_name(plan, graphics.audio_id)
    websocket: Value = graphics.websocket
    pairs: list[tuple[str, Value]] = [
        ("websocket", "on" if websocket == -1 else websocket), ("share", graphics.share_policy),
        ("to", _last_display(graphics, plan) if not socket else None), ("power-control", graphics.power_control),
        ("password", True if graphics.passwd is not None else None), ("audiodev", audio)]
    # A path may hold an equals sign, which without the key would make it one.
    return Opt("vnc", props(None, [("vnc", place), *pairs]))


def _last_display(graphics: Graphics, plan: Plan) -> int | None:
    """How far QEMU may go on looking when the port that was chosen for it has been taken meanwhile."""
    if graphics.port not in plan.chosen_ports:
        return None
    return min(_display(graphics, plan) + PORT_TRIES, LAST_PORT - VNC_FIRST_PORT)


def _display(graphics: Graphics, plan: Plan) -> int:
    port = graphics.port
    if port is None or port < VNC_FIRST_PORT:
        return 0
    return port - VNC_FIRST_PORT


def _spice(graphics: Graphics, plan: Plan) -> Opt:
    socket = listen_socket(graphics, plan)
    port = graphics.port if graphics.port and graphics.port > 0 else None
    place: list[tuple[str, Value]] = [("unix", True), ("addr", socket)] if socket else [
        ("port", port if port is not None else VNC_FIRST_PORT),
        ("addr", listen_address(graphics))]
    if graphics.listens and graphics.listens[0].type == "none":
        place = [("port", 0)]
    gl = graphics.gl
    if graphics.default_mode == "secure" or any(channel.mode == "secure" for channel in graphics.channels):
        raise UnsupportedConfig("spice secure channels set in XML configuration, but TLS is not supported")
    plain = [("plaintext-channel", channel.name) for channel in graphics.channels]
    return Opt("spice", props(None, [
        *place, *plain, ("disable-ticketing", True if graphics.passwd is None else None),
        ("image-compression", graphics.image), ("jpeg-wan-compression", graphics.jpeg),
        ("zlib-glz-wan-compression", graphics.zlib), ("playback-compression", graphics.playback),
        ("streaming-video", graphics.streaming), ("agent-mouse", graphics.mouse and _on(graphics.mouse == "client")),
        ("disable-copy-paste", True if graphics.copypaste is False else None),
        ("disable-agent-file-xfer", True if graphics.filetransfer is False else None),
        ("gl", gl.enable if gl else None), ("rendernode", gl.rendernode if gl else None),
        ("seamless-migration", True)]))


def _on(value: bool) -> str:
    return "on" if value else "off"


@builds(Graphics)
def build_graphics(graphics: Graphics, plan: Plan) -> Iterator[Opt]:
    """A display server; windows (sdl) are for those who start virtctl on a desktop."""
    gl = graphics.gl
    if graphics.keymap:
        yield Opt("k", graphics.keymap)
    if graphics.type == "vnc":
        yield _vnc(graphics, plan)
    elif graphics.type == "spice":
        yield _spice(graphics, plan)
    elif graphics.type == "sdl":
        yield Opt("display", props("sdl", [("gl", gl.enable if gl else None), ("full-screen", graphics.fullscreen)]))
    elif graphics.type == "egl-headless":
        yield Opt("display", props("egl-headless", [("rendernode", gl.rendernode if gl else None)]))
    elif graphics.type == "dbus":
        sound = f"audio{graphics.audio_id}" if graphics.audio_id else None
        yield Opt("display", props("dbus", [
            ("p2p", graphics.p2p), ("addr", graphics.dbus_address), ("gl", gl.enable if gl else None),
            ("rendernode", gl.rendernode if gl else None), ("audiodev", sound)]))
    else:
        raise UnsupportedConfig(f"unsupported graphics type '{graphics.type}'")


_PRIMARY = {"vga": "VGA", "cirrus": "cirrus-vga", "vmvga": "vmware-svga", "qxl": "qxl-vga", "virtio": "virtio-vga",
            "bochs": "bochs-display", "ramfb": "ramfb"}
_SECONDARY = {"qxl": "qxl", "virtio": "virtio-gpu-pci", "bochs": "bochs-display", "ramfb": "ramfb"}


def _memory(video: Video) -> list[tuple[str, Value]]:
    megabytes = {"vga": ("vgamem_mb", video.vram), "vmvga": ("vgamem_mb", video.vram)}.get(video.type or "")
    if megabytes:
        return [(megabytes[0], megabytes[1] // 1024 if megabytes[1] else None)]
    if video.type == "bochs":
        return [("vgamem", video.vram * 1024 if video.vram else None)]
    if video.type != "qxl":
        return []
    return [("ram_size", video.ram * 1024 if video.ram else None),
            ("vram_size", video.vram * 1024 if video.vram else None),
            ("vram64_size_mb", (video.vram64 or 0) // 1024),
            ("vgamem_mb", video.vgamem // 1024 if video.vgamem else None)]


@builds(Video)
def build_video(video: Video, plan: Plan) -> Iterator[Opt]:
    """A graphics card."""
    if video.type == "none":
        return
    names = _PRIMARY if video.primary else _SECONDARY
    driver = names.get(video.type or "vga")
    if video.driver == "vhostuser" or driver is None:
        raise UnsupportedConfig(f"the video model '{video.type}' is not supported as this card")
    if driver == "virtio-vga" and video.accel3d:
        driver = "virtio-vga-gl"
    outputs: Value = video.heads if video.type in ("qxl", "virtio") else None
    size: list[tuple[str, Value]] = [("xres", video.x), ("yres", video.y)]
    yield device_opt(driver, video, plan, [*virtio_props(video), *_memory(video), ("max_outputs", outputs), *size])


_USB_INPUT = {"mouse": "usb-mouse", "tablet": "usb-tablet", "keyboard": "usb-kbd"}
_VIRTIO_INPUT = {"mouse": "virtio-mouse", "tablet": "virtio-tablet", "keyboard": "virtio-keyboard",
                 "passthrough": "virtio-input-host"}


@builds(Input)
def build_input(device: Input, plan: Plan) -> Iterator[Opt]:
    """A pointing device or keyboard; those on PS/2 belong to the machine."""
    if device.type == "evdev":
        yield Opt("object", props("input-linux", [("id", device.id), ("evdev", device.dev),
                                                  ("grab_all", True if device.grab == "all" else None),
                                                  ("repeat", device.repeat), ("grab-toggle", device.grab_toggle)]))
    elif device.bus == "usb":
        yield device_opt(_USB_INPUT[device.type], device, plan)
    elif device.bus == "virtio":
        evdev = device.evdev if device.type == "passthrough" else None
        yield device_opt(virtio_name(_VIRTIO_INPUT[device.type], device.model), device, plan,
                         [*virtio_props(device), ("evdev", evdev)])
