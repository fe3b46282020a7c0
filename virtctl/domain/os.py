"""`<os>`: how the guest boots."""

from __future__ import annotations

from typing import Self

from virtctl.domain.devices.disk_source import DiskSource, narrowed
from virtctl.errors import UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import INACTIVE, Child, Children, Dropped, Element, Field, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Int, Str, UInt, YesNo

FEATURES = ("enrolled-keys", "secure-boot")
REBOOT = Int(reason="Expected integer value")


class FirmwareFeature(Element, tag="feature"):
    """What the chosen firmware must or must not do."""

    enabled = Field("@enabled", YesNo(), required=True, doc="whether it is wanted")
    name = Field("@name", Enum(*FEATURES), required=True, doc="the feature")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a value that is not there; libvirt looks for the name first."""
        return super().missing(FirmwareFeature.name if self.__dict__.get("name") is None else field)


class Loader(Element, tag="loader"):
    """The firmware's file."""

    readonly = Field("@readonly", YesNo(), doc="whether the guest may not write it")
    secure = Field("@secure", YesNo(), doc="whether secure boot is needed")
    type = Field("@type", Enum("rom", "pflash"), doc="how it is mapped")
    stateless = Field("@stateless", YesNo(), doc="whether it keeps nothing")
    format = Dropped("@format", doc="format of the file, of later versions")
    path = Field(".", Str(), doc="the file")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return any(value is not None for name, value in self.__dict__.items() if name != "_extras")


class Nvram(Element, tag="nvram"):
    """Where the firmware keeps its variables."""

    template = Field("@template", Str(), doc="file from which a missing one is copied")
    type = Field("@type", Enum("file", "block", "dir", "network", "volume", "nvme", "vhostuser"),
                 doc="kind of the source; without it, the path is the text")
    format = Dropped("@format", doc="format of the file, of later versions")
    path = Field(".", Str(), doc="the file")
    source = Child("source", DiskSource, doc="where it is, as of a disk")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """A typed one has a source, one without a type a path."""
        kept = Node(node.tag, node.attrs, None if "type" in node.attrs else node.text, node.line)
        for child in node.children:
            if child.tag != "source":
                kept.children.append(child)
            elif "type" in node.attrs:
                kept.children.append(narrowed(child, node.attrs["type"]))
        return super().parse(kept, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """A typed one must have its source."""
        if self.type is not None and self.source is None:
            raise XmlError(f"missing source for nvram of type '{self.type}'")

    def check(self) -> None:
        """The kinds of source that QEMU can take for variables."""
        if self.type not in (None, "file", "block", "network"):
            raise UnsupportedConfig(f"unsupported nvram disk type '{self.type}'")

    def written(self, node: Node, mode: Mode) -> None:
        """A source that says nothing is not written."""
        node.children = [child for child in node.children if child.tag != "source" or child.attrs or child.children]

    @property
    def placed(self) -> bool:
        """Whether it is told where the variables are."""
        return self.path is not None or self.source is not None

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return self.placed or self.template is not None or bool(self.extras)


class Boot(Element, tag="boot"):
    """One kind of device to boot from."""

    dev = Field("@dev", Enum("fd", "cdrom", "hd", "network"), required=True, doc="kind of device")


class BootMenu(Element, tag="bootmenu"):
    """The firmware's menu."""

    enable = Field("@enable", YesNo(), doc="whether it is shown")
    timeout = Field("@timeout", UInt(), doc="milliseconds that it is shown")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Only a menu that is shown can time out."""
        if node.attrs.get("enable") != "yes":
            node = relevant(node, cls.plan, ("enable",))
        return super().parse(node, mode)

    def check(self) -> None:
        """What the firmware can count."""
        if self.timeout is not None and self.timeout > 65535:
            raise UnsupportedConfig("invalid value for boot menu timeout, must be in range [0,65535]")

    def visible(self, mode: Mode) -> bool:
        """One that is neither on nor off is not written."""
        return self.enable is not None


class AcpiTable(Element, tag="table"):
    """A table that the firmware hands to the guest."""

    type = Field("@type", Enum("slic"), required=True, doc="kind of table",
                 refused=(XmlError, "Unknown acpi table type: %s"))
    path = Field(".", Str(), default="", doc="file that holds it")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a kind that is not there."""
        return XmlError("Missing acpi table type")


class Os(Element, tag="os"):
    """How the guest boots."""

    firmware = Field("@firmware", Enum("bios", "efi", hidden=("",)), doc="kind of firmware that is looked for at start",
                     refused=(XmlError, "unknown firmware value %s"))
    arch = Field("type/@arch", Str(), doc="processor architecture")
    machine = Field("type/@machine", Str(), doc="machine type")
    type = Field("type", Str(), doc="hvm: a whole machine")
    firmware_features = Children("firmware/feature", FirmwareFeature, doc="what the firmware must do")
    init = Dropped("init", doc="first program of a container")
    initarg = Dropped("initarg", doc="its arguments")
    initenv = Dropped("initenv", doc="its environment")
    initdir = Dropped("initdir", doc="its working folder")
    inituser = Dropped("inituser", doc="its user")
    initgroup = Dropped("initgroup", doc="its group")
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
    reboot_timeout = Field("bios/@rebootTimeout", REBOOT, doc="milliseconds after a failed boot; -1: never")
    smbios = Field("smbios/@mode", Enum("emulate", "host", "sysinfo", hidden=("none",)),
                   doc="where the SMBIOS tables come from", refused=(UnsupportedConfig, "unknown smbios mode '%s'"))

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Any word but yes means no serial output."""
        bios = node.find("bios")
        if bios is not None and bios.attrs.get("useserial", "yes") != "yes":
            bios.attrs["useserial"] = "no"
        return super().parse(node, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """Words that mean nothing are dropped; four boot devices count."""
        self.firmware = self.firmware or None
        self.machine = self.machine or None
        self.smbios = None if self.smbios == "none" else self.smbios
        self.boots = self.boots[:4]
        self._sort_features()
        if len(self.acpi_tables) > 1:
            raise XmlError("Only one acpi table is supported")
        if self.nvram is not None and self.loader is None:
            self.loader = Loader()

    def _sort_features(self) -> None:
        wanted = {feature.name: feature.enabled for feature in self.firmware_features}
        if wanted.get("enrolled-keys"):
            wanted.setdefault("secure-boot", True)
        self.firmware_features = [FirmwareFeature(name=name, enabled=wanted[name]) for name in FEATURES
                                  if name in wanted]

    def check(self) -> None:
        """What the firmware can count."""
        if self.reboot_timeout is not None and not -1 <= self.reboot_timeout <= 65535:
            raise UnsupportedConfig("invalid value for rebootTimeout, must be in range [-1,65535]")
