"""`<launchSecurity>`, `<keywrap>`, `<perf>`, `<pm>`, `<idmap>`: the short elements beside the devices."""

from __future__ import annotations

from virtctl.schema.element import Children, Element, Field
from virtctl.schema.types import Enum, OnOff, Str, UInt, YesNo


class LaunchSecurity(Element, tag="launchSecurity"):
    """A confidential guest."""

    type = Field("@type", Enum("sev", "s390-pv"), required=True, doc="technology")
    kernel_hashes = Field("@kernelHashes", YesNo(), doc="whether kernel and initrd are measured")
    cbitpos = Field("cbitpos", UInt(), doc="position of the C bit")
    reduced_phys_bits = Field("reducedPhysBits", UInt(), doc="physical address bits lost")
    policy = Field("policy", Str(), doc="the guest's policy, hexadecimal")
    dh_cert = Field("dhCert", Str(), doc="the owner's key, base64")
    session = Field("session", Str(), doc="the owner's session, base64")


class Cipher(Element, tag="cipher"):
    """Use of one cipher."""

    name = Field("@name", Enum("aes", "dea"), required=True, doc="the cipher")
    state = Field("@state", OnOff(), required=True, doc="whether it may be used")


class KeyWrap(Element, tag="keywrap"):
    """Key management of s390."""

    ciphers = Children("cipher", Cipher, doc="ciphers")


class PerfEvent(Element, tag="event"):
    """One counter of the host."""

    name = Field("@name", Str(), required=True, doc="event")
    enabled = Field("@enabled", YesNo(), required=True, doc="whether it is counted")


class Perf(Element, tag="perf"):
    """Counters of the host."""

    events = Children("event", PerfEvent, doc="events")


class Pm(Element, tag="pm"):
    """Sleep states that the guest is offered."""

    suspend_to_mem = Field("suspend-to-mem/@enabled", YesNo(), doc="S3")
    suspend_to_disk = Field("suspend-to-disk/@enabled", YesNo(), doc="S4")


class IdMapping(Element):
    """One range of user or group numbers."""

    start = Field("@start", UInt(), required=True, doc="first number in the guest")
    target = Field("@target", UInt(), required=True, doc="first number on the host")
    count = Field("@count", UInt(), required=True, doc="how many")


class IdMap(Element, tag="idmap"):
    """User and group numbers (containers)."""

    uids = Children("uid", IdMapping, doc="users")
    gids = Children("gid", IdMapping, doc="groups")
