"""A Xen guest as plain values: what s-expressions, xm files, xl files and domain documents all say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

HVMLOADER = "/usr/lib/xen/boot/hvmloader"
OVMF = "/usr/lib/xen/boot/ovmf.bin"
VNC_BASE = 5900
MOST_DEVICES = 2048
MOST_PORTS = 256
MOST_PROCESSORS = 4096
"""How many devices of one kind a configuration may list; Xen gives out fewer."""


class Disk(NamedTuple):
    """One disk. `kind` is file, block or network; `source` a path, or `pool/image`; None for an empty drive."""

    target: str
    bus: str
    source: str | None = None
    kind: str = "file"
    device: str = "disk"
    driver: str | None = None
    format: str | None = None
    readonly: bool = False
    shareable: bool = False
    hosts: tuple[tuple[str, str | None], ...] = ()
    protocol: str | None = None
    auth: str | None = None
    backend: str | None = None
    discard: str | None = None


class Vif(NamedTuple):
    """One network interface. `rate` is in KiB a second outwards; `kind` bridge or ethernet."""

    mac: str | None = None
    bridge: str | None = None
    script: str | None = None
    model: str | None = None
    ifname: str | None = None
    ips: tuple[str, ...] = ()
    rate: int | None = None
    backend: str | None = None
    vlans: tuple[int, ...] = ()
    trunk: bool = False
    openvswitch: bool = False
    kind: str = "bridge"
    emulated: bool = False
    """Whether the native form asks for an emulated card without naming one."""


class Chardev(NamedTuple):
    """The host's side of a serial or parallel port. For udp, host and service are where it sends to."""

    kind: str
    path: str | None = None
    host: str | None = None
    service: str | None = None
    bind_host: str | None = None
    bind_service: str | None = None
    listen: bool = False
    telnet: bool = False


class Port(NamedTuple):
    """A serial or parallel port of the guest."""

    number: int
    chardev: Chardev


class Channel(NamedTuple):
    """A named channel: a pty, or a socket at `path`."""

    name: str
    path: str | None = None


class Graphics(NamedTuple):
    """A vnc, sdl or spice display. `port` None: chosen when the guest starts."""

    kind: str
    port: int | None = None
    autoport: bool = True
    listen: str | None = None
    keymap: str | None = None
    passwd: str | None = None
    display: str | None = None
    xauth: str | None = None
    tls_port: int | None = None
    mouse: str | None = None
    copypaste: bool | None = None


class Video(NamedTuple):
    """The display card; `vram` in KiB."""

    model: str
    vram: int | None = None


class Timer(NamedTuple):
    """A timer of the guest's clock."""

    name: str
    present: bool | None = None
    mode: str | None = None


class Pci(NamedTuple):
    """A host PCI device handed to the guest. `filtered` False: the guest may write all of its configuration space."""

    domain: int
    bus: int
    slot: int
    function: int
    filtered: bool = True
    managed: bool = False


class Usb(NamedTuple):
    """A host USB device, by bus and device number or by vendor and product."""

    bus: int | None = None
    device: int | None = None
    vendor: int | None = None
    product: int | None = None


class UsbController(NamedTuple):
    """A paravirtual (qusb) or emulated (devicemodel) USB controller."""

    model: str | None = None
    ports: int | None = None


class Cell(NamedTuple):
    """A NUMA node of the guest; `memory` in KiB, `distances` by the other node's number."""

    cpus: str
    memory: int
    distances: tuple[tuple[int, int], ...] = ()


@dataclass
class Guest:
    """Everything that a Xen configuration and a domain document have in common. Sizes are in KiB."""

    name: str = ""
    uuid: str = ""
    kind: str = "linux"
    """`linux` (paravirtual), `hvm` or `xenpvh`."""
    domid: int | None = None
    description: str | None = None
    memory: int = 0
    current_memory: int = 0
    vcpus: int = 1
    online: int | None = None
    cpuset: str | None = None
    pins: list[str | None] = field(default_factory=list)
    """Where each virtual processor may run, in order; None: anywhere."""
    bootloader: str | None = None
    bootloader_args: str | None = None
    kernel: str | None = None
    initrd: str | None = None
    cmdline: str | None = None
    root: str | None = None
    loader: str | None = None
    flash: bool = False
    acpi_table: str | None = None
    boot: list[str] = field(default_factory=list)
    features: dict[str, bool] = field(default_factory=dict)
    """acpi, apic, pae, hap, viridian."""
    e820_host: bool | None = None
    passthrough: str | None = None
    """`disabled`, `enabled`, `sync_pt` or `share_pt`."""
    host_cpu: bool = False
    cpu_features: list[tuple[str, str]] = field(default_factory=list)
    """(policy, name in libvirt's words)."""
    cells: list[Cell] = field(default_factory=list)
    localtime: bool = False
    clock_offset: int = 0
    timers: list[Timer] = field(default_factory=list)
    on_poweroff: str = "destroy"
    on_reboot: str = "restart"
    on_crash: str = "restart"
    emulator: str | None = None
    disks: list[Disk] = field(default_factory=list)
    grant_frames: int | None = None
    event_channels: int | None = None
    usb_controllers: list[UsbController] = field(default_factory=list)
    vifs: list[Vif] = field(default_factory=list)
    serials: list[Port] = field(default_factory=list)
    parallels: list[Port] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    """The USB ones: tablet, mouse, keyboard."""
    graphics: list[Graphics] = field(default_factory=list)
    sounds: list[str] = field(default_factory=list)
    video: Video | None = None
    pci: list[Pci] = field(default_factory=list)
    usb: list[Usb] = field(default_factory=list)
    device_model_args: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the native form says that a domain document has no place for, each named."""

    @property
    def hvm(self) -> bool:
        """Whether the machine is emulated in full."""
        return self.kind == "hvm"
