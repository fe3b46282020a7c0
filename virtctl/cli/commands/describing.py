"""What people and programs write into a domain: desc, metadata; and its name: domrename."""

from __future__ import annotations

import tempfile
from pathlib import Path

from virtctl.cli.commands.edit import run_editor
from virtctl.cli.operands import Flag, Text, command, domain, exclusive
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError, attempting
from virtctl.values import Affect

LIVE = Flag("live", "of the running guest")
CONFIG = Flag("config", "of the definition")
CURRENT = Flag("current", "of what there is now")


def affected(live: bool, config: bool, current: bool) -> Affect:
    """What the three flags ask for. Raises VirtctlError."""
    exclusive(current=current, live=live)
    exclusive(current=current, config=config)
    return Affect(live, config)


def edited(before: str) -> str:
    """A text after its user has changed it in an editor."""
    with tempfile.TemporaryDirectory(prefix="virtctl-") as folder:
        file = Path(folder) / "text"
        file.write_text(before, encoding="utf-8")
        run_editor(file)
        return file.read_text(encoding="utf-8")


@command(
    domain(), LIVE, CONFIG, CURRENT,
    Flag("title", "the title, not the description"),
    Flag("edit", "change it in $VISUAL or $EDITOR"),
    Text("new-desc", "the new text", "new_desc", many=True),
)
def desc(
    session: Session, domain: str, live: bool, config: bool, current: bool, title: bool, edit: bool,
    new_desc: list[str],
) -> None:
    """Prints or sets the description or the title of a domain."""
    affect = affected(live, config, current)
    name = session.domain(domain).name
    kind = "title" if title else "description"
    found = None
    if edit or not new_desc:
        found = session.driver.description(domain, title=title, inactive=config and not live)
    if not edit and not new_desc:
        if found:
            session.say(found)
        else:
            session.extra(f"No {kind} for domain: {name}")
        return
    text = " ".join(new_desc) if new_desc else found or ""
    if edit:
        text = edited(text).rstrip("\n")
        if text == (found or ""):
            session.extra(f"Domain {kind} not changed")
            return
    with attempting(f"Failed to set new domain {kind}"):
        session.changing("virDomainSetMetadata").describe(domain, text, affect, title=title)
    session.extra(f"Domain {kind} updated successfully")


@command(
    domain(),
    Text("uri", "name space of the element", required=True),
    LIVE, CONFIG, CURRENT,
    Flag("edit", "change it in $VISUAL or $EDITOR"),
    Text("key", "prefix for the name space"),
    Text("set", "the new element", "set_"),
    Flag("remove", "remove it"),
)
def metadata(session: Session, domain: str, uri: str, **given: object) -> None:
    """Prints, sets or removes what a program keeps in a domain: an XML element of a name space of its own."""
    exclusive(edit=given["edit"], set=given["set_"])
    exclusive(remove=given["remove"], set=given["set_"])
    exclusive(remove=given["remove"], edit=given["edit"])
    affect = affected(bool(given["live"]), bool(given["config"]), bool(given["current"]))
    key, new = given["key"], given["set_"]
    session.domain(domain)
    if (given["edit"] or new is not None) and key is None:
        raise VirtctlError("namespace key is required when modifying metadata")
    if given["remove"]:
        session.changing("virDomainSetMetadata").set_metadata(domain, uri, None, affect)
        session.extra("Metadata removed\n")
        return
    if given["edit"]:
        before = session.driver.metadata(domain, uri, affect)
        new = edited(f"{before}\n").strip()
        if new == before:
            session.extra("Metadata not changed")
            return
    if new is None:
        session.say(f"{session.driver.metadata(domain, uri, affect)}\n")
        return
    session.changing("virDomainSetMetadata").set_metadata(domain, uri, (str(key), str(new)), affect)
    session.extra("Metadata modified\n")


@command(domain("domain name or uuid"), Text("new-name", "its new name", "new_name", required=True))
def domrename(session: Session, domain: str, new_name: str) -> None:
    """Gives a domain that does not run another name."""
    session.domain(domain)
    session.changing("virDomainRename").rename(domain, new_name)
    session.extra("Domain successfully renamed\n")
