"""QEMU's own name space: options and properties handed over as they stand."""

from __future__ import annotations

import re

from virtctl.errors import InternalError, VirtctlError, XmlError
from virtctl.schema.element import Children, Element, Field, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Str


class Arg(Element, tag="qemu:arg"):
    """One argument."""

    value = Field("@value", Str(), required=True, doc="the argument")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a value that is not there."""
        return InternalError("No qemu command-line argument specified")


class Env(Element, tag="qemu:env"):
    """One environment variable."""

    name = Field("@name", Str(), required=True, doc="name")
    value = Field("@value", Str(), doc="value")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a name that is not there."""
        return InternalError("No qemu environment name specified")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Names are what a shell takes."""
        if not re.match(r"[A-Za-z_]", self.name):
            raise InternalError("Invalid environment name, it must begin with a letter or underscore")
        if not re.fullmatch(r"[A-Za-z0-9_]+", self.name):
            raise InternalError("Invalid environment name, it must contain only alphanumerics and underscore")


class CommandLine(Element, tag="qemu:commandline"):
    """Arguments and environment of the QEMU process."""

    args = Children("qemu:arg", Arg, doc="arguments, put last")
    envs = Children("qemu:env", Env, doc="environment variables")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.args or self.envs or self.extras)


class QemuCapability(Element):
    """One capability of the QEMU program."""

    capability = Field("@capability", Str(), required=True, doc="its name")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a name that is not there."""
        return InternalError("missing capability name")


class QemuCapabilities(Element, tag="qemu:capabilities"):
    """Capabilities of QEMU claimed or denied against what was found."""

    add = Children("qemu:add", QemuCapability, doc="claimed")
    remove = Children("qemu:del", QemuCapability, doc="denied")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.add or self.remove or self.extras)


class Property(Element, tag="qemu:property"):
    """One property of a device."""

    name = Field("@name", Str(), required=True, doc="name")
    type = Field("@type", Enum("string", "signed", "unsigned", "bool", "remove"), required=True,
                 doc="type of the value")
    value = Field("@value", Str(), doc="value")

    VALUES = {"signed": r"[+-]?\d+", "unsigned": r"\+?\d+", "bool": "true|false"}

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a value that is not there."""
        if field.name == "name":
            return XmlError("missing 'name' attribute for qemu:property")
        return XmlError("Missing required attribute 'type' in element 'property'")

    def parsed(self, node: Node, mode: Mode) -> None:
        """The value is of the type; what is removed has none."""
        if self.type == "remove":
            if self.value is not None:
                raise XmlError("setting 'value' attribute of 'qemu:property' doesn't make sense with 'remove' type")
        elif self.value is None:
            raise XmlError("missing 'value' attribute for 'qemu:property'")
        elif not re.fullmatch(self.VALUES.get(self.type, "(?s).*"), self.value):
            raise XmlError(f"invalid value '{self.value}' of 'value' attribute of 'qemu:property'")


class DeviceOverride(Element, tag="qemu:device"):
    """Properties of one device."""

    alias = Field("@alias", Str(), required=True, doc="alias of the device")
    properties = Children("qemu:frontend/qemu:property", Property, doc="properties set or removed")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for an alias that is not there."""
        return XmlError("missing 'alias' attribute for qemu:device")


class Override(Element, tag="qemu:override"):
    """Properties of devices set behind libvirt's back."""

    devices = Children("qemu:device", DeviceOverride, doc="devices")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.devices or self.extras)


class Deprecation(Element, tag="qemu:deprecation"):
    """What QEMU does when deprecated things are used."""

    behavior = Field("@behavior", Str(), doc="omit, reject or crash")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return self.behavior is not None or bool(self.extras)
