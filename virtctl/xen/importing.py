"""Xen guests moved to KVM: from any native form to a domain that QEMU can start, and what a person must still decide.

The machine stays as near to Xen's as QEMU has it: Xen's own device model is a QEMU with the same PC, so an emulated
machine keeps its disks and cards; paravirtual devices become virtio ones. Everything that changes is noted.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from virtctl.errors import InvalidArgument
from virtctl.schema.node import Node
from virtctl.xen.characters import refuse_binary, refuse_impossible
from virtctl.xen.convert import guess_format
from virtctl.xen.document import add_clock, add_numa, add_pins
from virtctl.xen.from_sexpr import NEWEST, guest_of_sexpr
from virtctl.xen.from_xl import guest_of_xl
from virtctl.xen.from_xm import guest_of_xm
from virtctl.xen.guest import Guest
from virtctl.xen.importing_devices import Renamed, add_devices
from virtctl.xen.mapping import VIRTUALIZATION_FLAGS

DECIDE = "decide: "
"""How a note begins that asks something of a person."""
_TYPES = ("kvm", "qemu")
_PVGRUB = re.compile(r"pv-?grub|pvgrub|pv-grub2|grub-(?:i386|x86_64)-xen", re.IGNORECASE)
# Where pygrub and its like leave the kernel that they took out of the guest's disk.
_EXTRACTED = re.compile(r"/(?:var/(?:lib|run)/xend?(?:/boot)?|run/xen\S*|tmp)/(?:boot_|vmlinuz|initrd|kernel|ramdisk)")


class Boot(NamedTuple):
    """The kernel that a person gives for a guest whose boot loader only Xen has."""

    kernel: str | None = None
    initrd: str | None = None
    cmdline: str | None = None


def import_xen(text: str, form: str | None = None, to: str = "kvm", boot: Boot | None = None,
               xend_version: int = NEWEST) -> tuple[Node, list[str]]:
    """(domain document, notes) of a native configuration; `form` None guesses which it is.

    `to` is kvm, or qemu for a host without it. Notes that begin with `decide: ` need a person.
    """
    if to not in _TYPES:
        raise InvalidArgument(f"domain type '{to}': expected kvm or qemu")
    refuse_binary(text)
    form = form or guess_format(text)
    if form == "xen-sxpr":
        guest = guest_of_sexpr(text, xend_version)
    elif form in ("xen-xm", "xen-xl"):
        guest = guest_of_xm(text) if form == "xen-xm" else guest_of_xl(text)
    else:
        raise InvalidArgument(f"unsupported config type {form}")
    made, notes = import_guest(guest, to, boot or Boot())
    refuse_impossible(made, text)
    return made, notes


def import_guest(guest: Guest, to: str, boot: Boot) -> tuple[Node, list[str]]:
    """(domain document, notes) of a guest."""
    notes = list(guest.notes)
    root = Node("domain", {"type": to})
    root.add("name", text=guest.name)
    root.add("uuid", text=guest.uuid)
    if guest.description is not None:
        root.add("description", text=guest.description)
    root.add("memory", {"unit": "KiB"}, str(guest.memory))
    root.add("currentMemory", {"unit": "KiB"}, str(guest.current_memory))
    root.add("vcpu", {"placement": "static", "cpuset": guest.cpuset,
                      "current": None if guest.online is None else str(guest.online)}, str(guest.vcpus))
    add_pins(root, guest)
    devices = Node("devices")
    renamed = add_devices(devices, guest, notes)
    _add_os(root, guest, boot, renamed, notes)
    _add_features(root, guest, to, notes)
    _add_cpu(root, guest, to, notes)
    _add_clock(root, guest, notes)
    for name, action in (("on_poweroff", guest.on_poweroff), ("on_reboot", guest.on_reboot),
                         ("on_crash", guest.on_crash)):
        if action == "rename-restart":
            notes.append(f"{name}: rename-restart is Xen's alone; restart takes its place")
        root.add(name, text="restart" if action == "rename-restart" else action)
    root.children.append(devices)
    _note_dropped(guest, notes)
    return root, notes


def _note_dropped(guest: Guest, notes: list[str]) -> None:
    dropped = [("e820_host", guest.e820_host), ("passthrough", guest.passthrough),
               ("max_grant_frames", guest.grant_frames), ("max_event_channels", guest.event_channels)]
    notes += [f"{name} is Xen's alone and left out" for name, value in dropped if value is not None]
    if guest.device_model_args:
        notes.append(f"{DECIDE}the device model's arguments ({' '.join(guest.device_model_args)}) are left out: name "
                     "the devices in the document, or use <qemu:commandline>")


def _add_os(root: Node, guest: Guest, boot: Boot, renamed: Renamed, notes: list[str]) -> None:
    os = root.add("os", {"firmware": "efi" if guest.flash else None})
    os.add("type", {"arch": "x86_64", "machine": "pc"}, "hvm")
    kernel, initrd, cmdline = _kernel(guest, boot, notes)
    for tag, text in (("kernel", kernel), ("initrd", initrd)):
        if text is not None:
            os.add(tag, text=text)
    if kernel is not None and cmdline:
        os.add("cmdline", text=_moved_cmdline(cmdline, renamed, notes))
    if guest.acpi_table is not None:
        os.add("acpi").add("table", {"type": "slic"}, guest.acpi_table)
    for device in guest.boot or ["hd"]:
        os.add("boot", {"dev": device})
    if guest.hvm and guest.loader is not None and not guest.flash:
        notes.append(f"{guest.loader} is Xen's firmware; QEMU's BIOS takes its place")


def _kernel(guest: Guest, boot: Boot, notes: list[str]) -> tuple[str | None, str | None, str | None]:
    """(kernel, initrd, cmdline), and what is to be done where there is none."""
    cmdline = boot.cmdline or guest.cmdline
    if guest.root is not None and boot.cmdline is None:
        cmdline = f"root={guest.root} {cmdline or ''}".strip()
    if boot.kernel is not None:
        return boot.kernel, boot.initrd, cmdline
    if guest.hvm:
        return guest.kernel, guest.initrd, guest.cmdline
    lost = guest.bootloader is not None or (guest.kernel is not None and _PVGRUB.search(guest.kernel))
    if not lost and guest.kernel is not None and not _EXTRACTED.match(guest.kernel):
        notes.append(f"{DECIDE}{guest.kernel} must be a kernel that boots on a PC with virtio drivers: Linux 2.6.32 or "
                     "later of a distribution does, a kernel built for Xen alone does not")
        return guest.kernel, guest.initrd, cmdline
    _note_bootloader(guest, cmdline, notes)
    return None, None, None


def _note_bootloader(guest: Guest, cmdline: str | None, notes: list[str]) -> None:
    what = guest.bootloader or guest.kernel or "no kernel at all"
    first = next((disk.source for disk in guest.disks if disk.device == "disk"), None)
    notes.append(f"{DECIDE}the guest was started by {what}, which only Xen has. QEMU now starts the boot loader of the "
                 f"first disk ({first or 'none is given'}). If that disk has none, do one of these: install GRUB on it "
                 "from a rescue system; or take the kernel and the initrd out of its /boot and name them at import "
                 "or as <kernel>, <initrd> and <cmdline>")
    if cmdline:
        notes.append(f"{DECIDE}the command line was '{cmdline}': it belongs to the kernel that you choose")


def _moved_cmdline(text: str, renamed: Renamed, notes: list[str]) -> str:
    """The kernel's words with the names that its devices have now."""
    moved = text
    for old, new in sorted(renamed.items(), key=lambda pair: -len(pair[0])):
        moved = re.sub(rf"(?<![A-Za-z0-9/])/dev/{re.escape(old)}(?![A-Za-z])", f"/dev/{new}", moved)
    moved = re.sub(r"(?<!\S)console=(?:hvc0|xvc0|tty(?=\s|\Z))", "console=ttyS0", moved)
    moved = re.sub(r"(?<!\S)xencons=\S+(\s+|\Z)", "", moved).rstrip() if "xencons=" in moved else moved
    if moved != text:
        notes.append(f"the command line '{text}' became '{moved}'")
    return moved


