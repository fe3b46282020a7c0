"""`<launchSecurity>`, `<keywrap>`, `<perf>`, `<pm>`, `<idmap>`: the short elements beside the devices."""

from __future__ import annotations

from typing import Self

from virtctl.errors import InternalError, UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import INACTIVE, Children, Element, Field, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Hex, OnOff, Str, UInt, YesNo


class LaunchSecurity(Element, tag="launchSecurity"):
    """A confidential guest."""

    type = Field("@type", Enum("sev", "s390-pv"), required=True, doc="technology")
    kernel_hashes = Field("@kernelHashes", YesNo(), doc="whether kernel and initrd are measured")
    cbitpos = Field("cbitpos", UInt(), doc="position of the C bit",
                    refused=(XmlError, "Invalid format for launch security cbitpos"))
    reduced_phys_bits = Field("reducedPhysBits", UInt(), doc="physical address bits lost",
                              refused=(XmlError, "Invalid format for launch security reduced-phys-bits"))
    policy = Field("policy", Hex(4, 2**32 - 1), doc="the guest's policy",
                   refused=(XmlError, "failed to get launch security policy"))
    dh_cert = Field("dhCert", Str(), doc="the owner's key, base64")
    session = Field("session", Str(), doc="the owner's session, base64")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Only SEV reads what is inside."""
        if node.attrs.get("type") != "sev":
            node = relevant(node, cls.plan, ("type",))
        return super().parse(node, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """SEV cannot do without a policy."""
        if self.type == "sev" and self.policy is None:
            raise XmlError("failed to get launch security policy")


class Cipher(Element, tag="cipher"):
    """Use of one cipher."""

    name = Field("@name", Enum("aes", "dea"), required=True, doc="the cipher")
    state = Field("@state", OnOff(), required=True, doc="whether it may be used")


class KeyWrap(Element, tag="keywrap"):
    """Key management of s390."""

    ciphers = Children("cipher", Cipher, doc="ciphers")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Each cipher once, in libvirt's order."""
        names = [cipher.name for cipher in self.ciphers]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise InternalError(f"A domain definition can have no more than one cipher node with name {name}")
        self.ciphers.sort(key=lambda cipher: cipher.name)

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.ciphers)


EVENTS = ("cmt", "mbmt", "mbml", "cpu_cycles", "instructions", "cache_references", "cache_misses",
          "branch_instructions", "branch_misses", "bus_cycles", "stalled_cycles_frontend", "stalled_cycles_backend",
          "ref_cpu_cycles", "cpu_clock", "task_clock", "page_faults", "context_switches", "cpu_migrations",
          "page_faults_min", "page_faults_maj", "alignment_faults", "emulation_faults")


class PerfEvent(Element, tag="event"):
    """One counter of the host."""

    name = Field("@name", Enum(*EVENTS), required=True, doc="event")
    enabled = Field("@enabled", YesNo(), required=True, doc="whether it is counted")


class Perf(Element, tag="perf"):
    """Counters of the host."""

    events = Children("event", PerfEvent, doc="events")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Each event once, in libvirt's order."""
        names = [event.name for event in self.events]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise XmlError(f"perf event '{name}' was already specified")
        self.events.sort(key=lambda event: EVENTS.index(event.name))

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.events)


class Pm(Element, tag="pm"):
    """Sleep states that the guest is offered."""

    suspend_to_mem = Field("suspend-to-mem/@enabled", YesNo(), doc="S3")
    suspend_to_disk = Field("suspend-to-disk/@enabled", YesNo(), doc="S4")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return self.suspend_to_mem is not None or self.suspend_to_disk is not None


BAD_MAPPING = (XmlError, "invalid idmap start/target/count settings")


class IdMapping(Element):
    """One range of user or group numbers."""

    start = Field("@start", UInt(), required=True, refused=BAD_MAPPING, doc="first number in the guest")
    target = Field("@target", UInt(), required=True, refused=BAD_MAPPING, doc="first number on the host")
    count = Field("@count", UInt(), required=True, refused=BAD_MAPPING, doc="how many")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a number that is not there."""
        return XmlError(BAD_MAPPING[1])


class IdMap(Element, tag="idmap"):
    """User and group numbers (containers)."""

    uids = Children("uid", IdMapping, doc="users")
    gids = Children("gid", IdMapping, doc="groups")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Both kinds, sorted, each with the first number."""
        for found in (self.uids, self.gids):
            found.sort(key=lambda one: one.start)
        if bool(self.uids) != bool(self.gids):
            raise UnsupportedConfig("uid and gid should be mapped both")
        if any(found and found[0].start != 0 for found in (self.uids, self.gids)):
            raise UnsupportedConfig("You must map the root user of container")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.uids)
