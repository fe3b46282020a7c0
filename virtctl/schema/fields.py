"""The kinds of field that an element class declares: Field, Flag, Child, Children, Dropped."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Self, TypedDict, TypeVar, Unpack, overload

from virtctl.errors import InvalidArgument, ValueOverflow, VirtctlError, XmlError
from virtctl.schema.node import Node
from virtctl.schema.types import ZERO, Ignored, UInt, XmlType, pretty_size, unit_bytes

if TYPE_CHECKING:
    from virtctl.schema.element import Element

T = TypeVar("T")
V = TypeVar("V")
E = TypeVar("E", bound="Element")
_DIGITS = re.compile(r"\s*\+?[0-9]+\Z")

class Refusal(NamedTuple):
    """What was refused, and where."""

    node: Node
    error: VirtctlError


class Mode(NamedTuple):
    """What is read or written. `live`: a running guest's facts too; `secure`: secrets; `migratable`: for elsewhere.

    With `refusals`, reading goes on after a refusal and leaves it there, so that all of them can be told.
    """

    live: bool = False
    secure: bool = False
    migratable: bool = False
    refusals: list[Refusal] | None = None

    def refuse(self, node: Node, error: VirtctlError) -> None:
        """Keeps the refusal, or raises it."""
        if self.refusals is None:
            raise error
        self.refusals.append(Refusal(node, error))


INACTIVE = Mode()


class Meta(TypedDict, total=False):
    """What any field may say about itself. `live`: only for a running guest; `secret`: only with security info.

    `refused`: the error for a value that the type refuses, where libvirt words it otherwise; `%s` is the value.
    """

    doc: str
    qemu: object
    live: bool
    secret: bool
    refused: tuple[type[VirtctlError], str]


class Plan:
    """Where a class finds its fields: by attribute, by child tag, in the text; compiled once a class."""

    __slots__ = ("attrs", "children", "prefix", "text")

    def __init__(self, prefix: str = "") -> None:
        self.attrs: dict[str, Declared] = {}
        self.children: dict[str, Plan | Declared] = {}
        self.text: Declared | None = None
        self.prefix = prefix

    def place(self, steps: list[str], field: Declared) -> None:
        """Enters `field` at the path `steps`."""
        step, rest = steps[0], steps[1:]
        if step == ".":
            self.text = field
        elif step.startswith("@"):
            self.attrs[step[1:]] = field
        elif not rest and field.whole:
            self.children[step] = field
        else:
            below = self.children.setdefault(step, Plan(f"{self.prefix}{step}/"))
            if not isinstance(below, Plan):
                raise TypeError(f"{field.name}: <{step}> is already declared whole")
            if rest:
                below.place(rest, field)
            else:
                below.text = field


class Declared:
    """Common part of every kind of field."""

    whole = False  # takes the child element itself, not one text inside it
    name = ""
    standing = False  # a default is written even where nothing was said
    also: tuple[str, ...] = ()  # further paths that belong to this field and are read with it

    def __init__(self, path: str, meta: Meta) -> None:
        self.path = path
        self.steps = path.split("/")
        self.doc = meta.get("doc", "")
        self.qemu = meta.get("qemu")
        self.live = meta.get("live", False)
        self.secret = meta.get("secret", False)
        self.refused = meta.get("refused")

    def __set_name__(self, owner: type[Element], name: str) -> None:
        self.name = name

    def shown(self, mode: Mode) -> bool:
        """Whether this field is read and written in that mode."""
        return (mode.live or not self.live) and (mode.secure or mode.migratable or not self.secret)

    def read(self, obj: Element, node: Node, text: str, mode: Mode) -> None:
        """Takes the value from `text` (attribute or text) or from `node` (whole child)."""
        raise NotImplementedError

    def write(self, obj: Element, node: Node, mode: Mode) -> None:
        """Puts the value, if there is one, below `node`."""
        raise NotImplementedError

    def holder(self, node: Node) -> Node:
        """The element that carries this field's attribute or text, made when it is missing."""
        for step in self.steps[:-1]:
            node = node.ensure(step)
        last = self.steps[-1]
        return node if last[0] in "@." else node.ensure(last)


