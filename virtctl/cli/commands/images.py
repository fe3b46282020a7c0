"""Files that hold a guest's memory: the documents inside saved images, and dumps for a debugger."""

from __future__ import annotations

from pathlib import Path

from virtctl.cli.commands.edit import edit_document
from virtctl.cli.commands.saving import document, run_state
from virtctl.cli.operands import Flag, Text, command, domain, file
from virtctl.cli.progress import reporter
from virtctl.cli.session import Session
from virtctl.errors import attempting
from virtctl.values import DumpCoreOptions

RUNNING, PAUSED = ("run when it is restored", "be paused when it is restored")


def _xml_of(session: Session, path: Path, security_info: bool) -> str:
    return session.driver.image_xml(path, security_info=security_info)


@command(file("the image"), Flag("security-info", "show passwords too"))
def save_image_dumpxml(session: Session, file: str, security_info: bool) -> None:
    """Prints the document with which a saved image restores its guest."""
    session.say(_xml_of(session, Path(file), security_info))


@command(file("the image"), Text("xml", "file with the new document", required=True, source="file"),
         Flag("running", RUNNING), Flag("paused", PAUSED))
def save_image_define(session: Session, file: str, xml: str, running: bool, paused: bool) -> None:
    """Replaces the document in a saved image; it has to be of the same guest."""
    text = document(xml) or ""
    with attempting(f"Failed to update {file}"):
        driver = session.changing("virDomainSaveImageDefineXML")
        driver.define_image_xml(Path(file), text, running=run_state("PAUSED", running, paused))
    session.extra(f"State file {file} updated.\n")


@command(file("the image"), Flag("running", RUNNING), Flag("paused", PAUSED))
def save_image_edit(session: Session, file: str, running: bool, paused: bool) -> None:
    """Opens the document in a saved image in $VISUAL or $EDITOR, and stores what comes out."""
    _edit(session, Path(file), run_state("PAUSED", running, paused), f"Saved image {file} XML configuration")


def _edit(session: Session, path: Path, running: bool | None, what: str) -> None:
    driver = session.changing("virDomainSaveImageDefineXML")
    edited = edit_document(session, lambda: driver.image_xml(path, security_info=True),
                           lambda text: driver.define_image_xml(path, text, running=running))
    if edited is False:
        session.extra(f"{what} not changed.\n")
    elif edited:
        session.extra(f"{what} edited.\n")


@command(domain(), Flag("security-info", "show passwords too"))
def managedsave_dumpxml(session: Session, domain: str, security_info: bool) -> None:
    """Prints the document with which the next start goes on from a managed save."""
    session.domain(domain)
    session.say(_xml_of(session, session.driver.managed_image(domain), security_info))


@command(domain(), Text("xml", "file with the new document", required=True, source="file"),
         Flag("running", "run at the next start"), Flag("paused", "be paused at the next start"))
def managedsave_define(session: Session, domain: str, xml: str, running: bool, paused: bool) -> None:
    """Replaces the document in a domain's managed save."""
    name = session.domain(domain).name
    text = document(xml) or ""
    with attempting(f"Failed to update {name} XML configuration"):
        driver = session.changing("virDomainManagedSaveDefineXML")
        state = run_state("PAUSED", running, paused)
        driver.define_image_xml(driver.managed_image(domain), text, running=state)
    session.extra(f"Managed save state file of domain '{name}' updated.\n")


@command(domain(), Flag("running", "run at the next start"), Flag("paused", "be paused at the next start"))
def managedsave_edit(session: Session, domain: str, running: bool, paused: bool) -> None:
    """Opens the document in a domain's managed save in $VISUAL or $EDITOR, and stores what comes out."""
    name = session.domain(domain).name
    path = session.driver.managed_image(domain)
    what = f"Managed save image of domain '{name}' XML configuration"
    _edit(session, path, run_state("PAUSED", running, paused), what)


@command(
    domain(),
    file("where to put the dump"),
    Flag("live", "let the guest run meanwhile"),
    Flag("crash", "end the guest afterwards"),
    Flag("bypass-cache", "write around the host's cache"),
    Flag("reset", "reset the guest afterwards"),
    Flag("verbose", "show how far it is"),
    Flag("memory-only", "the memory alone, for crash and gdb: the only kind there is"),
    Text("format", "elf (the default), kdump-zlib, kdump-lzo, kdump-snappy or win-dmp"),
)
def dump(
    session: Session, domain: str, file: str, live: bool, crash: bool, bypass_cache: bool, reset: bool, verbose: bool,
    memory_only: bool, format: str | None,
) -> None:
    """Writes a guest's memory to a file that crash and gdb read. The guest stands still meanwhile unless --live."""
    name = session.domain(domain).name
    progress = reporter(session, "Dump") if verbose else None
    with attempting(f"Failed to core dump domain '{name}' to {file}"):
        options = DumpCoreOptions(memory_only, format, live, crash, reset, bypass_cache, progress)
        session.changing("virDomainCoreDumpWithFormat").dump(domain, Path(file), options)
    session.extra(f"\nDomain '{name}' dumped to {file}\n")
