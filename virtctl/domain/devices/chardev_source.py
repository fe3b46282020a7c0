"""Where a character device's bytes go on the host: what serial ports, channels, rng, redirdev and others share.

`Chardev` is the base of every element that carries `type`, `<source>`, `<protocol>` and `<log>`. What a kind of
source does not use is never read, so a value that means nothing there is no reason to refuse the document.
"""

from __future__ import annotations

from typing import Self

from virtctl.domain.devices.device_seclabel import DeviceSeclabel, check_models
from virtctl.errors import InternalError, InvalidArgument, UnsupportedConfig, XmlError
from virtctl.schema.element import INACTIVE, Child, Children, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, OnOff, Str, UInt, YesNo

# What each kind of source reads, by field of ChardevSource.
USES: dict[str, tuple[str, ...]] = {
    "null": (), "vc": (), "stdio": (), "spicevmc": (),
    "pty": ("path",),
    "dev": ("path",),
    "file": ("path", "startup_policy", "append"),
    "pipe": ("path",),
    "udp": ("mode", "host", "service"),
    "tcp": ("mode", "host", "service", "tls", "tls_from_config", "reconnect"),
    "unix": ("mode", "path", "reconnect"),
    "spiceport": ("channel",),
    "dbus": ("channel",),
    "nmdm": ("master", "slave"),
    "qemu-vdagent": ("copypaste", "mouse"),
}
LABELLED = ("pty", "dev", "file", "pipe", "unix")  # what has a file that a security label goes on
CHANNEL_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class Reconnect(Element, tag="reconnect"):
    """Whether a client connects again when the other side goes away."""

    enabled = Field("@enabled", YesNo(), doc="whether to try again")
    timeout = Field("@timeout", UInt(), doc="seconds between two tries")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """The timeout counts only where it is enabled."""
        if node.attrs.get("enabled") == "no":
            node = relevant(node, cls.plan, ("enabled",))
        return super().parse(node, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """An enabled one needs its timeout."""
        if self.enabled is None:
            self.timeout = None
        elif self.enabled and self.timeout is None:
            raise self.missing(Reconnect.timeout)
        if self.enabled and self.timeout == 0:
            raise InvalidArgument("chardev reconnect source timeout cannot be '0'")

    def visible(self, mode: Mode) -> bool:
        """Without a word on whether it is on, there is nothing to say."""
        return self.enabled is not None


class ChardevSource(Element, tag="source"):
    """One `<source>` of a character device; `type` of its owner says which fields count."""

    mode = Field("@mode", Enum("connect", "bind"), doc="connect to a socket, or listen on it")
    path = Field("@path", Str(), doc="file, device, pipe, socket, or the pty of a running guest")
    startup_policy = Field("@startupPolicy", Enum("mandatory", "requisite", "optional"),
                           doc="what becomes of the start when the file cannot be opened; optional: /dev/null instead")
    append = Field("@append", OnOff(), doc="whether the file keeps what it holds at start")
    host = Field("@host", Str(), doc="host name or address")
    service = Field("@service", Str(), doc="port number or service name")
    tls = Field("@tls", YesNo(), doc="whether the connection is encrypted")
    tls_from_config = Field("@tlsFromConfig", UInt(1), live=True, doc="1: tls comes from the host's configuration")
    channel = Field("@channel", Str(), doc="name of the SPICE or D-Bus channel")
    master = Field("@master", Str(), doc="master side of a null modem (bhyve)")
    slave = Field("@slave", Str(), doc="slave side of a null modem (bhyve)")
    seclabels = Children("seclabel", DeviceSeclabel, doc="a security label of its own")
    reconnect = Child("reconnect", Reconnect, doc="whether a lost connection is made again (tcp, unix)")
    copypaste = Field("clipboard/@copypaste", YesNo(), doc="whether the clipboard is shared (qemu-vdagent)")
    mouse = Field("mouse/@mode", Enum("server", "client"), doc="who draws the pointer (qemu-vdagent)")

    def parsed(self, node: Node, mode: Mode) -> None:
        """One label a security driver; an element for the agent says something."""
        check_models(self.seclabels)
        for field in (ChardevSource.copypaste, ChardevSource.mouse):
            if node.find(field.steps[0]) is not None and self.__dict__.get(field.name) is None:
                raise self.missing(field)


class Chardev(Element):
    """Base of every element with a character device behind it."""

    type = Field("@type", Enum(*USES), doc="kind of source on the host", refused=(
        UnsupportedConfig, "unknown type presented to host for character device: %s"))
    sources = Children("source", ChardevSource, doc="where the bytes go; udp may have one to bind and one to connect")
    protocol = Field("protocol/@type", Enum("raw", "telnet", "telnets", "tls"), doc="how bytes travel over tcp",
                     refused=(UnsupportedConfig, "Unknown protocol '%s'"))
    log_file = Field("log/@file", Str(), doc="file that gets a copy of what the guest writes")
    log_append = Field("log/@append", OnOff(), doc="whether that file keeps what it holds at start")

    TYPE = "pty"  # what an absent type means

    @property
    def kind(self) -> str:
        """The kind of source, the default one where the document has none."""
        return self.type or self.TYPE

    @property
    def source(self) -> ChardevSource | None:
        """The only source; of two udp ones that to connect to."""
        return next((one for one in self.sources if self.kind != "udp" or one.mode != "bind"), None)

    @property
    def bind(self) -> ChardevSource | None:
        """The udp source that is bound."""
        return next((one for one in self.sources if self.kind == "udp" and one.mode == "bind"), None)

    @property
    def path(self) -> str | None:
        """The path of the source, where the kind has one."""
        return self.source.path if self.source else None

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads it, leaving out what its kind does not use."""
        kind = node.attrs.get("type") or cls.TYPE
        cls.check_first(node)
        _check_counts(node, kind)
        return super().parse(_narrow(node, kind), mode)

    @classmethod
    def check_first(cls, node: Node) -> None:
        """Called before anything is read. Nothing by default."""

    def parsed(self, node: Node, mode: Mode) -> None:
        """Fills in what libvirt writes though the user did not."""
        super().parsed(node, mode)
        if self.log_file is None:
            self.log_append = None
        if self.kind == "tcp" and self.protocol is None:
            self.protocol = "raw"
        if self.kind == "pty" and not mode.live:
            self.sources = []
        if self.kind in ("tcp", "udp", "unix"):
            for source in self.sources:
                source.mode = source.mode or "connect"
        self._drop_empty()

    def _drop_empty(self) -> None:
        if self.kind not in LABELLED:
            for source in self.sources:
                source.seclabels = []
        self.sources = [one for one in self.sources if _says_something(one, self.kind)]
        if self.kind == "udp":
            self.sources = [one for one in (self.bind, self.source) if one is not None]

    def written(self, node: Node, mode: Mode) -> None:
        """The pty is a running guest's."""
        super().written(node, mode)
        if self.kind == "pty" and not mode.live:
            node.children = [child for child in node.children if child.tag != "source"]

    def check_source(self, *, path_optional: bool = False) -> None:
        """Refuses a source that lacks what its kind needs."""
        check_source(self, path_optional=path_optional)


def _check_counts(node: Node, kind: str) -> None:
    sources = sum(1 for _ in node.all("source"))
    if sources > 1 and kind != "udp":
        raise XmlError("only one source element is allowed for character device")
    if sources > 2:
        raise XmlError("only two source elements are allowed for character device")
    for tag in ("log", "protocol"):
        if sum(1 for _ in node.all(tag)) > 1:
            raise XmlError(f"only one {tag} element is allowed for character device")


def _narrow(node: Node, kind: str) -> Node:
    """A copy of `node` whose sources hold only what `kind` reads. Raises where startupPolicy stands on another kind."""
    uses = USES.get(kind)
    if uses is None:
        return node
    kept = Node(node.tag, node.attrs, node.text, node.line)
    for child in node.children:
        if child.tag == "source":
            if "startupPolicy" in child.attrs and kind != "file":
                raise UnsupportedConfig(f"startupPolicy is only supported for a source of type 'file', not '{kind}'")
            child = relevant(child, ChardevSource.plan, (*uses, "seclabels"))
        elif child.tag == "protocol" and kind != "tcp":
            continue
        kept.children.append(child)
    return kept


def _says_something(source: ChardevSource, kind: str) -> bool:
    if kind in ("unix", "pty"):
        return source.path is not None
    if kind == "udp":
        return source.host is not None or source.service is not None
    return bool(source.to_node(Mode(live=True, secure=True)).attrs) or bool(source.to_node().children)


def check_source(chardev: Chardev, *, path_optional: bool = False) -> None:
    """The rules of libvirt about what a source must say. `path_optional`: a unix path may be made up at start."""
    source, kind = chardev.source or ChardevSource(), chardev.kind
    if kind in ("file", "dev", "pipe") or (kind == "unix" and not path_optional):
        _need(source.path, "Missing source path attribute for char device")
    elif kind == "nmdm" and (source.master is None) != (source.slave is None):
        raise InternalError("Should define both master and slave path attributes for nmdm device")
    elif kind == "tcp":
        _need(source.host, "Missing source host attribute for char device")
        _need(source.service, "Missing source service attribute for char device")
    elif kind == "udp":
        _need(source.service, "Missing source service attribute for char device")
    elif kind in ("spiceport", "dbus"):
        _check_channel_name(source.channel)
    if source.reconnect and source.reconnect.enabled is not None and source.mode == "bind":
        raise InternalError("chardev reconnect is possible only for connect mode")


def _need(value: str | None, message: str) -> None:
    if value is None:
        raise InternalError(message)


def _check_channel_name(name: str | None) -> None:
    if name is None:
        raise UnsupportedConfig("Missing source channel attribute for char device")
    if not CHANNEL_NAME.issuperset(name):
        raise InvalidArgument("Invalid character in source channel for char device")
