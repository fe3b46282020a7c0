"""From a user's text to the finished definition: read, fill in, check."""

from __future__ import annotations

from virtctl.domain.defaults import fill
from virtctl.domain.domain import Domain, read_domain
from virtctl.domain.host import Host
from virtctl.domain.rules import check
from virtctl.schema.element import INACTIVE, Mode


def complete(text: str | bytes, host: Host, mode: Mode = INACTIVE, what: str = "(domain_definition)") -> Domain:
    """The definition that libvirt would store. Raises what libvirt would refuse it with."""
    domain = read_domain(text, mode, what)
    fill(domain, host)
    check(domain, host)
    return domain
