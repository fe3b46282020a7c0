"""`<os>`: how the guest boots."""

from __future__ import annotations

from virtctl.schema.element import Child, Children, Element, Field, Mode
from virtctl.schema.types import Enum, Int, Str, YesNo


class FirmwareFeature(Element, tag="feature"):
    """What the chosen firmware must or must not do."""

    enabled = Field("@enabled", YesNo(), required=True, doc="whether it is wanted")
    name = Field("@name", Enum("enrolled-keys", "secure-boot"), required=True, doc="the feature")


class Loader(Element, tag="loader"):
    """The firmware's file."""

    readonly = Field("@readonly", YesNo(), doc="whether the guest may not write it")
    secure = Field("@secure", YesNo(), doc="whether secure boot is needed")
    type = Field("@type", Enum("rom", "pflash"), doc="how it is mapped")
    stateless = Field("@stateless", YesNo(), doc="whether it keeps nothing")
    format = Field("@format", Enum("raw", "qcow2"), doc="format of the file")
    path = Field(".", Str(), doc="the file")


class Nvram(Element, tag="nvram"):
    """Where the firmware keeps its variables."""

    type = Field("@type", Str(), doc="kind of the source, a disk's")
    template = Field("@template", Str(), doc="file from which a missing one is copied")
    format = Field("@format", Enum("raw", "qcow2"), doc="format of the file")
    path = Field(".", Str(), doc="the file")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.to_node(mode).attrs) or self.path is not None or bool(self.extras)


class Boot(Element, tag="boot"):
    """One kind of device to boot from."""

    dev = Field("@dev", Enum("fd", "cdrom", "hd", "network"), required=True, doc="kind of device")


class BootMenu(Element, tag="bootmenu"):
    """The firmware's menu."""

    enable = Field("@enable", YesNo(), doc="whether it is shown")
    timeout = Field("@timeout", Int(0, 2**31 - 1), doc="milliseconds that it is shown")


class AcpiTable(Element, tag="table"):
    """A table that the firmware hands to the guest."""

    type = Field("@type", Enum("slic"), required=True, doc="kind of table")
    path = Field(".", Str(), doc="file that holds it")


class InitArg(Element, tag="initarg"):
    """One argument of a container's first program."""

    value = Field(".", Str(), doc="the argument")


class InitEnv(Element, tag="initenv"):
    """One environment variable of a container."""

    name = Field("@name", Str(), required=True, doc="name")
    value = Field(".", Str(), doc="value")


class Os(Element, tag="os"):
    """How the guest boots."""

    firmware = Field("@firmware", Enum("bios", "efi"), doc="kind of firmware to look for")
    arch = Field("type/@arch", Str(), doc="processor architecture")
    machine = Field("type/@machine", Str(), doc="machine type")
    type = Field("type", Str(), doc="hvm: a whole machine")
    firmware_features = Children("firmware/feature", FirmwareFeature, doc="what the firmware must do")
    init = Field("init", Str(), doc="first program (containers)")
    initargs = Children("initarg", InitArg, doc="its arguments")
    initenvs = Children("initenv", InitEnv, doc="its environment")
    initdir = Field("initdir", Str(), doc="its working folder")
    inituser = Field("inituser", Str(), doc="its user")
    initgroup = Field("initgroup", Str(), doc="its group")
    loader = Child("loader", Loader, doc="the firmware's file")
    nvram = Child("nvram", Nvram, doc="the firmware's variables")
    kernel = Field("kernel", Str(), doc="Linux kernel that is started without a boot loader")
    initrd = Field("initrd", Str(), doc="its first file system")
    cmdline = Field("cmdline", Str(), doc="its command line")
    dtb = Field("dtb", Str(), doc="device tree")
    acpi_tables = Children("acpi/table", AcpiTable, doc="tables for the guest")
    boots = Children("boot", Boot, doc="kinds of devices to boot from, in order")
    bootmenu = Child("bootmenu", BootMenu, doc="the firmware's menu")
    use_serial = Field("bios/@useserial", YesNo(), doc="whether the BIOS shows itself on the serial port")
    reboot_timeout = Field("bios/@rebootTimeout", Int(-1, 65535), doc="milliseconds after a failed boot; -1: never")
    smbios = Field("smbios/@mode", Enum("emulate", "host", "sysinfo"), doc="where the SMBIOS tables come from")