class Field(Declared, Generic[T]):
    """One value in an attribute or a text. `default` is what an absent one means, and it is then written."""

    @overload
    def __init__(self: Field[V], path: str, type: XmlType[V], *, default: V, **meta: Unpack[Meta]) -> None: ...
    @overload
    def __init__(self: Field[V], path: str, type: XmlType[V], *, required: Literal[True],
                 **meta: Unpack[Meta]) -> None: ...
    @overload
    def __init__(self: Field[V | None], path: str, type: XmlType[V], **meta: Unpack[Meta]) -> None: ...

    def __init__(self, path: str, type: XmlType[Any], *, default: Any = None, required: bool = False,
                 **meta: Unpack[Meta]) -> None:
        super().__init__(path, meta)
        self.type = type
        self.default = default
        self.standing = default is not None
        self.required = required

    @overload
    def __get__(self, obj: None, owner: type[Element]) -> Self: ...
    @overload
    def __get__(self, obj: Element, owner: type[Element]) -> T: ...

    def __get__(self, obj: Element | None, owner: type[Element]) -> Any:
        if obj is None:
            return self
        value = obj.__dict__.get(self.name)
        return self.default if value is None else value

    def __set__(self, obj: Element, value: T) -> None:
        obj.__dict__[self.name] = value

    def read(self, obj: Element, node: Node, text: str, mode: Mode) -> None:
        """Parses `text`; a refusal is worded as libvirt words it."""
        try:
            obj.__dict__[self.name] = self.type.parse(text)
        except Ignored:
            return
        except ValueError as error:
            raise self.refusal(node, text, str(error)) from error

    def refusal(self, node: Node, text: str, reason: str) -> VirtctlError:
        """The error for a value that the type refused."""
        hint = f"line {node.line}: {node.tag}/{self.steps[-1]} takes {self.type.doc}"
        tail = f" {reason}" if reason else ""
        refused = self.refused or self.type.refused
        if refused is not None:
            error, words = refused
            return error(words.replace("%s", text), hint=hint)
        last = self.steps[-1]
        owner = node.tag.rpartition(":")[2]
        what = f"attribute '{last[1:]}' in element '{owner}'" if last[0] == "@" else f"element '{owner}'"
        if reason == ZERO:
            return XmlError(f"Invalid value for {what}: {ZERO}", hint=hint)
        return XmlError(f"Invalid value for {what}: '{text}'.{tail}", hint=hint)

    def write(self, obj: Element, node: Node, mode: Mode) -> None:
        """Writes the value, or the declared default."""
        value = obj.__dict__.get(self.name)
        if value is None:
            value = self.default
        if value is None or not self.shown(mode):
            return
        target = self.holder(node)
        last = self.steps[-1]
        if last[0] == "@":
            target.attrs[last[1:]] = self.type.format(value)
        else:
            target.text = self.type.format(value)


