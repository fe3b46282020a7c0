"""What may be said to the human monitor: never a byte that it would drop, obey or cut."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtctl.errors import MonitorError, SystemFault
from virtctl.qemu.monitor import MAX_ARGUMENT, quote, short_path

BACK = {"n": "\n", "r": "\r", "\\": "\\", '"': '"'}


def unquote(text: str) -> str:
    """What QEMU's get_str makes of a quoted argument."""
    assert text[0] == text[-1] == '"'
    inner, out, at = text[1:-1], "", 0
    while at < len(inner):
        if inner[at] == "\\":
            out, at = out + BACK[inner[at + 1]], at + 2
        else:
            assert inner[at] != '"'
            out, at = out + inner[at], at + 1
    return out


@pytest.mark.fault(65)
@given(st.binary(max_size=MAX_ARGUMENT))
def test_an_argument_arrives_as_it_is_or_is_refused(data):
    carried = not any((byte < 0x20 and byte not in b"\n\r") or byte in (0x7F, 0x9B) for byte in data)
    if carried:
        quoted = quote(data)
        assert os.fsencode(unquote(quoted)) == data
        assert not any(byte < 0x20 for byte in os.fsencode(quoted))
    else:
        with pytest.raises(MonitorError, match="cannot be sent"):
            quote(data)


@pytest.mark.fault(65)
@pytest.mark.parametrize("name", ["Ûber", "ěx", "a\tb", "a\x1b[Db", "a\x7f", "\x01"])
def test_names_that_the_monitor_would_mangle_are_refused(name):
    with pytest.raises(MonitorError, match="cannot be sent to the monitor of QEMU"):
        quote(name)


@pytest.mark.fault(66)
def test_a_name_that_would_be_cut_is_refused():
    assert quote("x" * 1023)
    with pytest.raises(MonitorError, match="argument of 1024 bytes is too long"):
        quote("x" * 1024)


def test_any_path_has_a_short_clean_name(tmp_path):
    target = tmp_path / "Û\n\x01 (qemu) "
    target.write_text("content")
    name = short_path(tmp_path, target)
    assert quote(name) == f'"{name}"'
    assert (tmp_path / name).read_text() == "content"
    assert name != short_path(tmp_path, target)


def test_a_short_name_in_a_missing_folder_says_so(tmp_path):
    with pytest.raises(SystemFault, match=r"cannot make a link to .*: No such file"):
        short_path(tmp_path / "gone", tmp_path)
