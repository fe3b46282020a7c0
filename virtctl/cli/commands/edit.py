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
from virtctl.values import Defined, DumpOptions

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
    edited = edit_document(session, lambda: driver.dumpxml(domain, BOTH),
                           lambda text: driver.define(text, validate=not skip_validate))
    if edited is False:
        session.extra(f"Domain '{name}' XML configuration not changed.\n")
    elif edited:
        session.extra(f"Domain '{name}' XML configuration edited.\n")


def edit_document(session: Session, read: Callable[[], str], store: Callable[[str], object]) -> bool | None:
    """Lets the user edit a document until it is stored (True), is left as it was (False) or is given up (None).

    Raises VirtctlError when somebody else changed it meanwhile.
    """
    before = read()
    with tempfile.TemporaryDirectory(prefix="virtctl-") as folder:
        file = Path(folder) / "domain.xml"  # the folder is ours alone: the document may hold passwords
        file.write_text(before, encoding="utf-8")
        defined = edited(session, domain, before, file, validate=not skip_validate)
    changed = "edited" if defined else "not changed"
    session.extra(f"Domain '{defined.name if defined else name}' XML configuration {changed}.\n")


def edited(session: Session, ref: str, before: str, file: Path, *, validate: bool) -> Defined | None:
    """Edits until the document is taken or thrown away; None when nothing changed. Raises VirtctlError."""
    answer = "y"
    while True:
        if answer == "y":
            run_editor(file)
        after = file.read_text(encoding="utf-8", errors="surrogateescape")
        if after == before:
            return None
        if session.driver.dumpxml(ref, BOTH) != before:
            raise VirtctlError("ERROR: the XML configuration was changed by another user")
        try:
            return session.driver.define(after, validate=validate)
        except VirtctlError as error:
            answer = asked(session, error)
        if answer == "n":
            return None
        validate = validate and answer != "i"


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
