"""Domain XML from and to other programs' configurations."""

from __future__ import annotations

from virtctl.cli.files import read_file
from virtctl.cli.operands import Choice, Number, Text, command, exclusive
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError

TO = ("qemu-argv", "xen-xm", "xen-xl", "xen-sxpr")
FROM = ("xen-xm", "xen-xl", "xen-sxpr")


@command(
    Choice("format", "format to write: qemu-argv, xen-xl, xen-xm, xen-sxpr", TO, required=True),
    Text("domain", "domain name, id or uuid", by_name=True, source="domain"),
    Text("xml", "file with domain XML", source="file"),
    Number("xend-version", "1 to 4: age of the xend that is to read an s-expression; the newest by default"),
)
def domxml_to_native(
    session: Session, format: str, domain: str | None, xml: str | None, xend_version: int | None
) -> None:
    """Prints a domain as another program's configuration: the command line of QEMU, or a file for Xen."""
    exclusive(domain=domain, xml=xml)
    if domain is None and xml is None:
        raise VirtctlError("need either domain or domain XML")
    if domain is not None:
        session.domain(domain)
    text = None if xml is None else read_file(xml)
    session.say(session.driver.to_native(format, text, domain, xend_version))


@command(
    Choice("format", "format to read: xen-xl, xen-xm, xen-sxpr", FROM, required=True),
    Text("config", "file to read", required=True, source="file"),
    Number("xend-version", "1 to 4: age of the xend that wrote an s-expression; the newest by default"),
)
def domxml_from_native(session: Session, format: str, config: str, xend_version: int | None) -> None:
    """Prints another program's configuration as domain XML."""
    text = read_file(config).decode("utf-8", "surrogateescape")
    session.say(session.driver.from_native(format, text, xend_version))
