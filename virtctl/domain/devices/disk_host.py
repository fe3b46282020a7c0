"""The servers, cookies, slices and reservation helpers of a disk's source."""

from __future__ import annotations

import re
from typing import Self

from virtctl.errors import InvalidArgument, UnsupportedConfig, XmlError
from virtctl.schema.element import INACTIVE, Child, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Int, Str, XmlType, YesNo


class HostPort(XmlType[int]):
    """A TCP port."""

    doc = "number from 0 to 65535"

    def parse(self, text: str) -> int:
        """The number."""
        if not text.isdecimal():
            raise ValueError("")
        return int(text)


class StorageHost(Element, tag="host"):
    """A server that has the image."""

    name = Field("@name", Str(), doc="host name or address")
    port = Field("@port", HostPort(), doc="its port; the protocol's own by default",
                 refused=(InvalidArgument, "failed to parse port number '%s'"))
    transport = Field("@transport", Enum("tcp", "rdma", "unix"), doc="how it is reached; tcp by default",
                      refused=(UnsupportedConfig, "unknown protocol transport type '%s'"))
    socket = Field("@socket", Str(), doc="path of its socket (unix)")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """A socket has no name and port."""
        if node.attrs.get("transport") == "unix":
            node = relevant(node, cls.plan, ("transport", "socket"))
        return super().parse(node, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """tcp is not written."""
        if self.transport == "unix" and self.socket is None:
            raise XmlError("missing socket for unix transport")
        if self.transport != "unix" and self.socket is not None:
            raise XmlError(f"transport '{self.transport or '(null)'}' does not support socket attribute")
        if self.transport != "unix" and self.name is None:
            raise XmlError("missing name for host")
        if self.port is not None and self.port > 0xFFFF:
            raise InvalidArgument(f"port '{self.port}' out of range")
        if self.transport == "tcp":
            self.transport = None
        self.port = self.port or None


class Slice(Element, tag="slice"):
    """A part of the image that is all the guest sees of it."""

    type = Field("@type", Str(), doc="what is cut: storage")
    offset = Field("@offset", Int(0, 2**64 - 1), doc="first byte")
    size = Field("@size", Int(0, 2**64 - 1), doc="bytes")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Both numbers."""
        if self.type == "storage" and (self.offset is None or self.size is None):
            raise XmlError("missing offset or size attribute of slice")


class ReservationsSource(Element, tag="source"):
    """The socket of a persistent reservation helper."""

    type = Field("@type", Enum("unix"), doc="kind of connection",
                 refused=(XmlError, "unsupported connection type for <reservations/>: %s"))
    path = Field("@path", Str(), doc="path of the socket")
    mode = Field("@mode", Enum("client"), doc="QEMU connects",
                 refused=(XmlError, "unsupported connection mode for <reservations/>: %s"))

    def parsed(self, node: Node, mode: Mode) -> None:
        """All three must be there."""
        for value, what in ((self.type, "connection type"), (self.path, "path"), (self.mode, "connection mode")):
            if value is None:
                raise XmlError(f"missing {what} for <reservations/>")


class Reservations(Element, tag="reservations"):
    """SCSI persistent reservations, carried out by a helper."""

    managed = Field("@managed", YesNo(), required=True, doc="whether the helper is started for the guest")
    source = Child("source", ReservationsSource, doc="the helper's socket, where it is not managed")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Another's helper must be named."""
        if not self.managed and self.source is None:
            raise XmlError("missing connection type for <reservations/>")


_COOKIE_NAME = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z|~]*\Z")
_COOKIE_OCTETS = r"""[!#$%&'()*+\-./0-9:<=>?@A-Z\[\]^_`a-z{|}~]*"""
_COOKIE_VALUE = re.compile(f'("{_COOKIE_OCTETS}"|{_COOKIE_OCTETS})\\Z')


class Cookie(Element, tag="cookie"):
    """A cookie that is sent to a web server."""

    name = Field("@name", Str(), doc="name of the cookie")
    value = Field(".", Str(), secret=True, doc="its value")

    def parsed(self, node: Node, mode: Mode) -> None:
        """A name and a value that HTTP can carry."""
        if not self.name:
            raise XmlError("missing cookie name")
        if not self.value:
            raise XmlError(f"missing value for cookie '{self.name}'")
        if not _COOKIE_NAME.match(self.name):
            raise XmlError(f"cookie name '{self.name}' contains invalid characters")
        if not _COOKIE_VALUE.match(self.value):
            raise XmlError(f"value of cookie '{self.name}' contains invalid characters")
