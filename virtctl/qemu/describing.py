"""What people and programs write into a domain for themselves: title, description, metadata; and its name."""

from __future__ import annotations

from virtctl.domain.domain import Domain, write_domain
from virtctl.domain.metadata import Metadata
from virtctl.errors import InvalidArgument, InvalidOperation, NoMetadata, OperationFailed
from virtctl.qemu.changes import change, document_of
from virtctl.qemu.context import Context, Target
from virtctl.qemu.documents import document, stored
from virtctl.schema import xmlio
from virtctl.schema.element import Mode
from virtctl.schema.node import Node
from virtctl.state.names import check_name
from virtctl.state.store import Entry
from virtctl.values import Affect

EMPTY = "<metadata/>"


def description(context: Context, target: Target, *, title: bool, inactive: bool) -> str | None:
    """The title or the description, None where there is none."""
    domain = document(context, target, inactive=inactive)
    return domain.title if title else domain.description


def describe(context: Context, target: Target, text: str, affect: Affect, *, title: bool) -> None:
    """Sets one of them; an empty text removes it."""
    if title and "\n" in text:
        raise InvalidArgument("metadata title can't contain newlines")

    def edit(domain: Domain) -> None:
        setattr(domain, "title" if title else "description", text or None)

    change(context, target, affect, edit)


def _raw(domain: Domain) -> str:
    return (domain.metadata.node.raw if domain.metadata is not None else None) or EMPTY


def metadata(context: Context, target: Target, uri: str, affect: Affect) -> str:
    """The element of a name space. Raises NoMetadata."""
    found = xmlio.metadata_part(_raw(document_of(context, target, affect)), uri)
    if found is None:
        raise NoMetadata("Requested metadata element is not present")
    return found


def set_metadata(context: Context, target: Target, uri: str, new: tuple[str, str] | None, affect: Affect) -> None:
    """Puts an element into a name space, `(prefix, text)`, or removes the one that is there."""
    text = None if new is None else xmlio.namespaced(new[1], uri, new[0])

    def edit(domain: Domain) -> None:
        node = Node("metadata")
        node.raw = xmlio.metadata_with(_raw(domain), uri, text)
        domain.metadata = None if node.raw == EMPTY else Metadata.parse(node)

    change(context, target, affect, edit)


def rename(context: Context, target: Target, new: str) -> None:
    """Gives a domain that does not run another name."""
    with context.lock(target.uuid):
        target = context.again(target)
        if target.status is not None:
            raise InvalidOperation("cannot rename active domain")
        check_name(new)
        if new == target.name:
            raise InvalidOperation("Can't rename domain to itself")
        if context.store.has_managed_save(target.name):
            raise InvalidOperation("domain with a managed saved state can't be renamed")
        running = [Entry(status.name, status.uuid) for status in context.running()]
        if context.store.exists(new) or any(entry.name == new for entry in running):
            raise OperationFailed(f"domain with name '{new}' already exists")
        domain = stored(context, target)
        domain.name = new
        context.store.rename(target.name, new, write_domain(domain, Mode(secure=True)), running=context.claims())
