"""Domain documents to xm's files."""

from __future__ import annotations

from virtctl.errors import UnsupportedConfig
from virtctl.schema.node import Node
from virtctl.xen.config import write_config
from virtctl.xen.disks import format_xm_disk
from virtctl.xen.guest import Guest
from virtctl.xen.mapping import format_boot
from virtctl.xen.reading import read_document
from virtctl.xen.to_config import Values, common_values, host_words, put, put_usb_inputs, refuse

_WHAT = "xen-xm"


def to_xm(domain: Node, notes: list[str] | None = None) -> str:
    """The xm file of a domain document. Raises UnsupportedConfig for what xm cannot say."""
    guest = read_document(domain, _WHAT)
    if notes is not None:
        notes += guest.notes
    return xm_of_guest(guest)


def xm_of_guest(guest: Guest) -> str:
    """The xm file of a guest."""
    refuse(_WHAT, [
        (guest.kind == "xenpvh", "os type 'xenpvh'"), (guest.host_cpu, "domain/cpu"), (guest.cells, "domain/cpu/numa"),
        (guest.grant_frames is not None, "maxGrantFrames"), (guest.event_channels is not None, "maxEventChannels"),
        (guest.channels, "a channel"), (guest.usb_controllers, "a USB controller"),
        (guest.acpi_table, "domain/os/acpi"), (guest.flash, "a flash loader"),
        (guest.device_model_args, "domain/xen:commandline"),
        (any(pci.managed for pci in guest.pci), "a managed hostdev"),
        (any(disk.discard for disk in guest.disks), "discard of a disk")])
    values = common_values(guest, _WHAT, "netfront")
    _put_boot(values, guest)
    floppies = [disk for disk in guest.disks if disk.device == "floppy"]
    put(values, "disk", [format_xm_disk(disk) for disk in guest.disks if disk.device != "floppy"])
    for disk in floppies:
        if not guest.hvm or disk.target not in ("fda", "fdb") or disk.source is None or disk.kind != "file":
            raise UnsupportedConfig(f"floppy '{disk.target}' cannot be expressed in {_WHAT}")
        values[disk.target] = disk.source
    put_usb_inputs(values, guest, host_words(guest), 1, _WHAT)
    return write_config(values, "xm")


def _put_boot(values: Values, guest: Guest) -> None:
    if guest.hvm:
        refuse(_WHAT, [(guest.kernel, "domain/os/kernel of an hvm guest"),
                       (guest.initrd, "domain/os/initrd of an hvm guest"),
                       (guest.cmdline, "domain/os/cmdline of an hvm guest"),
                       (guest.root, "domain/os/root of an hvm guest")])
        values["builder"] = "hvm"
        put(values, "kernel", guest.loader)
        put(values, "boot", format_boot(guest.boot) or None)
        return
    refuse(_WHAT, [(guest.boot, "domain/os/boot of a paravirtual guest"),
                   (guest.loader, "domain/os/loader of a paravirtual guest")])
    put(values, "bootloader", guest.bootloader or None)
    put(values, "bootargs", guest.bootloader_args)
    put(values, "kernel", guest.kernel)
    put(values, "ramdisk", guest.initrd)
    put(values, "root", guest.root)
    put(values, "extra", guest.cmdline)
