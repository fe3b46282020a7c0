"""`<secret>`, `<auth>`, `<encryption>`: who opens an image, and with what."""

from __future__ import annotations

from typing import Self

from virtctl.errors import UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import INACTIVE, Child, Children, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Str, UInt, Uuid

SECRET_TYPES = ("none", "volume", "ceph", "iscsi", "tls", "vtpm")


class Secret(Element, tag="secret"):
    """Names a secret of the host, by its uuid or by what it is for."""

    type = Field("@type", Str(), doc="kind of secret: passphrase, ceph, iscsi, tls, vtpm")
    usage = Field("@usage", Str(), doc="what the secret is for")
    uuid = Field("@uuid", Uuid(), doc="identity of the secret", refused=(XmlError, "invalid secret uuid '%s'"))

    def parsed(self, node: Node, mode: Mode) -> None:
        """One of the two names, and only one."""
        if self.uuid is None and self.usage is None:
            raise XmlError("missing secret uuid or usage attribute")
        if self.uuid is not None and self.usage is not None:
            raise XmlError("either secret uuid or usage expected")


class Auth(Element, tag="auth"):
    """Who we are for a network storage server."""

    type = Field("@type", Enum("none", "chap", "ceph"), doc="kind of authentication (old form)",
                 refused=(UnsupportedConfig, "unknown auth type '%s'"))
    username = Field("@username", Str(), doc="name of the user")
    secret = Child("secret", Secret, doc="the password")

    def parsed(self, node: Node, mode: Mode) -> None:
        """A user, and a secret of a kind that means something."""
        if self.username is None:
            raise XmlError("missing username for auth")
        if self.secret is None:
            raise XmlError("Missing <secret> element in auth")
        if self.secret.type not in SECRET_TYPES:
            raise UnsupportedConfig(f"unknown secret type '{self.secret.type or '<null>'}'")
        if self.type == "none":
            self.type = None


class Cipher(Element):
    """An algorithm of an encrypted volume: for volumes only, and refused for a disk."""

    name = Field("@name", Str(), doc="algorithm, such as aes")
    size = Field("@size", UInt(), doc="bits of the key")
    mode = Field("@mode", Str(), doc="mode of operation, such as xts")
    hash = Field("@hash", Str(), doc="digest, such as sha256")


class Encryption(Element, tag="encryption"):
    """How the image is encrypted."""

    format = Field("@format", Enum("default", "qcow", "luks", "luks2"), doc="kind of encryption",
                   refused=(UnsupportedConfig, "unknown volume encryption format type %s"))
    engine = Field("@engine", Enum("qemu", "librbd"), doc="who decrypts: QEMU, or the RBD library")
    secrets = Children("secret", Secret, doc="the passphrase")
    cipher = Child("cipher", Cipher, doc="algorithm of a volume; refused for a disk")
    ivgen = Child("ivgen", Cipher, doc="initialization vectors of a volume; refused for a disk")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """The cipher counts for LUKS only."""
        if node.attrs.get("format") != "luks":
            node = relevant(node, cls.plan, ("format", "engine", "secrets"))
        return super().parse(node, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """A format, and secrets that are passphrases."""
        if self.format is None:
            raise XmlError("unknown volume encryption format")
        if self.ivgen is not None and self.cipher is None:
            raise XmlError("ivgen element found, but cipher is missing")
        for secret in self.secrets:
            if secret.type is None:
                raise XmlError("unknown volume encryption secret type")
            if secret.type != "passphrase":
                raise UnsupportedConfig(f"unknown volume encryption secret type {secret.type}")

    def written(self, node: Node, mode: Mode) -> None:
        """Without a secret it is opened and closed all the same."""
        if not node.children:
            node.text = "\n"


def check_auth(auth: Auth | None, protocol: str | None) -> VirtctlError | None:
    """What is wrong with authentication towards that protocol, None when nothing is."""
    if auth is None or protocol is None:
        return None
    wanted = {"iscsi": "iscsi", "rbd": "ceph"}.get(protocol)
    if wanted is None and protocol in ("http", "https", "ftp", "ftps", "tftp", "ssh"):
        return None
    if wanted is None:
        return UnsupportedConfig(f"authentication is not supported for protocol '{protocol}'")
    if auth.secret is not None and auth.secret.type not in (None, wanted):
        return UnsupportedConfig(f"invalid secret type '{auth.secret.type}'")
    return None
