"""What a document may say, told from the declared elements themselves: place, type, values, default, meaning.

`explain disk/driver/@cache` and the manual's reference are made of this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from virtctl.schema.element import Element, Field
from virtctl.schema.fields import Child, Children, Declared, Dropped, Flag, Size
from virtctl.schema.marks import Driver, NoEffect, Prop
from virtctl.schema.types import Enum, Lenient, OnOff, XmlType, YesNo


class Entry(NamedTuple):
    """One place of a document. `path` begins at the root; `kind` is attribute, text, element, list or empty element."""

    path: str
    kind: str
    doc: str
    type: str = ""
    values: tuple[str, ...] = ()
    default: str | None = None
    required: bool = False
    live: bool = False
    secret: bool = False
    qemu: str = ""


def entries(root: type[Element]) -> Iterator[Entry]:
    """Every place below a root element, in the order of output."""
    yield Entry(root.tag, "element", summary(root))
    yield from _below(root, root.tag, (root,))


def explain(root: type[Element], wanted: str) -> list[Entry]:
    """The places that `wanted` names: a whole path, or the end of one (`disk/driver/@cache`, `@cache`).

    An element is followed by what stands directly in it. Empty when nothing has that name.
    """
    wanted = wanted.strip().strip("/")
    known = list(entries(root))
    exact = [entry for entry in known if entry.path == wanted]
    found = exact or [entry for entry in known if entry.path.endswith(f"/{wanted}")]
    shallow = min((entry.path.count("/") for entry in found), default=0)
    if found and not found[0].path.rpartition("/")[2].startswith("@"):
        found = [entry for entry in found if entry.path.count("/") == shallow]
    result: list[Entry] = []
    for entry in found:
        result.append(entry)
        if entry.kind != "attribute":
            depth = entry.path.count("/") + 1
            result += [one for one in known if one.path.startswith(f"{entry.path}/") and one.path.count("/") == depth]
    return list(dict.fromkeys(result))


def lines(entry: Entry) -> list[str]:
    """An entry as text: its path, and below it what is known of it."""
    told = [entry.path, f"  {entry.doc}" if entry.doc else ""]
    if entry.kind not in ("attribute", "text"):
        told.append(f"  kind: {entry.kind}")
    if entry.values:
        told.append(f"  values: {', '.join(entry.values)}")
    elif entry.type:
        told.append(f"  type: {entry.type}")
    if entry.default is not None:
        told.append(f"  default: {entry.default}")
    notes = [word for word, holds in (("required", entry.required), ("only of a running guest", entry.live),
                                      ("only with --security-info", entry.secret)) if holds]
    told += [f"  {note}" for note in notes]
    if entry.qemu:
        told.append(f"  QEMU: {entry.qemu}")
    return [line for line in told if line]


def summary(cls: type[Element]) -> str:
    """The first sentence of a class."""
    return (cls.__doc__ or "").strip().partition("\n")[0].rstrip(".")


def _below(cls: type[Element], where: str, above: tuple[type[Element], ...]) -> Iterator[Entry]:
    found: dict[str, tuple[Entry, type[Element] | None]] = {}
    for kind in cls.variants():
        own = {f"{where}/{field.path}".removesuffix("/."): field for field in kind.fields
               if not isinstance(field, Dropped)}
        for path, field in own.items():
            for place in (*_wrappers(where, field), path):
                known = own.get(place)
                entry = _entry(place, known) if known is not None else Entry(place, "element", "")
                inner = known.type if isinstance(known, (Child, Children)) else None
                found[place] = (_merged(found[place][0], entry), inner) if place in found else (entry, inner)
    for path, (entry, inner) in found.items():
        yield entry
        if inner is not None and inner not in above:
            yield from _below(inner, path, (*above, inner))
    for tag, child in cls.more_children():
        yield Entry(f"{where}/{tag}", "list", summary(child))
        yield from _below(child, f"{where}/{tag}", (*above, child))


def _wrappers(where: str, field: Declared) -> Iterator[str]:
    """Elements that only hold what is declared below them."""
    path = where
    for step in field.steps[:-1]:
        path = f"{path}/{step}"
        yield path


def _merged(one: Entry, other: Entry) -> Entry:
    """One place of two kinds of an element: the words of both."""
    return one._replace(values=tuple(dict.fromkeys(one.values + other.values)), doc=one.doc or other.doc,
                        default=one.default if one.default == other.default else None)


def _entry(path: str, field: Declared) -> Entry:
    meta = {"doc": field.doc, "live": field.live, "secret": field.secret, "qemu": _qemu(field)}
    if isinstance(field, (Child, Children)):
        kind = "list" if isinstance(field, Children) else "element"
        return Entry(path, kind, field.doc or summary(field.type), live=field.live, secret=field.secret)
    if isinstance(field, Flag):
        return Entry(path, "empty element", field.doc, live=field.live, secret=field.secret)
    if not isinstance(field, Field):
        return Entry(path, "element", field.doc)
    kind = "attribute" if field.steps[-1].startswith("@") else "text"
    default = None if field.default is None else field.type.format(field.default)
    return Entry(path, kind, str(meta["doc"]), _type(field), values(field.type), default, field.required, field.live,
                 field.secret, str(meta["qemu"]))


def _type(field: Field[object]) -> str:
    if isinstance(field, Size):
        return f"amount of memory; its unit stands beside it ({field.unit} where it is absent)"
    return field.type.doc


def values(kind: XmlType[object]) -> tuple[str, ...]:
    """The words that a type takes, empty where it takes more than words."""
    if isinstance(kind, Lenient):
        return values(kind.type)
    if isinstance(kind, Enum):
        return kind.values
    if isinstance(kind, YesNo):
        return ("yes", "no")
    return ("on", "off") if isinstance(kind, OnOff) else ()


def _qemu(field: Declared) -> str:
    if isinstance(field.qemu, Prop):
        return f"property {field.qemu.name}"
    if isinstance(field.qemu, Driver):
        return f"device {', '.join(sorted(set(field.qemu.drivers.values())))}"
    return f"no effect: {field.qemu.why}" if isinstance(field.qemu, NoEffect) else ""
