"""Domain documents to xl's files."""

from __future__ import annotations

from virtctl.schema.node import Node
from virtctl.xen.config import ConfigValue, write_config
from virtctl.xen.guest import OVMF, Channel, Graphics, Guest, Usb
from virtctl.xen.mapping import (
    VIRTUALIZATION_FLAGS,
    format_boot,
    format_cpuid,
    format_host_usb,
    format_usbctrl,
    format_vnuma,
)
from virtctl.xen.reading import read_document
from virtctl.xen.to_config import Values, common_values, put, put_usb_inputs, refuse
from virtctl.xen.xldisk import format_xl_disk

_WHAT = "xen-xl"


def to_xl(domain: Node, notes: list[str] | None = None) -> str:
    """The xl file of a domain document. Raises UnsupportedConfig for what xl cannot say."""
    guest = read_document(domain, _WHAT)
    if notes is not None:
        notes += guest.notes
    return xl_of_guest(guest)


def xl_of_guest(guest: Guest) -> str:
    """The xl file of a guest."""
    values = common_values(guest, _WHAT, "vif")
    _put_os(values, guest)
    _put_processor(values, guest)
    vnuma: list[ConfigValue] = [[*words] for words in format_vnuma(guest.cells)]
    put(values, "vnuma", vnuma)
    put(values, "max_grant_frames", guest.grant_frames)
    put(values, "max_event_channels", guest.event_channels)
    put(values, "disk", [format_xl_disk(disk) for disk in guest.disks])
    if guest.graphics and guest.graphics[0].kind == "spice":
        values.update(_spice(guest.graphics[0]))
    by_product = [usb for usb in guest.usb if usb.bus is None]
    put_usb_inputs(values, guest, [format_host_usb(usb) for usb in by_product], 64, _WHAT)
    put(values, "usbctrl", [format_usbctrl(controller) for controller in guest.usb_controllers])
    put(values, "usbdev", [_usbdev(usb) for usb in guest.usb if usb.bus is not None])
    put(values, "channel", [_channel(channel) for channel in guest.channels])
    put(values, "device_model_args", [*guest.device_model_args])
    return write_config(values, "xl")


def _put_os(values: Values, guest: Guest) -> None:
    refuse(_WHAT, [(guest.root, "domain/os/root")])
    if guest.hvm:
        values["builder"] = "hvm"
        _put_firmware(values, guest)
    else:
        refuse(_WHAT, [(guest.boot, "domain/os/boot of a paravirtual guest"), (guest.flash, "a flash loader"),
                       (guest.loader, "domain/os/loader of a paravirtual guest"),
                       (guest.acpi_table, "domain/os/acpi of a paravirtual guest")])
        if guest.kind == "xenpvh":
            values["type"] = "pvh"
        put(values, "bootloader", guest.bootloader or None)
        put(values, "bootargs", guest.bootloader_args)
    put(values, "kernel", guest.kernel)
    put(values, "ramdisk", guest.initrd)
    put(values, "cmdline", guest.cmdline)
    put(values, "boot", format_boot(guest.boot) or None)


def _put_firmware(values: Values, guest: Guest) -> None:
    if guest.flash:
        values["bios"] = "ovmf"
        if guest.loader not in (None, OVMF):
            put(values, "bios_path_override", guest.loader)
    elif guest.loader is not None and guest.loader.rpartition("/")[2] != "hvmloader":
        values["firmware_override"] = guest.loader
    put(values, "acpi_firmware", guest.acpi_table)


def _put_processor(values: Values, guest: Guest) -> None:
    if not guest.host_cpu:
        return
    nested = not any(policy in ("disable", "forbid") and name in VIRTUALIZATION_FLAGS
                     for policy, name in guest.cpu_features)
    if guest.hvm:
        values["nestedhvm"] = int(nested)
    put(values, "cpuid", format_cpuid(guest.cpu_features))


def _spice(graphics: Graphics) -> Values:
    values: Values = {"sdl": 0, "vnc": 0, "spice": 1}
    put(values, "spicehost", graphics.listen)
    put(values, "spiceport", graphics.port)
    put(values, "spicetls_port", graphics.tls_port)
    values["spicedisable_ticketing"] = int(graphics.passwd is None)
    put(values, "spicepasswd", graphics.passwd)
    if graphics.mouse is not None:
        values["spiceagent_mouse"] = int(graphics.mouse == "client")
    if graphics.mouse == "client" or graphics.copypaste:
        # Both are the agent's work.
        values["spicevdagent"] = 1
    if graphics.copypaste:
        values["spice_clipboard_sharing"] = 1
    put(values, "keymap", graphics.keymap)
    return values


def _usbdev(usb: Usb) -> str:
    return f"hostbus={usb.bus},hostaddr={usb.device}"


def _channel(channel: Channel) -> str:
    if channel.path is None:
        return f"connection=pty,name={channel.name}"
    return f"connection=socket,path={channel.path},name={channel.name}"
