"""Text to Node, and the other things only an XML library can do. The one module that imports lxml.

What a hostile document may cost is bounded before lxml sees it: 10 MiB (virsh's own limit), 256 levels,
20,000 elements, 40,000 attributes and 1,000 of one element, no DOCTYPE and so no entity of any kind, no network.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from virtctl.errors import InternalError, XmlError, XmlSyntaxError
from virtctl.schema.node import Node

if TYPE_CHECKING:
    from lxml.etree import _Element, _ElementUnicodeResult

MAX_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 256
MAX_ELEMENTS = 20_000  # a guest of a thousand disks has half as many
MAX_ATTRIBUTES_OF_ALL = 2 * MAX_ELEMENTS
MAX_ATTRIBUTES = 1000  # of one element: libxml2's time grows with their square
_DOCTYPE = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--|<!\[CDATA\[")
_ATTRIBUTE = re.compile(rb"\s[^\s=<>'\"]+\s*=\s*['\"]")
QEMU_NS = "http://libvirt.org/schemas/domain/qemu/1.0"
PREFIXES = {QEMU_NS: "qemu", "http://libvirt.org/schemas/domain/lxc/1.0": "lxc",
            "http://libvirt.org/schemas/domain/xen/1.0": "xen"}


def _guard(data: bytes, what: str) -> None:
    if len(data) > MAX_BYTES:
        raise XmlSyntaxError(f"{what} is {len(data)} bytes long: more than the {MAX_BYTES} that a document may have")
    if not data.strip():
        raise XmlSyntaxError(f"{what}: Document is empty")
    if b"\0" in data:
        raise XmlSyntaxError(f"{what}: a NUL byte, or an encoding other than UTF-8")
    if _DOCTYPE.search(data) and _DOCTYPE.search(_without_comments(data)):
        raise XmlSyntaxError(f"{what}: a DOCTYPE is not accepted",
                             hint="remove the DOCTYPE; entities are never expanded")


def _without_comments(data: bytes) -> bytes:
    """What stands outside of comments and literal text; in one pass, however many of them are never closed."""
    kept, place = [], 0
    while (begin := _COMMENT.search(data, place)) is not None:
        kept.append(data[place:begin.start()])
        closing = b"-->" if begin[0] == b"<!--" else b"]]>"
        end = data.find(closing, begin.end())
        if end < 0:
            return b"".join(kept)
        place = end + len(closing)
    return b"".join([*kept, data[place:]])


def _element_guard(data: bytes, what: str) -> None:
    marks = data.count(b"<")
    if marks > 2 * MAX_ELEMENTS or marks - data.count(b"</") > MAX_ELEMENTS:
        raise XmlSyntaxError(f"{what}: more than {MAX_ELEMENTS} elements and comments")
    if data.count(b"=") > MAX_ATTRIBUTES:
        _attribute_guard(data, what)


def _attribute_guard(data: bytes, what: str) -> None:
    # A tag lies between one '<' and the next, for none may stand in a value.
    total = 0
    for piece in data.split(b"<"):
        found = sum(1 for _ in _ATTRIBUTE.finditer(piece))
        total += found
        if found > MAX_ATTRIBUTES:
            raise XmlSyntaxError(f"{what}: an element has more than {MAX_ATTRIBUTES} attributes")
        if total > MAX_ATTRIBUTES_OF_ALL:
            raise XmlSyntaxError(f"{what}: more than {MAX_ATTRIBUTES_OF_ALL} attributes")


def read_element(data: bytes | str, what: str = "(domain_definition)") -> _Element:
    """The root as lxml's element, for XPath and validation. Raises XmlSyntaxError with `what:line: reason`."""
    from lxml import etree

    if isinstance(data, str):
        try:
            data = data.encode()
        except UnicodeEncodeError as error:
            raise XmlSyntaxError(f"{what}: the text cannot be written as UTF-8") from error
        # A str that was decoded already must not be decoded a second time by what its prolog claims.
        data = re.sub(rb"^\s*<\?xml[^>]*\?>", b"", data)
    _guard(data, what)
    _element_guard(data, what)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
                             remove_blank_text=True, strip_cdata=False)
    try:
        return etree.fromstring(data.strip(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        reason = getattr(error, "msg", None) or str(error)
        raise XmlSyntaxError(f"{what}:{getattr(error, 'lineno', None) or 1}: {reason}") from error


def _name(qualified: str | bytes) -> str:
    tag = qualified if isinstance(qualified, str) else qualified.decode()
    if tag[0] != "{":
        return tag
    space, _, local = tag[1:].partition("}")
    prefix = PREFIXES.get(space)
    return f"{prefix}:{local}" if prefix else f"{{{space}}}{local}"


def _convert(element: _Element, verbatim: frozenset[str], depth: int = 1) -> Node:
    if depth > MAX_DEPTH:  # libxml2 says so itself, unless it was built to allow more
        raise XmlSyntaxError(f"Excessive depth in document: {MAX_DEPTH}")
    node = Node(_name(element.tag))
    node.line = element.sourceline if isinstance(element.sourceline, int) else 0
    node.attrs = {_name(key): str(value) for key, value in element.attrib.items()}
    if node.tag in verbatim:
        node.raw = _metadata(element)
        return node
    text = element.text or ""
    for child in element:
        if isinstance(child.tag, str):
            node.children.append(_convert(child, verbatim, depth + 1))
        text += child.tail or ""
    if text and (not node.children or text.strip()):
        node.text = text
    return node


def _metadata(element: _Element) -> str:
    """`<metadata>` as libvirt keeps it: one element of each name space, indented for its place."""
    from copy import deepcopy

    from lxml import etree

    wrapper = etree.Element("domain")
    copy = etree.SubElement(wrapper, element.tag, nsmap=cast("dict[str, str]", element.nsmap))  # None is a key too
    copy.attrib.update(element.attrib)
    spaces: set[str | None] = {None}
    for child in element:
        space = etree.QName(child.tag).namespace if isinstance(child.tag, str) else None
        if space not in spaces:
            spaces.add(space)
            kept = deepcopy(child)
            kept.tail = None
            copy.append(kept)
    etree.cleanup_namespaces(wrapper)
    text = etree.tostring(wrapper, encoding="unicode", pretty_print=True)
    end = "</metadata>" if len(copy) else "/>"
    return text[text.index("<metadata"):text.rindex(end)] + end


VERBATIM = frozenset({"metadata"})


def read(data: bytes | str, what: str = "(domain_definition)", verbatim: frozenset[str] = VERBATIM) -> Node:
    """The document as a Node; elements whose tag is in `verbatim` are kept as raw text."""
    return _convert(read_element(data, what), verbatim)


def _selected(data: str, expression: str) -> list[_Element | _ElementUnicodeResult]:
    from lxml import etree

    root = read_element(data)
    try:
        found = root.xpath(expression, namespaces={"qemu": QEMU_NS})
    except etree.XPathError as error:
        raise XmlSyntaxError(f"invalid XPath expression '{expression}': {error}") from error
    if not isinstance(found, list):
        raise InternalError(f"Incorrect xpath '{expression}'")
    return [item for item in found if isinstance(item, etree._Element | etree._ElementUnicodeResult)]


def xpath(data: str, expression: str) -> list[str]:
    """What an XPath 1.0 expression selects, each piece as virsh prints it: an attribute as ` name="value"`.

    Raises XmlSyntaxError for what is no expression, InternalError for one that selects no nodes.
    """
    from lxml import etree

    return [_element_text(item) if isinstance(item, etree._Element) else _value_text(item)
            for item in _selected(data, expression)]


def wrapped(data: str, expression: str) -> str:
    """What an XPath expression selects, in one root element `<nodes>`."""
    from copy import deepcopy

    from lxml import etree

    nodes = etree.Element("nodes")
    for item in _selected(data, expression):
        if isinstance(item, etree._Element):
            copy = deepcopy(item)
            copy.tail = None
            nodes.append(copy)
        elif item.is_attribute and item.attrname:
            nodes.set(item.attrname, str(item))
        elif len(nodes):
            nodes[-1].tail = (nodes[-1].tail or "") + str(item)
        else:
            nodes.text = (nodes.text or "") + str(item)
    return _element_text(nodes)


def _element_text(element: _Element) -> str:
    from copy import deepcopy

    from lxml import etree

    copy = deepcopy(element)
    copy.tail = None
    etree.cleanup_namespaces(copy)
    return etree.tostring(copy, encoding="unicode", pretty_print=True).rstrip("\n")


def _value_text(item: _ElementUnicodeResult) -> str:
    text = str(item).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if not item.is_attribute:
        return text
    quoted = text.replace('"', "&quot;")
    return f' {_name(item.attrname or "")}="{quoted}"'


def namespaced(text: str, uri: str, prefix: str) -> str:
    """A user's element for `<metadata>`, its elements put into a name space. Raises XmlError."""
    from lxml import etree

    element = read_element(text, "(metadata_xml)")
    try:
        root = etree.Element("{" + uri + "}" + etree.QName(element).localname, nsmap={prefix: uri})
    except ValueError as error:
        raise XmlError(f"failed to validate prefix '{prefix}'") from error
    for one in element.iter():
        if isinstance(one.tag, str) and etree.QName(one).namespace is None:
            one.tag = "{" + uri + "}" + one.tag
    root.attrib.update(element.attrib)
    root.text = element.text
    root.extend(list(element))
    return etree.tostring(root, encoding="unicode")


def metadata_part(raw: str, uri: str) -> str | None:
    """The element of a name space below `<metadata>`, without that name space; None when there is none."""
    from lxml import etree

    found = next((one for one in read_element(raw) if isinstance(one.tag, str)
                  and etree.QName(one).namespace == uri), None)
    if found is None:
        return None
    for one in found.iter():
        if isinstance(one.tag, str) and etree.QName(one).namespace == uri:
            one.tag = etree.QName(one).localname
    found.tail = None
    alone = etree.fromstring(etree.tostring(found))
    etree.cleanup_namespaces(alone)
    etree.indent(alone)
    return etree.tostring(alone, encoding="unicode")


def metadata_with(raw: str, uri: str, new: str | None) -> str:
    """`<metadata>` with another element of a name space, or without one."""
    from lxml import etree

    metadata = read_element(raw)
    for one in list(metadata):
        if isinstance(one.tag, str) and etree.QName(one).namespace == uri:
            metadata.remove(one)
    if new is not None:
        metadata.append(read_element(new))
    return _metadata(metadata)
