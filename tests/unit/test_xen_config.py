"""The reader and the writer of xm and xl files."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtctl.errors import ConfigSyntaxError, VirtctlError
from virtctl.xen.config import MAX_DEPTH, read_config, write_config

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
STRINGS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(st.one_of(STRINGS, st.integers(-(2**63), 2**64 - 1)),
                      lambda inner: st.lists(inner, max_size=4), max_leaves=20)


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.sampled_from(["xm", "xl"]))
def test_what_is_written_reads_back(values, dialect) -> None:
    again = read_config(write_config(values, dialect), dialect)
    assert again == values
    assert list(again) == list(values)


@given(st.text(alphabet=st.sampled_from("ab=[](),;'\"\\ #\n+-019x.r"), max_size=60), st.sampled_from(["xm", "xl"]))
def test_no_text_raises_anything_but_our_errors(text, dialect) -> None:
    try:
        read_config(text, dialect)
    except VirtctlError as error:
        message = str(error)
    else:
        message = ""
    assert "\n" not in message


def test_xm_reads_python_assignments() -> None:
    text = '''
import_me_not = None
name = 'web'          # a comment
path = r'C:\\new' "x"
disk = ( 'phy:a,hda,w',
         "file:b,hdc:cdrom,r", )
long = """two
lines"""
vnc = True; sdl = False
memory = 0x80
cpu_weight = 1.5
joined = \\
    "ok"
'''
    assert read_config(text, "xm") == {
        "import_me_not": "", "name": "web", "path": "C:\\newx", "disk": ["phy:a,hda,w", "file:b,hdc:cdrom,r"],
        "long": "two\nlines", "vnc": 1, "sdl": 0, "memory": 128, "cpu_weight": "1.5", "joined": "ok"}


def test_xl_reads_its_own_grammar() -> None:
    text = 'vnuma = [ [ "pnode=0",\n "vcpus=0-1" ], # first\n [ "pnode=1" ] ,\n]\nboot="dc";vcpus=2\nvif = [ ]\n'
    assert read_config(text, "xl") == {"vnuma": [["pnode=0", "vcpus=0-1"], ["pnode=1"]], "boot": "dc", "vcpus": 2,
                                       "vif": []}
    assert read_config('a = [ "1" ]\na += [ "2" ]\nb = "x"\nb += "y"\nc += "z"', "xl") == {
        "a": ["1", "2"], "b": "xy", "c": "z"}


def test_the_last_assignment_counts() -> None:
    assert read_config("a = 1\nb = 2\na = 3", "xl") == {"b": 2, "a": 3}


@pytest.mark.parametrize(("text", "dialect", "message"), [
    ("name = \n", "xl", "expecting a value at line 1, column 8"),
    ("memory = 64 * 2\n", "xm", "unexpected '*' at line 1, column 13"),
    ("a = 1\narch = os.uname()[4]\n", "xm", "expecting a value at line 2, column 8"),
    ("import os\n", "xm", "expecting '=' at line 1, column 8"),
    ("a = True\n", "xl", "expecting a value at line 1, column 5"),
    ("a = ('x')\n", "xl", "expecting a value at line 1, column 5"),
    ("a = 'x\n", "xm", "unterminated string at line 1, column 5"),
    ("a = [ 'x' 'y' ]\n", "xl", "expecting ',' or ']' at line 1, column 11"),
    ("a = 1 b = 2\n", "xl", "expecting the end of the line at line 1, column 7"),
    ("= 1\n", "xl", "expecting a name at line 1, column 1"),
    ("a = 99999999999999999999999\n", "xl", "number too long at line 1, column 5"),
    ("a = 99999999999999999999\n", "xl", "number out of range at line 1, column 5"),
    ("a = 089\n", "xl", "'089' is not a number at line 1, column 5"),
    ("a = 1\na += 'x'\n", "xl", "'a' was of another type at line 2, column 1"),
])
def test_errors_name_the_place(text, dialect, message) -> None:
    with pytest.raises(ConfigSyntaxError) as caught:
        read_config(text, dialect)
    assert str(caught.value) == f"configuration file syntax error: {message}"


def test_an_expression_gets_a_hint() -> None:
    with pytest.raises(ConfigSyntaxError) as caught:
        read_config("device_model = '/usr/' + libdir\n", "xm")
    assert "not evaluated" in (caught.value.hint or "")


def test_depth_and_size_are_limited() -> None:
    with pytest.raises(ConfigSyntaxError, match="lists in one another"):
        read_config("a = " + "[" * 100_000, "xl")
    assert read_config("a = " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, "xl")
    with pytest.raises(ConfigSyntaxError, match="more than"):
        read_config("# " + "x" * 5_000_000, "xl")


def test_strings_are_quoted_as_libvirt_does() -> None:
    assert write_config({"a": 'x"y', "b": "x'\"y", "c": "back\\slash", "d": ["1", 2, []]}, "xm") == (
        "a = 'x\"y'\nb = \"\"\"x'\"y\"\"\"\nc = \"back\\\\slash\"\nd = [ \"1\", 2, [  ] ]\n")
    assert write_config({"b": "x'\"y", "n": "two\nlines"}, "xl") == 'b = "x\'\\"y"\nn = "two\\nlines"\n'


@pytest.mark.parametrize("piece", ["a = 1\n", "'", '"""', "[", "a", "\\\n", "#", "a = 'b' ", '"\\"', "1", "= ", " \n",
                                   '"" ', "a += 'b'\n"])
@pytest.mark.parametrize("dialect", ["xm", "xl"])
def test_a_mebibyte_takes_less_than_a_second(piece, dialect) -> None:
    text = ("a = ''\n" if "+=" in piece else "x = ") + piece * (2**20 // len(piece))
    assert min(seconds(text, dialect) for _ in range(2)) < 1  # a busy machine slows one of them


def seconds(text: str, dialect: str) -> float:
    started = time.process_time()
    with suppress(VirtctlError):
        read_config(text, dialect)
    return time.process_time() - started
