"""Text to nodes and back; what a hostile document may cost; XPath as virsh prints it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtctl.errors import InternalError, XmlSyntaxError
from virtctl.schema.node import Node, to_text
from virtctl.schema.xmlio import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, read, wrapped, xpath

SAMPLE = "<domain><name a='1' b='&lt;&quot;'>x &amp; y</name><devices><disk dev='a'/><disk dev='b'/></devices></domain>"

MANY = " ".join(f"c{number}=''" for number in range(900))


@pytest.mark.parametrize(("text", "words"), [
    ("", "Document is empty"), ("<a>", "line 1"), ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "DOCTYPE"),
    ("<a>\0</a>", "NUL"), ("<a>" * 300 + "</a>" * 300, "depth"),
    ("<a b='" + "x" * MAX_BYTES + "'/>", "bytes long"), ("<a>&nosuch;</a>", "nosuch"),
    ("<a>" + "<b/>" * MAX_ELEMENTS + "</a>", "more than 20000 elements"), ("</a>" * 50000, "more than 20000 elements"),
    ("<a>" + f"<b {MANY}/>" * 50 + "</a>", "more than 40000 attributes"),
])
def test_hostile_documents_are_refused_in_a_line(text, words):
    with pytest.raises(XmlSyntaxError) as caught:
        read(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_large_but_right_is_read():
    text = "<a>" + "<b/>" * (MAX_ELEMENTS - 1) + "</a>"
    assert len(read(text).children) == MAX_ELEMENTS - 1
    inner = "<b c='>'/>" * 300  # a '>' in a value opens nothing
    assert len(read(f"<a>{inner}</a>").children) == 300
    assert read("<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH).tag == "a"


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
NAMES = st.sampled_from(["a", "b", "c", "qemu:d"])
NODES = st.recursive(
    st.builds(Node, NAMES, st.dictionaries(st.sampled_from(["x", "y"]), TEXTS, max_size=2), TEXTS.filter(str.strip)),
    lambda inner: st.builds(lambda tag, children: _node(tag, children), NAMES,
                            st.lists(inner, max_size=3)), max_leaves=8)


def _node(tag: str, children: list[Node]) -> Node:
    node = Node(tag)
    node.children = children
    return node


@given(NODES)
def test_what_is_written_is_read_back(node):
    root = Node("domain", {"xmlns:qemu": "http://libvirt.org/schemas/domain/qemu/1.0"})
    root.children = [node]
    again = read(to_text(root))
    assert to_text(again.children[0]) == to_text(node)


@pytest.mark.parametrize(("expression", "wanted"), [
    ("//disk", ['<disk dev="a"/>', '<disk dev="b"/>']), ("//disk/@dev", [' dev="a"', ' dev="b"']),
    ("//name/text()", ["x &amp; y"]), ("//name/@b", [' b="&lt;&quot;"']), ("//nothing", []),
    ("/domain/devices", ['<devices>\n  <disk dev="a"/>\n  <disk dev="b"/>\n</devices>']),
])
def test_what_an_expression_selects(expression, wanted):
    assert xpath(SAMPLE, expression) == wanted


@pytest.mark.parametrize(("expression", "wanted"), [
    ("//disk", '<nodes>\n  <disk dev="a"/>\n  <disk dev="b"/>\n</nodes>'), ("//disk[1]/@dev", '<nodes dev="a"/>'),
    ("//name/text()", "<nodes>x &amp; y</nodes>"), ("//nothing", "<nodes/>"),
])
def test_selected_nodes_in_one_element(expression, wanted):
    assert wrapped(SAMPLE, expression) == wanted


def test_expressions_that_select_no_nodes():
    with pytest.raises(InternalError, match=r"Incorrect xpath 'count\(//disk\)'"):
        xpath(SAMPLE, "count(//disk)")
    with pytest.raises(XmlSyntaxError, match="invalid XPath expression"):
        xpath(SAMPLE, "bad[")


def test_a_value_with_line_breaks_and_tabs_is_read_back_as_it_was():
    node = Node("source", {"file": "/a\r\n(qemu) \tb"}, "one\r\ntwo\tthree")
    assert read(to_text(node)).attrs == node.attrs
    assert read(to_text(node)).text == node.text
