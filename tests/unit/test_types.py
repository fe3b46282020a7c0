"""Types of XML values: parse, write, and the refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtctl.schema.types import (
    CpuSet,
    Enum,
    Hex,
    Int,
    Lenient,
    Mac,
    OnOff,
    Positive,
    Uuid,
    YesNo,
    pretty_size,
    unit_bytes,
)


@given(st.frozensets(st.integers(0, 16383), min_size=1, max_size=40))
def test_sets_are_read_back(members):
    assert CpuSet().parse(CpuSet().format(members)) == members


@given(st.text("0123456789-,^ x", max_size=12))
def test_any_text_is_a_set_or_refused(text):
    try:
        members = CpuSet().parse(text)
    except ValueError:
        return
    assert all(0 <= member < 16384 for member in members)


@pytest.mark.parametrize(("text", "wanted"), [("0-3,^2", {0, 1, 3}), (" 1 , 2", {1, 2}), ("1,", {1}), ("5,^5", set())])
def test_sets(text, wanted):
    assert CpuSet().parse(text) == wanted


@pytest.mark.parametrize("text", ["", "x", "1-", "-1", "3-1", "16384", "^1-2", "1 2"])
def test_texts_that_are_no_sets(text):
    with pytest.raises(ValueError, match=r".*"):
        CpuSet().parse(text)


@given(st.integers(0, 2**63))
def test_the_prettiest_unit_keeps_the_size(size):
    number, unit = pretty_size(size)
    assert number * unit_bytes(unit) == size


@pytest.mark.parametrize(("kind", "text"), [
    (Int(), "1.5"), (Int(0, 5), "6"), (Int(), "0x5"), (Positive(), "0"), (Hex(2), "0x100"), (YesNo(), "on"),
    (OnOff(), "yes"), (Enum("a"), "b"), (Uuid(), "1234"), (Mac(), "52:54:00"), (Lenient(Int()), "x"),
])
def test_values_that_are_refused(kind, text):
    with pytest.raises(ValueError, match=r".*"):
        kind.parse(text)


@pytest.mark.parametrize(("kind", "text", "written"), [
    (Hex(4), "31", "0x001f"), (Hex(1, 255), "0x1F", "0x1f"), (Uuid(), "6F5F8D4C5A3E4F4E9C0F0D1F3C8B7A11",
                                                         "6f5f8d4c-5a3e-4f4e-9c0f-0d1f3c8b7a11"),
    (Mac(), "52:54:0:A:b:c", "52:54:00:0a:0b:0c"), (Int(), "+7", "7"), (YesNo(), "no", "no"),
])
def test_values_are_written_in_one_way(kind, text, written):
    assert kind.format(kind.parse(text)) == written


def test_units():
    assert unit_bytes("MiB") == unit_bytes("m") == 1048576
    assert unit_bytes("MB") == 1000000
    with pytest.raises(ValueError, match="unknown suffix 'x'"):
        unit_bytes("x")
