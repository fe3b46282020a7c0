"""Every row of the catalogue of faults has a test, or a reason why it has none."""

from __future__ import annotations

from tests.faults.catalogue import OPEN, ROWS, covered


def test_every_row_has_a_test_or_a_reason() -> None:
    tests = covered()
    assert sorted(ROWS) == list(range(1, 111))
    assert [row for row in ROWS if not tests.get(row) and row not in OPEN] == []


def test_what_is_said_of_rows_is_true() -> None:
    tests = covered()
    assert [row for row in tests if row not in ROWS] == [], "rows that are none"
    assert [row for row in OPEN if tests.get(row)] == [], "they have tests now"
    assert all(reason.strip() for reason in OPEN.values())
