"""`<lease>`: a lock that is held while the guest runs."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.errors import XmlError
from virtctl.schema.element import Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Int, Str


class Lease(Device, tag="lease"):
    """A lease of a lock manager."""

    lockspace = Field("lockspace", Str(), doc="lock space that holds the key")
    key = Field("key", Str(), doc="name of the lease")
    path = Field("target/@path", Str(), doc="file that holds the lease")
    offset = Field("target/@offset", Int(0, 2**64 - 1), doc="place of the lease in that file")

    def parsed(self, node: Node, mode: Mode) -> None:
        """A key and a file."""
        if self.lockspace is None:
            raise XmlError("Missing 'lockspace' element for lease")
        if self.key is None:
            raise XmlError("Missing 'key' element for lease")
        if node.find("target") is None:
            raise XmlError("Missing 'target' element for lease")
        if self.path is None:
            raise XmlError("Missing 'path' attribute to 'target' element for lease")
        self.offset = self.offset or None
