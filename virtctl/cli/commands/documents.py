"""Documents looked at: validated, compared, explained; and Xen's configurations brought over."""

from __future__ import annotations

from pathlib import Path

from virtctl.cli.files import read_file
from virtctl.cli.operands import Choice, Flag, Text, command
from virtctl.cli.session import Session
from virtctl.errors import InvalidArgument, VirtctlError, XmlSchemaError
from virtctl.values import DumpOptions, StartOptions, XenImport

DECIDE = "decide: "


@command(Text("file", "file with a document", required=True, source="file"), reports=True)
def validate(session: Session, file: str) -> None:
    """Lists every problem of a document with its line, not only the first: what is not understood, values that are
    refused, and rules that the whole breaks. Succeeds when there is none.
    """
    found = session.driver.problems(read_file(file), file)
    if found and session.format == "table":
        raise XmlSchemaError("\n".join([f"{file} has {len(found)} problem{'s' if len(found) > 1 else ''}", *found]))
    session.show({"file": file, "problems": found}, f"{file} validates\n")


def _document(session: Session, name: str, live: bool) -> bytes:
    """A file of that name, else the domain's stored or live document."""
    if Path(name).is_file():
        return read_file(name)
    try:
        return session.driver.dumpxml(name, DumpOptions(inactive=not live)).encode("utf-8", "surrogateescape")
    except VirtctlError as error:
        raise InvalidArgument(f"'{name}' is neither a file nor a domain that can be shown: {error}") from error


@command(
    Text("one", "file, or domain name, id or uuid", required=True, source="domain"),
    Text("other", "the same; left out with --live", source="domain"),
    Flag("live", "compare a domain's stored document with that of its running guest"),
    reports=True,
)
def diff(session: Session, one: str, other: str | None, live: bool) -> None:
    """Prints what differs in meaning between two documents, not in spelling: order, units, defaults and white space
    do not count. Prints nothing when they mean the same.
    """
    if (other is None) != live:
        raise InvalidArgument("two documents are compared, or one domain with --live")
    left = _document(session, one, live=False)
    right = _document(session, other if other is not None else one, live=live)
    changes = session.driver.compare(left, right)
    session.show(changes, "".join(f"{change}\n" for change in changes))


@command(Text("path", "an element or attribute, such as disk/driver/@cache", required=True), reports=True)
def explain(session: Session, path: str) -> None:
    """Prints what the schema knows of a place in a document: where it stands, its type, values, default and meaning."""
    from virtctl.domain.domain import Domain
    from virtctl.schema import describe

    found = describe.explain(Domain, path)
    if not found:
        raise InvalidArgument(f"no element or attribute is called '{path}'",
                              hint="an attribute begins with @, such as disk/driver/@cache")
    text = "\n".join("\n".join(describe.lines(entry)) for entry in found)
    session.show([entry._asdict() for entry in found], f"{text}\n")


@command(
    Choice("kind", "where the guest comes from: xen", ("xen",), required=True),
    Text("file", "its configuration", required=True, source="file"),
    Text("format", "xen-sxpr, xen-xm or xen-xl; guessed when left out", by_name=True),
    Text("to", "kvm (the default), or qemu for a host without it", by_name=True),
    Text("kernel", "kernel for a guest that Xen started by a boot loader of its own", by_name=True, source="file"),
    Text("initrd", "its initial RAM disk", by_name=True, source="file"),
    Text("cmdline", "its command line", by_name=True),
    Flag("print", "print the document, define nothing", "only_print"),
    Flag("start", "start the guest too"),
)
def import_guest(
    session: Session, kind: str, file: str, format: str | None, to: str | None, kernel: str | None, initrd: str | None,
    cmdline: str | None, only_print: bool, start: bool,
) -> None:
    """Makes a domain for this host of a guest's Xen configuration and defines it, naming what was changed and what a
    person still has to decide. A guest with something to decide is not started.
    """
    if kind != "xen":
        raise InvalidArgument(f"guests of '{kind}' cannot be imported, only of xen")
    text = read_file(file).decode("utf-8", "surrogateescape")
    xml, notes = session.driver.import_xen(text, XenImport(format, to or "kvm", kernel, initrd, cmdline))
    for note in notes:
        session.note(f"{note}\n")
    if only_print:
        session.say(xml)
        return
    defined = session.changing("virDomainDefineXML").define(xml, what=file)
    session.extra(f"Domain '{defined.name}' imported from {file}\n")
    if start and any(note.startswith(DECIDE) for note in notes):
        raise VirtctlError(f"domain '{defined.name}' is not started: something is still to be decided")
    if start:
        session.driver.start(defined.uuid, StartOptions())
        session.extra(f"Domain '{defined.name}' started\n")
