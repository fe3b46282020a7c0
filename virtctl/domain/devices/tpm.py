"""`<tpm>`: the guest's security chip."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.schema.element import Field
from virtctl.schema.types import Enum, Str, Uuid, YesNo


class Tpm(Device, tag="tpm"):
    """A trusted platform module."""

    model = Field("@model", Enum("tpm-tis", "tpm-crb", "tpm-spapr", "spapr-tpm-proxy"), doc="emulated card")
    backend = Field("backend/@type", Enum("passthrough", "emulator", "external"), required=True,
                    doc="what does the work")
    version = Field("backend/@version", Enum("1.2", "2.0"), doc="version (emulator)")
    persistent_state = Field("backend/@persistent_state", YesNo(), doc="whether the state outlives the definition")
    device = Field("backend/device/@path", Str(), doc="host device (passthrough)")
    encryption = Field("backend/encryption/@secret", Uuid(), doc="secret that encrypts the state (emulator)")