class Size(Field[T]):
    """An amount of memory, read with the unit beside it and written in KiB, rounded up.

    `unit` is what an absent unit means. A `pretty` one is kept in bytes and written in its largest whole unit.
    """

    @overload
    def __init__(self: Size[int], path: str, *, default: int, unit: str = "KiB", pretty: bool = False,
                 place: str = "", **meta: Unpack[Meta]) -> None: ...
    @overload
    def __init__(self: Size[int], path: str, *, required: Literal[True], unit: str = "KiB", pretty: bool = False,
                 place: str = "", **meta: Unpack[Meta]) -> None: ...
    @overload
    def __init__(self: Size[int | None], path: str, *, unit: str = "KiB", pretty: bool = False,
                 place: str = "", **meta: Unpack[Meta]) -> None: ...

    def __init__(self, path: str, *, default: int | None = None, required: bool = False, unit: str = "KiB",
                 pretty: bool = False, place: str = "", **meta: Unpack[Meta]) -> None:
        Declared.__init__(self, path, meta)
        self.type, self.default, self.required = UInt(2**64 - 1), default, required
        self.standing = default is not None
        self.unit, self.pretty = unit, pretty
        self.place = place or f"./{path}" + ("" if "@" in path else "[1]")  # as libvirt's messages say it
        head, _, last = path.rpartition("/")
        prefix = f"{head}/" if head else ""
        self.also = (f"{prefix}@unit" if last[0] in "@." else f"{prefix}{last}/@unit",)

    def read(self, obj: Element, node: Node, text: str, mode: Mode) -> None:
        """The amount in KiB; in bytes when it is a pretty one."""
        number = int(text) if _DIGITS.match(text) else 2**64
        if number >= 2**64:
            raise XmlError(f"Invalid value '{text}' for element or attribute '{self.place}'")
        unit = node.attrs.get("unit") or self.unit
        try:
            total = number * unit_bytes(unit)
        except ValueError as error:
            raise InvalidArgument(str(error)) from error
        if total > 2**63 - 1:
            raise ValueOverflow(f"value too large: {number}{node.attrs.get('unit', '')}")
        obj.__dict__[self.name] = total if self.pretty else -(-total // 1024)

    def write(self, obj: Element, node: Node, mode: Mode) -> None:
        """The unit, then the amount; an attribute before its unit."""
        value = obj.__dict__.get(self.name)
        value = self.default if value is None else value
        if value is None or not self.shown(mode):
            return
        target, last, unit = self.holder(node), self.steps[-1], "KiB"
        if self.pretty:
            value, unit = pretty_size(value)
        if last[0] == "@":
            target.attrs[last[1:]] = str(value)
            target.attrs["unit"] = unit
        else:
            target.attrs["unit"] = unit
            target.text = str(value)


class Flag(Declared):
    """An empty element that is there or not, such as `<readonly/>`."""

    @overload
    def __get__(self, obj: None, owner: type[Element]) -> Self: ...
    @overload
    def __get__(self, obj: Element, owner: type[Element]) -> bool: ...

    def __get__(self, obj: Element | None, owner: type[Element]) -> Self | bool:
        return self if obj is None else bool(obj.__dict__.get(self.name))

    def __set__(self, obj: Element, value: bool) -> None:
        obj.__dict__[self.name] = value

    whole = True

    def __init__(self, path: str, **meta: Unpack[Meta]) -> None:
        super().__init__(path, meta)

    def read(self, obj: Element, node: Node, text: str, mode: Mode) -> None:
        """It is there."""
        obj.__dict__[self.name] = True

    def write(self, obj: Element, node: Node, mode: Mode) -> None:
        """Writes the empty element."""
        if obj.__dict__.get(self.name) and self.shown(mode):
            self.holder(node)


class Dropped(Declared):
    """What libvirt accepts and does not keep: read without a word, never written."""

    def __init__(self, path: str, **meta: Unpack[Meta]) -> None:
        super().__init__(path, meta)
        self.whole = not self.steps[-1].startswith(("@", "."))

    def read(self, obj: Element, node: Node, text: str, mode: Mode) -> None:
        """Nothing is kept."""

    def write(self, obj: Element, node: Node, mode: Mode) -> None:
        """Nothing is written."""


class Child(Declared, Generic[E]):
    """One declared element inside another; None when absent. The path is its tag, or `wrapper/tag`.

    An element that nests in itself is given as `lambda: TheClass`.
    """

    whole = True

    def __init__(self, path: str, type: builtins.type[E] | Callable[[], builtins.type[E]],
                 **meta: Unpack[Meta]) -> None:
        super().__init__(path, meta)
        self.given = type

    @property
    def type(self) -> builtins.type[E]:
        """The class that reads the child."""
        return self.given if isinstance(self.given, type) else self.given()

    @overload
    def __get__(self, obj: None, owner: builtins.type[Element]) -> Self: ...
    @overload
    def __get__(self, obj: Element, owner: builtins.type[Element]) -> E | None: ...

    def __get__(self, obj: Element | None, owner: builtins.type[Element]) -> Self | E | None:
        return self if obj is None else obj.__dict__.get(self.name)

    def __set__(self, obj: Element, value: E | None) -> None:
        obj.__dict__[self.name] = value

    def read(self, obj: Element, node: Node, text: str, mode: Mode) -> None:
        """Parses the child; of several, the first counts (as XPath's first match does in libvirt)."""
        if obj.__dict__.get(self.name) is None:
            obj.__dict__[self.name] = self.type.parse(node, mode)

    def write(self, obj: Element, node: Node, mode: Mode) -> None:
        """Writes the child where it says something."""
        value: E | None = obj.__dict__.get(self.name)
        if value is not None and self.shown(mode):
            for step in self.steps[:-1]:
                node = node.ensure(step)
            value.append_to(node, self.steps[-1], mode)


class Children(Declared, Generic[E]):
    """Any number of one declared element; a list, empty when there are none."""

    whole = True

    def __init__(self, path: str, type: type[E], **meta: Unpack[Meta]) -> None:
        super().__init__(path, meta)
        self.type = type

    @overload
    def __get__(self, obj: None, owner: type[Element]) -> Self: ...
    @overload
    def __get__(self, obj: Element, owner: type[Element]) -> list[E]: ...

    def __get__(self, obj: Element | None, owner: type[Element]) -> Self | list[E]:
        if obj is None:
            return self
        found: list[E] = obj.__dict__.setdefault(self.name, [])
        return found

    def __set__(self, obj: Element, value: list[E]) -> None:
        obj.__dict__[self.name] = value

    def read(self, obj: Element, node: Node, text: str, mode: Mode) -> None:
        """Parses one more."""
        obj.__dict__.setdefault(self.name, []).append(self.type.parse(node, mode))

    def write(self, obj: Element, node: Node, mode: Mode) -> None:
        """Writes all, in order."""
        values: list[E] = obj.__dict__.get(self.name, [])
        if values and self.shown(mode):
            for step in self.steps[:-1]:
                node = node.ensure(step)
            for value in values:
                value.append_to(node, self.steps[-1], mode)