def _add_features(root: Node, guest: Guest, to: str, notes: list[str]) -> None:
    features = root.add("features")
    for name in ("acpi", "apic", "pae"):
        if guest.features.get(name, not guest.hvm):
            features.add(name)
    if guest.features.get("viridian"):
        if to == "kvm":
            hyperv = features.add("hyperv", {"mode": "custom"})
            for name, retries in (("relaxed", None), ("vapic", None), ("spinlocks", "8191")):
                hyperv.add(name, {"state": "on", "retries": retries})
        else:
            notes.append("viridian: emulated processors have no Hyper-V enlightenments")
    if guest.features.get("hap") is False:
        notes.append("hap=0 is left out: KVM chooses how it walks page tables")


def _add_cpu(root: Node, guest: Guest, to: str, notes: list[str]) -> None:
    wanted = [(policy, name) for policy, name in guest.cpu_features if policy != "optional"]
    host = guest.host_cpu and to == "kvm"
    if guest.host_cpu and not host:
        notes.append("cpuid and nestedhvm are left out: an emulated processor is not the host's")
    if not host and not guest.cells:
        return
    cpu = root.add("cpu", {"mode": "host-passthrough" if host else None})
    for policy, name in wanted if host else []:
        both = VIRTUALIZATION_FLAGS if name in VIRTUALIZATION_FLAGS else (name,)
        for flag in both:
            cpu.add("feature", {"policy": policy, "name": flag})
    add_numa(cpu, guest)


def _add_clock(root: Node, guest: Guest, notes: list[str]) -> None:
    kept = [timer for timer in guest.timers if timer.name == "hpet"]
    notes += [f"timer {timer.name} is left out: QEMU has no such setting" for timer in guest.timers
              if timer not in kept]
    add_clock(root, guest, kept)
