"""Commands about documents: define, undefine, create, dumpxml."""

from __future__ import annotations

from virtctl.cli.commands.starting import after_start, held_for_console, refuse_descriptors
from virtctl.cli.files import read_file
from virtctl.cli.operands import Flag, Text, command, domain, exclusive, file
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError, attempting
from virtctl.values import DumpOptions, StartOptions, UndefineOptions


@command(file("file that describes the domain in XML"), Flag("validate", "refuse what the schema does not know"))
def define(session: Session, file: str, validate: bool) -> None:
    """Stores a domain. One of the same name and UUID is replaced; a guest that runs takes the change at
    its next start.
    """
    text = read_file(file)
    with attempting(f"Failed to define domain from {file}"):
        defined = session.changing("virDomainDefineXMLFlags").define(text, validate=validate)
    for warning in defined.warnings:
        session.warn(warning)
    session.extra(f"Domain '{defined.name}' defined from {file}\n")


@command(
    file("file that describes the domain in XML"),
    Flag("console", "connect to its console afterwards"),
    Flag("paused", "leave its processors stopped"),
    Flag("autodestroy", "end the guest when this program ends"),
    Text("pass-fds", "open descriptors for the guest, N,M,..."),
    Flag("validate", "refuse what the schema does not know"),
    Flag("reset-nvram", "make the UEFI variables anew from their template"),
)
def create(
    session: Session, file: str, console: bool, paused: bool, autodestroy: bool, pass_fds: str | None,
    validate: bool, reset_nvram: bool,
) -> None:
    """Starts a guest that is forgotten when it ends."""
    text = read_file(file)
    refuse_descriptors(pass_fds)
    held = held_for_console(console, paused)
    options = StartOptions(paused=paused or held, autodestroy=autodestroy, reset_nvram=reset_nvram, validate=validate)
    with attempting(f"Failed to create domain from {file}"):
        name = session.changing("virDomainCreateXML").create(text, options)
    session.extra(f"Domain '{name}' created from {file}\n")
    after_start(session, name, console=console, autodestroy=autodestroy, resume=held)


@command(
    domain(),
    Flag("managed-save", "remove its managed save"),
    Text("storage", "remove these disks as well: targets or paths, with commas between them"),
    Flag("remove-all-storage", "remove all its disks as well; what was on them is lost"),
    Flag("delete-storage-volume-snapshots", "remove snapshots of the disks that are removed"),
    Flag("wipe-storage", "overwrite the disks before they are removed"),
    Flag("snapshots-metadata", "remove what is known of its snapshots"),
    Flag("checkpoints-metadata", "remove what is known of its checkpoints"),
    Flag("nvram", "remove its UEFI variables"),
    Flag("keep-nvram", "keep its UEFI variables"),
    Flag("tpm", "remove the state of its TPM"),
    Flag("keep-tpm", "keep the state of its TPM"),
)
def undefine(
    session: Session, domain: str, managed_save: bool, storage: str | None, remove_all_storage: bool,
    delete_storage_volume_snapshots: bool, wipe_storage: bool, snapshots_metadata: bool, checkpoints_metadata: bool,
    nvram: bool, keep_nvram: bool, tpm: bool, keep_tpm: bool,
) -> None:
    """Removes a definition. A running guest goes on, and is forgotten when it ends. `undo` brings a definition back."""
    name = session.domain(domain).name
    exclusive(nvram=nvram, keep_nvram=keep_nvram)
    exclusive(tpm=tpm, keep_tpm=keep_tpm)
    if storage or remove_all_storage:
        may_remove_storage(session, domain, bool(storage) and remove_all_storage)
    elif wipe_storage:
        raise VirtctlError("'--wipe-storage' requires '--storage <string>' or '--remove-all-storage'")
    if delete_storage_volume_snapshots and not remove_all_storage:
        needs = "--delete-storage-volume-snapshots"
        raise VirtctlError(f"Option --remove-all-storage is required by option {needs}")
    options = UndefineOptions(
        managed_save, snapshots_metadata, checkpoints_metadata, nvram, keep_nvram, remove_all_storage,
        tuple((storage or "").split(",")) if storage else (), delete_storage_volume_snapshots, wipe_storage,
    )
    with attempting(f"Failed to undefine domain '{name}'"):
        notes = session.changing("virDomainUndefineFlags").undefine(domain, options)
    session.extra(f"Domain '{name}' has been undefined\n")
    for note in notes:
        session.say(f"{note}\n")


def may_remove_storage(session: Session, ref: str, both: bool) -> None:
    """Refuses to remove disks that are in use, or in two ways at once. Raises VirtctlError."""
    if session.driver.id_of(ref) is not None:
        raise VirtctlError("Storage volume deletion is supported only on stopped domains")
    if both:
        raise VirtctlError("Specified both --storage and --remove-all-storage")


@command(
    domain(),
    Flag("inactive", "the definition, not the running guest"),
    Flag("security-info", "with passwords"),
    Flag("update-cpu", "with the processor as this host gives it"),
    Flag("migratable", "as another host would need it"),
    Text("xpath", "only what this XPath expression selects"),
    Flag("wrap", "one root element around what --xpath selects"),
)
def dumpxml(
    session: Session, domain: str, inactive: bool, security_info: bool, update_cpu: bool, migratable: bool,
    xpath: str | None, wrap: bool,
) -> None:
    """Prints the XML of a domain: of the running guest where there is one, else of its definition."""
    session.domain(domain)
    text = session.driver.dumpxml(domain, DumpOptions(inactive, security_info, update_cpu, migratable))
    session.say(text if xpath is None else selected(text, xpath, wrap))


def selected(text: str, expression: str, wrap: bool) -> str:
    """What an XPath expression selects, a line each."""
    from virtctl.schema.xmlio import wrapped, xpath

    pieces = [wrapped(text, expression)] if wrap else xpath(text, expression)
    return "".join(f"{piece}\n" for piece in pieces)
