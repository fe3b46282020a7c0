"""`<tpm>`: the guest's security chip."""

from __future__ import annotations

from typing import Self

from virtctl.domain.devices.chardev_source import ChardevSource
from virtctl.domain.devices.device import Device
from virtctl.errors import InternalError, UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import INACTIVE, Child, Element, Field, Flag, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Str, Uuid, YesNo

USES = {"passthrough": ("type", "device"),
        "emulator": ("type", "version", "persistent_state", "encryption", "banks"),
        "external": ("type", "source")}


class PcrBanks(Element, tag="active_pcr_banks"):
    """The banks of registers that are in use."""

    sha1 = Flag("sha1", doc="SHA-1")
    sha256 = Flag("sha256", doc="SHA-256")
    sha384 = Flag("sha384", doc="SHA-384")
    sha512 = Flag("sha512", doc="SHA-512")

    def unknown(self, child: Node, where: str, mode: Mode) -> None:
        """A bank that nobody knows is refused, as libvirt does."""
        raise UnsupportedConfig(f"Unsupported PCR banks '{child.tag}'")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.__dict__)


class ExternalSource(ChardevSource, tag="source"):
    """The socket of a TPM that somebody else runs."""

    type = Field("@type", Str(), doc="unix")

    @classmethod
    def output_order(cls, found: dict[str, Declared]) -> list[Declared]:
        """The kind comes first."""
        return sorted(found.values(), key=lambda field: field.name != "type")


class Backend(Element, tag="backend"):
    """What does the work."""

    type = Field("@type", Enum(*USES), required=True, doc="a host device, a program of ours, or somebody else's")
    version = Field("@version", Enum("1.2", "2.0", hidden=("default",)), doc="version of the standard (emulator)")
    persistent_state = Field("@persistent_state", YesNo(), doc="whether the state outlives the definition (emulator)",
                             refused=(InternalError, "Invalid persistent_state value, either 'yes' or 'no'"))
    device = Field("device/@path", Str(), doc="host device (passthrough)")
    encryption = Field("encryption/@secret", Uuid(), doc="secret that encrypts the state (emulator)",
                       refused=(InternalError, "Unable to parse secret uuid '%s'"))
    banks = Child("active_pcr_banks", PcrBanks, doc="banks of registers (emulator, 2.0)")
    source = Child("source", ExternalSource, doc="socket of the TPM (external)")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Each kind reads its own."""
        kind = node.attrs.get("type", "")
        return super().parse(relevant(node, cls.plan, USES.get(kind, ("type",))), mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """The usual device; the kinds of socket that QEMU can take."""
        if self.type == "passthrough":
            self.device = self.device or "/dev/tpm0"
        if self.type == "external":
            self._check_external()

    def _check_external(self) -> None:
        if self.source is None or self.source.type is None:
            raise XmlError("missing external TPM backend type")
        if self.source.type != "unix":
            raise XmlError("only source type 'unix' is supported for external TPM device")
        if self.source.path is None:
            raise XmlError("missing socket path for external TPM device")
        if self.source.mode == "bind":
            raise XmlError("only 'client' mode is supported for external TPM device")
        self.source.mode = "connect"


class Tpm(Device, tag="tpm"):
    """A trusted platform module."""

    model = Field("@model", Enum("tpm-tis", "tpm-crb", "tpm-spapr", "spapr-tpm-proxy"), doc="emulated card")
    backend = Child("backend", Backend, doc="what does the work")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a backend that is not there."""
        return XmlError("missing TPM device backend")

    def parsed(self, node: Node, mode: Mode) -> None:
        """One backend; the card and the version that PCs usually have."""
        super().parsed(node, mode)
        if self.backend is None:
            raise self.missing(Tpm.backend)
        if sum(1 for _ in node.all("backend")) > 1:
            raise XmlError("only one TPM backend is supported")
        self.model = self.model or "tpm-tis"
        if self.backend.type == "emulator" and self.backend.version in (None, "default"):
            self.backend.version = "2.0" if self.model in ("tpm-crb", "tpm-spapr") else "1.2"

    def check(self) -> None:
        """Version 1.2 knows less."""
        super().check()
        backend = self.backend
        if backend is None or backend.type != "emulator" or backend.version != "1.2":
            return
        if backend.banks is not None and backend.banks.visible(INACTIVE):
            raise XmlError("<active_pcr_banks/> requires TPM version '2.0'")
