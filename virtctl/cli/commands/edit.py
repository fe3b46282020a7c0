"""`edit`."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from virtctl.cli.environment import editor
from virtctl.cli.operands import Flag, command, domain
from virtctl.cli.session import Session
from virtctl.errors import OperationFailed, VirtctlError
from virtctl.values import DumpOptions

ANSWERS = """\
y - yes, start editor again
n - no, throw away my changes
f - force, try to redefine again
? - print this help
"""
BOTH = DumpOptions(inactive=True, security_info=True)


@command(domain(), Flag("skip-validate", "take also what the schema does not know"))
def edit(session: Session, domain: str, skip_validate: bool) -> None:
    """Opens the definition of a domain in $VISUAL or $EDITOR, and stores what comes out."""
    name = session.domain(domain).name
    driver = session.changing("virDomainDefineXMLFlags")
    before = driver.dumpxml(domain, BOTH)
    with tempfile.TemporaryDirectory(prefix="virtctl-") as folder:
        file = Path(folder) / "domain.xml"  # the folder is ours alone: the document may hold passwords
        file.write_text(before, encoding="utf-8")
        while True:
            run_editor(file)
            after = file.read_text(encoding="utf-8", errors="surrogateescape")
            if after == before:
                session.extra(f"Domain '{name}' XML configuration not changed.\n")
                return
            if driver.dumpxml(domain, BOTH) != before:
                raise VirtctlError("ERROR: the XML configuration was changed by another user")
            try:
                defined = driver.define(after, validate=not skip_validate)
                break
            except VirtctlError as error:
                if not again(session, error):
                    return
    session.extra(f"Domain '{defined.name}' XML configuration edited.\n")


def run_editor(file: Path) -> None:
    """Lets the user edit a file. Raises OperationFailed."""
    words = shlex.split(editor())
    try:
        status = subprocess.run([*words, str(file)], check=False).returncode
    except OSError as error:
        raise OperationFailed(f"{words[0]}: {error.strerror}") from error
    if status != 0:
        raise OperationFailed(f"{words[0]}: command exited with non-zero status")


def again(session: Session, error: VirtctlError) -> bool:
    """Asks what to do about a document that was refused; False throws it away. Raises the error where nobody can
    be asked.
    """
    if not sys.stdin.isatty():
        raise error
    session.fail(error)
    while True:
        session.say("Failed. Try again? [y,n,f,?]: ")
        session.out.flush()
        answer = sys.stdin.readline().strip().lower()
        if answer in ("y", "f"):
            return True
        if answer == "n" or not answer:
            return False
        session.say(ANSWERS)
