"""Elements declared as classes: the fields of a class body give the parser, the writer and the reference text.

    class Rng(Device, tag="rng"):
        '''Feeds host randomness to the guest.'''

        model = Field("@model", Enum("virtio"), required=True, doc="emulated card")
        bytes = Field("rate/@bytes", UInt(), doc="bytes allowed per period", qemu=Prop("max-bytes"))

Declaration order is output order. A path is `@attribute`, `child/@attribute`, `child` (its text), `.` (own text).
What is not declared is kept in `extras` and written back; what libvirt reads and throws away is `Dropped`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple, Self

from virtctl.errors import VirtctlError, XmlError
from virtctl.schema.fields import (
    INACTIVE,
    Child,
    Children,
    Declared,
    Dropped,
    Field,
    Flag,
    Mode,
    Plan,
    Size,
)
from virtctl.schema.node import Node

__all__ = ["INACTIVE", "Child", "Children", "Dropped", "Element", "ElementClass", "Extra", "Field", "Flag", "Mode",
           "Size"]


class Extra(NamedTuple):
    """What was not declared: an attribute (`attr` is set) or a whole element, and the path of its parent below us."""

    where: str
    attr: str | None
    value: str
    node: Node | None
    line: int

    @property
    def path(self) -> str:
        """`source/@foo` or `source/foo`."""
        return self.where + (f"@{self.attr}" if self.attr else self.node.tag if self.node else "")


class Element:
    """Base of every declared element. Fields are set by keyword; two elements are equal when they write the same."""

    tag: ClassVar[str] = ""
    plan: ClassVar[Plan] = Plan()
    fields: ClassVar[tuple[Declared, ...]] = ()
    nested: ClassVar[tuple[str, ...]] = ()  # names of the fields that hold elements

    def __init_subclass__(cls, tag: str | None = None, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if tag is not None:
            cls.tag = tag
        # A field of a base class that the subclass redeclares moves to where the subclass has it.
        found: dict[str, Declared] = {}
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                if isinstance(value, Declared):
                    found.pop(name, None)
                    found[name] = value
        cls.fields = tuple(cls.output_order(found))
        cls.nested = tuple(field.name for field in cls.fields if isinstance(field, (Child, Children)))
        cls.plan = Plan()
        for field in cls.fields:
            cls.plan.place(list(field.steps), field)
            for path in field.also:
                cls.plan.place(path.split("/"), Dropped(path))

    @classmethod
    def output_order(cls, found: dict[str, Declared]) -> list[Declared]:
        """The output order: as declared, base classes first. Override to put a base's fields last."""
        return list(found.values())

    def __init__(self, **values: object) -> None:
        for name, value in values.items():
            if not isinstance(getattr(type(self), name, None), Declared):
                raise TypeError(f"<{self.tag}> has no field '{name}'")
            self.__dict__[name] = value

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Element):
            return NotImplemented
        mode = Mode(live=True, secure=True)
        return self.to_node(mode) == other.to_node(mode)

    __hash__ = object.__hash__

    @property
    def extras(self) -> list[Extra]:
        """What the document said here that no field declares."""
        found: list[Extra] = self.__dict__.setdefault("_extras", [])
        return found

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads an element. Raises XmlError for a value that its type refuses."""
        chosen = cls.class_for(node)
        obj = chosen()
        if not isinstance(obj, cls):
            raise TypeError(f"{chosen.__name__} does not stand for {cls.__name__}")
        cls._read(obj, node, chosen.plan, mode)
        try:
            for field in chosen.fields:
                if isinstance(field, Field) and field.required and obj.__dict__.get(field.name) is None:
                    raise obj.missing(field)
            obj.parsed(node, mode)
        except VirtctlError as error:
            mode.refuse(node, error)
        return obj

    @classmethod
    def class_for(cls, node: Node) -> type[Element]:
        """The class that reads `node`: override where an attribute decides, as the kind of an address does."""
        return cls

    @classmethod
    def variants(cls) -> tuple[type[Element], ...]:
        """The classes that may stand for this one, for the reference text."""
        return (cls,)

    @classmethod
    def more_children(cls) -> Iterable[tuple[str, type[Element]]]:
        """Children that are found by tag and not declared as fields, for the reference text."""
        return ()

    @staticmethod
    def _read(obj: Element, node: Node, plan: Plan, mode: Mode) -> None:
        Element._read_attributes(obj, node, plan, mode)
        seen: set[str] = set()
        for child in node.children:
            below = plan.children.get(child.tag)
            try:
                if below is None:
                    obj.unknown(child, plan.prefix, mode)
                elif isinstance(below, Plan):
                    if child.tag not in seen:  # of several, the first counts, as libvirt's XPath takes the first match
                        Element._read(obj, child, below, mode)
                        seen.add(child.tag)
                elif mode.live or not below.live:
                    below.read(obj, child, child.text or "", mode)
            except VirtctlError as error:
                mode.refuse(child, error)

    @staticmethod
    def _read_attributes(obj: Element, node: Node, plan: Plan, mode: Mode) -> None:
        if plan.text is not None and node.text is not None:
            try:
                plan.text.read(obj, node, node.text, mode)
            except VirtctlError as error:
                mode.refuse(node, error)
        for key, value in node.attrs.items():
            field = plan.attrs.get(key)
            if field is None:
                obj.extras.append(Extra(plan.prefix, key, value, None, node.line))
            elif mode.live or not field.live:
                try:
                    field.read(obj, node, value, mode)
                except VirtctlError as error:
                    mode.refuse(node, error)

    def unknown(self, child: Node, where: str, mode: Mode) -> None:
        """A child element that no field declares: kept as it stands."""
        self.extras.append(Extra(where, None, "", child, child.line))

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a required value that is not there."""
        if isinstance(field, Size):
            return XmlError(f"missing element or attribute '{field.place}'")
        owner = field.steps[-2] if len(field.steps) > 1 else self.tag
        if field.steps[-1].startswith("@"):
            return XmlError(f"Missing required attribute '{field.steps[-1][1:]}' in element '{owner}'")
        return XmlError(f"Missing required element '{field.path}' in element '{self.tag}'")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Called after reading: normalise what one field decides about another. Nothing by default."""

    def check(self) -> None:
        """The rules inside this element; raises what libvirt raises. Nothing by default."""

    def written(self, node: Node, mode: Mode) -> None:
        """Called after writing: what the declared order cannot express. Nothing by default."""

    def visible(self, mode: Mode) -> bool:
        """Whether the element is written at all."""
        return True

    def append_to(self, parent: Node, tag: str, mode: Mode) -> None:
        """Writes this element as the last child of `parent`."""
        if self.visible(mode):
            parent.children.append(self.to_node(mode, tag))

    def to_node(self, mode: Mode = INACTIVE, tag: str | None = None) -> Node:
        """The element as a Node; `tag` for a class that serves several tags."""
        node = Node(tag or self.tag)
        values = self.__dict__
        for field in self.fields:
            if field.name in values or field.standing:
                field.write(self, node, mode)
        for extra in values.get("_extras", ()):
            _write_extra(extra, node)
        self.written(node, mode)
        return node

    def elements(self) -> Iterator[Element]:
        """The declared elements directly inside this one."""
        values = self.__dict__
        for name in self.nested:
            value = values.get(name)
            if isinstance(value, Element):
                yield value
            elif value:
                yield from value

    def walk(self) -> Iterator[Element]:
        """This element and every declared one below it, parents first."""
        yield self
        for child in self.elements():
            yield from child.walk()

    def clone(self) -> Self:
        """A deep copy."""
        copy = type(self)()
        for name, value in self.__dict__.items():
            if isinstance(value, Element):
                value = value.clone()
            elif isinstance(value, list):
                value = [item.clone() if isinstance(item, Element) else item for item in value]
            copy.__dict__[name] = value
        return copy


ElementClass = type[Element]  # for annotations in classes that declare a field named `type`


def _write_extra(extra: Extra, node: Node) -> None:
    for step in extra.where.split("/")[:-1]:
        node = node.ensure(step)
    if extra.attr is not None:
        node.attrs.setdefault(extra.attr, extra.value)
    elif extra.node is not None:
        node.children.append(extra.node)
