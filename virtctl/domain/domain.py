"""The root element, and the text to value functions of a domain document."""

from __future__ import annotations

from virtctl.domain.devices import Devices
from virtctl.schema import xmlio
from virtctl.schema.element import INACTIVE, Child, Element, Field, Mode
from virtctl.schema.node import to_text
from virtctl.schema.types import Int, Str, Uuid


class Domain(Element, tag="domain"):
    """One guest."""

    type = Field("@type", Str(), required=True, doc="hypervisor: qemu (emulation) or kvm")
    id = Field("@id", Int(), live=True, doc="number of the running guest")
    name = Field("name", Str(), doc="name, unique on the host")
    uuid = Field("uuid", Uuid(), doc="identity, unique everywhere")
    devices = Child("devices", Devices)


def read_domain(text: str | bytes, mode: Mode = INACTIVE, what: str = "(domain_definition)") -> Domain:
    """A document as it stands: nothing filled in, nothing checked beyond its types."""
    return Domain.parse(xmlio.read(text, what), mode)


def write_domain(domain: Domain, mode: Mode = INACTIVE) -> str:
    """The document as libvirt writes it."""
    return to_text(domain.to_node(mode))
