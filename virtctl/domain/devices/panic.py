"""`<panic>`: the guest reports its own crash."""

from __future__ import annotations

from virtctl.domain.devices.address import IsaAddress
from virtctl.domain.devices.device import Device
from virtctl.errors import UnsupportedConfig
from virtctl.schema.element import Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Enum

FOREIGN = {"pseries": "pSeries", "s390": "S390"}


class Panic(Device, tag="panic"):
    """A device to which the guest's kernel reports a crash."""

    model = Field("@model", Enum("isa", "pseries", "hyperv", "s390", hidden=("default",)), doc="emulated device",
                  refused=(UnsupportedConfig, "unknown panic model '%s'"))

    def parsed(self, node: Node, mode: Mode) -> None:
        """A PC's device sits on the ISA bus."""
        super().parsed(node, mode)
        if self.model in (None, "default"):
            self.model = "isa"

    def check(self) -> None:
        """Which machine has it, and where."""
        super().check()
        if self.model in FOREIGN:
            raise UnsupportedConfig(f"only {FOREIGN[self.model]} guests support panic device of model '{self.model}'")
        if self.model == "hyperv" and self.address is not None:
            raise UnsupportedConfig("setting the panic device address is not supported for model 'hyperv'")
        if self.model == "isa" and self.address is not None and not isinstance(self.address, IsaAddress):
            raise UnsupportedConfig("panic is supported only with ISA address type")
