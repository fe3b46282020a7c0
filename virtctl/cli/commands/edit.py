"""`edit`."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from virtctl.cli.environment import editor
from virtctl.cli.operands import Flag, command, domain
from virtctl.cli.session import Session
from virtctl.errors import OperationFailed, VirtctlError
from virtctl.values import DumpOptions

ANSWERS = """\
y - yes, start editor again
n - no, throw away my changes
i - turn off validation and try to redefine again
? - print this help
"""
BOTH = DumpOptions(inactive=True, security_info=True)


@command(domain(), Flag("skip-validate", "take also what the schema does not know"))
def edit(session: Session, domain: str, skip_validate: bool) -> None:
    """Opens the definition of a domain in $VISUAL or $EDITOR, and stores what comes out."""
    name = session.domain(domain).name
    driver = session.changing("virDomainDefineXMLFlags")

    def store(text: str, validate: bool) -> None:
        nonlocal name
        name = driver.define(text, validate=validate and not skip_validate).name

    edited = edit_validated(session, lambda: driver.dumpxml(domain, BOTH), store)
    if edited is not None:
        session.extra(f"Domain '{name}' XML configuration {'edited' if edited else 'not changed'}.\n")


def edit_document(session: Session, read: Callable[[], str], store: Callable[[str], object]) -> bool | None:
    """`edit_validated` for documents that are always stored in the same way."""
    return edit_validated(session, read, lambda text, validate: store(text))


def edit_validated(session: Session, read: Callable[[], str], store: Callable[[str, bool], object]) -> bool | None:
    """Lets the user edit a document until it is stored (True), is left as it was (False) or is given up (None).

    `store` is told whether to validate. Raises VirtctlError, also when somebody else changed it meanwhile.
    """
    before = read()
    answer, validate = "y", True
    with tempfile.TemporaryDirectory(prefix="virtctl-") as folder:
        file = Path(folder) / "document.xml"  # the folder is ours alone: the document may hold passwords
        file.write_text(before, encoding="utf-8", errors="surrogateescape")
        while answer != "n":
            if answer == "y":
                run_editor(file)
            after = file.read_text(encoding="utf-8", errors="surrogateescape")
            if after == before:
                return False
            if read() != before:
                raise VirtctlError("ERROR: the XML configuration was changed by another user")
            try:
                store(after, validate)
            except VirtctlError as error:
                answer = asked(session, error)
                validate = validate and answer != "i"
            else:
                return True
    return None


def run_editor(file: Path) -> None:
    """Lets the user edit a file. Raises OperationFailed."""
    words = shlex.split(editor())
    try:
        status = subprocess.run([*words, str(file)], check=False).returncode
    except OSError as error:
        raise OperationFailed(f"{words[0]}: {error.strerror}") from error
    if status != 0:
        raise OperationFailed(f"{words[0]}: command exited with non-zero status")


def asked(session: Session, error: VirtctlError) -> str:
    """What to do about a document that was refused: y, n or i. Raises the error where nobody can be asked."""
    if not sys.stdin.isatty():
        raise error
    session.fail(error)
    while True:
        session.say("Failed. Try again? [y,n,i,?]: ")
        session.out.flush()
        answer = sys.stdin.readline().strip().lower()[:1] or "n"
        if answer in ("y", "n", "i"):
            return answer
        session.say(ANSWERS)
