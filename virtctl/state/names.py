"""What a definition file says of itself: name and uuid, read from its head without the XML library.

A thousand definitions are scanned by every `list --all`, so the usual form (the one we write) is matched by one
expression; anything else goes through expat, which is in the interpreter.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from virtctl.errors import InvalidArgument, SystemFault, VirtctlError, XmlError
from virtctl.state.atomic import TEMP, read_file

MAX_NAME = 241  # bytes; `NAME.save.outdated`, the longest of a domain's files, must fit in the 255 of a file name
MAX_DEFINITION = 10 * 1024 * 1024
SUFFIX = ".xml"
_HEAD = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^<>]*\?>\s*)?(?:<!--(?:(?!--).)*-->\s*)*"
    rb"<domain(?:\s[^<>]*)?>\s*<name>([^<&]*)</name>\s*<uuid>\s*([0-9A-Fa-f-]+)\s*</uuid>",
    re.DOTALL,
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Entry(NamedTuple):
    """A persistent domain."""

    name: str
    uuid: str


class Broken(NamedTuple):
    """A file among the definitions that is not one, and why."""

    path: Path
    reason: str


def check_name(name: str) -> None:
    """Refuses a name that could not be a file name. Raises `XmlError` in libvirt's words where it has some."""
    if not name:
        raise XmlError("missing name information")
    if "/" in name:
        raise XmlError(f"name {name} cannot contain '/'")
    for letter in "\n\0":
        if letter in name:
            raise XmlError(f"invalid char in name: {letter!r}")
    for start in ("-", TEMP):  # the second is how files begin that are removed when their writer is dead
        if name.startswith(start):
            raise XmlError(f"name {name} cannot start with '{start}'")
    _check_length(name)


def _check_length(name: str) -> None:
    try:
        length = len(name.encode())
    except UnicodeEncodeError as cause:
        raise XmlError(f"name {name!r} is not valid Unicode") from cause
    if length > MAX_NAME:
        raise XmlError(f"name {name[:32]}... is {length} bytes long, at most {MAX_NAME} are possible")


def canonical_uuid(text: str) -> str:
    """A uuid in its canonical form: lower case with four dashes. Raises `InvalidArgument`."""
    digits = text.replace("-", "").strip().lower()
    uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    if not _UUID.fullmatch(uuid):
        raise InvalidArgument(f"malformed uuid '{text}'")
    return uuid


def read_definition(path: Path) -> bytes:
    """The text of a definition, at most 10 MiB. Raises like `atomic.read_file`."""
    return read_file(path, MAX_DEFINITION)


def identify(data: bytes) -> Entry:
    """The name and uuid that a definition holds. Raises `XmlError` when it is truncated or has none."""
    match = _HEAD.match(data)
    if match and data.rstrip().endswith(b"</domain>") and data.count(b"</domain>") == 1:
        return Entry(match[1].decode(), canonical_uuid(match[2].decode()))
    return _identify_slowly(data)


class _Head:
    """Collects the name and uuid that stand directly below `<domain>`."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._stack: list[str] = []

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        self._stack.append(tag)
        if self._stack in (["domain", "name"], ["domain", "uuid"]):
            self.found.setdefault(tag, "")

    def end(self, _tag: str) -> None:
        self._stack.pop()

    def text(self, piece: str) -> None:
        if len(self._stack) == 2 and self._stack[1] in self.found:
            self.found[self._stack[1]] += piece

    def doctype(self, *_what: object) -> None:
        raise XmlError("a document type is not allowed in a definition")


def _identify_slowly(data: bytes) -> Entry:
    """The same by a real parser: other orders of elements, entities in the name, other encodings."""
    head = _Head()
    parser = expat.ParserCreate()
    parser.StartElementHandler = head.start
    parser.EndElementHandler = head.end
    parser.CharacterDataHandler = head.text
    parser.StartDoctypeDeclHandler = head.doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as cause:
        raise XmlError(str(cause)) from cause
    for tag in ("name", "uuid"):
        if tag not in head.found:
            raise XmlError(f"missing {tag} information")
    return Entry(head.found["name"], canonical_uuid(head.found["uuid"]))


def inspect(path: Path) -> Entry | Broken:
    """What the definition file says of itself, or why it cannot be used. Raises FileNotFoundError."""
    try:
        entry = identify(read_definition(path))
    except (SystemFault, VirtctlError, ValueError) as cause:
        return Broken(path, str(cause))
    if entry.name != path.name.removesuffix(SUFFIX):
        return Broken(path, f"it defines a domain named '{entry.name}'")
    return entry
