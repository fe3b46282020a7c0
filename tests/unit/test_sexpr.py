"""The s-expression reader and writer."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtctl.errors import ConfigSyntaxError, VirtctlError
from virtctl.xen.sexpr import MAX_DEPTH, Quoted, Sexpr, lookup, read_sexpr, value_of, write_sexpr

ATOMS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
LISTS = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=5), max_leaves=30).filter(
    lambda value: isinstance(value, list)
)


@given(LISTS)
def test_what_is_written_reads_back(value: Sexpr) -> None:
    assert read_sexpr(write_sexpr(value)) == value


@given(st.text(alphabet=st.sampled_from("()'\"\\ #\nab0x7"), max_size=60))
def test_no_text_raises_anything_but_our_errors(text: str) -> None:
    try:
        read_sexpr(text)
    except VirtctlError as error:
        message = str(error)
    else:
        message = ""
    assert "\n" not in message


def test_atoms_bare_and_quoted() -> None:
    text = r"""(vm (name 'a b') (args "x=\"1\" y") (path 'C:\\d\'s') (empty '') (none ) (tab '\t\x41\101'))"""
    assert read_sexpr(text) == [
        "vm",
        ["name", "a b"],
        ["args", 'x="1" y'],
        ["path", "C:\\d's"],
        ["empty", ""],
        ["none"],
        ["tab", "\tAA"],
    ]


def test_comments_and_lines() -> None:
    assert read_sexpr("# saved by xm\n(domain\n  (domid 3) # live\n  (name a#b))\n") == [
        "domain",
        ["domid", "3"],
        ["name", "a#b"],
    ]


def test_written_as_libvirt_spaces_it() -> None:
    value: Sexpr = ["vm", ["name", Quoted("a")], ["memory", "4"], ["serial", ["/dev/a", "none"]], ["kernel", ""]]
    assert write_sexpr(value) == "(vm (name 'a')(memory 4)(serial (/dev/a none))(kernel ''))"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expecting '(' at offset 0"),
        ("abc", "expecting '(' at offset 0"),
        ("(a) b", "expecting the end at offset 4"),
        ("(a) (b)", "expecting the end at offset 4"),
        ("(a", "1 ')' missing at offset 2"),
        ("(a))", "expecting the end at offset 3"),
        ("(a 'b)", "unterminated string or junk after one at offset 3"),
        ("(a 'b'c)", "unterminated string or junk after one at offset 3"),
    ],
)
def test_errors_name_the_place(text: str, message: str) -> None:
    with pytest.raises(ConfigSyntaxError) as caught:
        read_sexpr(text)
    assert str(caught.value) == f"configuration file syntax error: {message}"


def test_depth_and_size_are_limited() -> None:
    assert read_sexpr("(" * MAX_DEPTH + ")" * MAX_DEPTH)
    with pytest.raises(ConfigSyntaxError, match="lists in one another"):
        read_sexpr("(" * (MAX_DEPTH + 1) + ")" * (MAX_DEPTH + 1))
    with pytest.raises(ConfigSyntaxError, match="lists in one another"):
        read_sexpr("(" * 1_000_000)
    with pytest.raises(ConfigSyntaxError, match="more than"):
        read_sexpr("(" + "a " * 3_000_000 + ")")
    deep: Sexpr = []
    for _ in range(MAX_DEPTH + 5):
        deep = [deep]
    with pytest.raises(ConfigSyntaxError):
        write_sexpr(deep)


@pytest.mark.parametrize("piece", ["(a)", "'", "a ", "\\'", "#x\n", "(b 'c d')", '"\\"'])
def test_a_mebibyte_takes_less_than_a_second(piece: str) -> None:
    text = "(x " + piece * (2**20 // len(piece)) + ")"
    assert min(seconds(text) for _ in range(2)) < 1  # a busy machine slows one of them


def test_lookup_goes_by_path() -> None:
    tree = read_sexpr("(domain (image (hvm (boot dc)(serial (a b)))) (device (vif)) (name))")
    assert value_of(tree, "image/hvm/boot") == "dc"
    assert value_of(tree, "image/hvm/serial") is None
    assert value_of(tree, "name") is None
    assert lookup(tree, "image/linux") is None
    assert lookup(tree, "device/vif") == ["vif"]


def seconds(text: str) -> float:
    started = time.process_time()
    with suppress(VirtctlError):
        read_sexpr(text)
    return time.process_time() - started
