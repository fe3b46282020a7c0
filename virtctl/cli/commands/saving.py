"""Commands that save a guest's memory and go on from it."""

from __future__ import annotations

from pathlib import Path

from virtctl.cli.files import read_file
from virtctl.cli.operands import Flag, Text, command, domain, file
from virtctl.cli.progress import reporter
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError, attempting
from virtctl.values import RestoreOptions, SaveOptions

IMAGE_FORMAT = Text("image-format", "compress it: raw, gzip, bzip2, xz, lzop or zstd", by_name=True)


def run_state(kind: str, running: bool, paused: bool) -> bool | None:
    """What --running and --paused ask for. Raises VirtctlError for both."""
    if running and paused:
        flags = f"'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_{kind}'"
        raise VirtctlError(f"Flags {flags} are mutually exclusive")
    return None if running == paused else running


def document(path: str | None) -> str | None:
    """The document that --xml names. Raises VirtctlError."""
    return None if path is None else read_file(path).decode("utf-8", "surrogateescape")


@command(
    domain(),
    file("where to put the image"),
    Flag("bypass-cache", "write around the host's cache"),
    Text("xml", "file with the XML that the guest shall be restored with", source="file"),
    Flag("running", "run when it is restored"),
    Flag("paused", "be paused when it is restored"),
    Flag("verbose", "show how far it is"),
    IMAGE_FORMAT,
)
def save(
    session: Session, domain: str, file: str, bypass_cache: bool, xml: str | None, running: bool, paused: bool,
    verbose: bool, image_format: str | None,
) -> None:
    """Writes the memory of a running guest to a file, and ends the guest. `restore` goes on from there."""
    name = session.domain(domain).name
    text = document(xml)
    progress = reporter(session, "Save") if verbose else None
    with attempting(f"Failed to save domain '{name}' to {file}"):
        options = SaveOptions(text, run_state("PAUSED", running, paused), bypass_cache, image_format, progress)
        session.changing("virDomainSaveFlags").save(domain, Path(file), options)
    session.extra(f"\nDomain '{name}' saved to {file}\n")


@command(
    file("the image"),
    Flag("bypass-cache", "read around the host's cache"),
    Text("xml", "file with the XML that the guest shall be restored with", source="file"),
    Flag("running", "run, whatever it did when it was saved"),
    Flag("paused", "be paused, whatever it did when it was saved"),
    Flag("reset-nvram", "make the UEFI variables anew from their template"),
    Flag("trust", "run programs that only the image names: neither this host nor the domain's definition has them"),
)
def restore(
    session: Session, file: str, bypass_cache: bool, xml: str | None, running: bool, paused: bool, reset_nvram: bool,
    trust: bool,
) -> None:
    """Starts a guest from a file that `save` wrote, where it was when it was saved."""
    text = document(xml)
    with attempting(f"Failed to restore domain from {file}"):
        options = RestoreOptions(text, run_state("PAUSED", running, paused), bypass_cache, reset_nvram, trust)
        session.changing("virDomainRestoreFlags").restore(Path(file), options)
    session.extra(f"Domain restored from {file}\n")


@command(
    domain(),
    Flag("bypass-cache", "write around the host's cache"),
    Flag("running", "run at the next start"),
    Flag("paused", "be paused at the next start"),
    Flag("verbose", "show how far it is"),
    IMAGE_FORMAT,
)
def managedsave(
    session: Session, domain: str, bypass_cache: bool, running: bool, paused: bool, verbose: bool,
    image_format: str | None,
) -> None:
    """Saves a running guest where its next `start` finds it and goes on from there, and ends it."""
    name = session.domain(domain).name
    progress = reporter(session, "Managedsave") if verbose else None
    with attempting(f"Failed to save domain '{name}' state"):
        options = SaveOptions(None, run_state("PAUSED", running, paused), bypass_cache, image_format, progress)
        session.changing("virDomainManagedSave").managedsave(domain, options)
    session.extra(f"\nDomain '{name}' state saved by libvirt\n")


@command(domain())
def managedsave_remove(session: Session, domain: str) -> None:
    """Forgets the memory that `managedsave` saved; the next start boots."""
    name = session.domain(domain).name
    with attempting(f"Failed to remove managed save image for domain '{name}'"):
        removed = session.changing("virDomainManagedSaveRemove").managedsave_remove(domain)
    if removed:
        session.extra(f"Removed managedsave image for domain '{name}'")
    else:
        session.extra(f"Domain '{name}' has no manage save image; removal skipped")
