"""QEMU's own name space: options and properties handed over as they stand."""

from __future__ import annotations

from virtctl.schema.element import Children, Element, Field, Mode
from virtctl.schema.types import Enum, Str


class Arg(Element, tag="qemu:arg"):
    """One argument."""

    value = Field("@value", Str(), required=True, doc="the argument")


class Env(Element, tag="qemu:env"):
    """One environment variable."""

    name = Field("@name", Str(), required=True, doc="name")
    value = Field("@value", Str(), doc="value")


class CommandLine(Element, tag="qemu:commandline"):
    """Arguments and environment of the QEMU process."""

    args = Children("qemu:arg", Arg, doc="arguments, put last")
    envs = Children("qemu:env", Env, doc="environment variables")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.args or self.envs)


class QemuCapability(Element):
    """One capability of the QEMU program."""

    capability = Field("@capability", Str(), required=True, doc="its name")


class QemuCapabilities(Element, tag="qemu:capabilities"):
    """Capabilities of QEMU claimed or denied against what was found."""

    add = Children("qemu:add", QemuCapability, doc="claimed")
    remove = Children("qemu:del", QemuCapability, doc="denied")


class Property(Element, tag="qemu:property"):
    """One property of a device."""

    name = Field("@name", Str(), required=True, doc="name")
    type = Field("@type", Enum("string", "signed", "unsigned", "bool", "remove"), required=True,
                 doc="type of the value")
    value = Field("@value", Str(), doc="value")


class DeviceOverride(Element, tag="qemu:device"):
    """Properties of one device."""

    alias = Field("@alias", Str(), required=True, doc="alias of the device")
    properties = Children("qemu:frontend/qemu:property", Property, doc="properties set or removed")


class Override(Element, tag="qemu:override"):
    """Properties of devices set behind libvirt's back."""

    devices = Children("qemu:device", DeviceOverride, doc="devices")


class Deprecation(Element, tag="qemu:deprecation"):
    """What QEMU does when deprecated things are used."""

    behavior = Field("@behavior", Str(), required=True, doc="omit, reject or crash")
