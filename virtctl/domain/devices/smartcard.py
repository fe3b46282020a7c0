"""`<smartcard>`: a smart card of the host, certificates that stand for one, or one over a character device."""

from __future__ import annotations

from typing import Self

from virtctl.domain.devices.chardev_source import Chardev
from virtctl.domain.devices.device import Device
from virtctl.errors import UnsupportedConfig, XmlError
from virtctl.schema.element import INACTIVE, Children, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Str

DATABASE = "/etc/pki/nssdb"  # where the certificates are looked for when the document does not say


_CHARDEV = frozenset(field.name for field in Chardev.fields)
_DROPS = {
    "host": _CHARDEV | {"certificates", "database"},
    "host-certificates": _CHARDEV,
    "passthrough": frozenset({"certificates", "database"}),
}


class Certificate(Element, tag="certificate"):
    """The name of one certificate."""

    name = Field(".", Str(), default="", doc="nickname of the certificate")


class Smartcard(Chardev, Device, tag="smartcard"):
    """A smart card."""

    mode = Field("@mode", Enum("host", "host-certificates", "passthrough"), required=True,
                 doc="the host's reader, certificates of the host, or a character device")
    type = Chardev.type
    certificates = Children("certificate", Certificate, doc="names of the certificates (host-certificates)")
    database = Field("database", Str(), doc="folder of the certificates (host-certificates)")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads what the mode uses."""
        kind = node.attrs.get("mode", "")
        if kind == "passthrough" and "type" not in node.attrs:
            raise XmlError("passthrough mode requires a character device type attribute")
        dropped = _DROPS.get(kind, frozenset())
        return super().parse(relevant(node, cls.plan, {field.name for field in cls.fields} - dropped), mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """Three certificates, no more; a source where there is one."""
        if self.mode == "passthrough":
            super().parsed(node, mode)
        if self.address is not None and self.address.type != "ccid":
            raise UnsupportedConfig("Controllers must use the 'ccid' address type")
        if self.mode == "host-certificates":
            if len(self.certificates) != 3:
                raise XmlError("host-certificates mode needs exactly three certificates")
            if self.database is not None and not self.database.startswith("/"):
                raise XmlError(f"expecting absolute path: {self.database}")

    def check(self) -> None:
        """The source must be whole."""
        if self.mode == "passthrough":
            self.check_source()
