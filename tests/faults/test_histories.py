"""Eight processes do at random what they like to two names: some order explains all that they are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.histories import LEAST, NAMES, WORKERS, Operation, explained, record, violations
from tests.support.program import end_guests


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "root"
    end_guests(tmp_path / "root")


@pytest.mark.qemu
@pytest.mark.fault(52)
def test_some_order_explains_every_answer(root: Path) -> None:
    history, most = record(root, seconds=4.0, seed=1)
    assert not violations(history, most)
    assert {op.verb for op in history if op.outcome == ""} >= {"define", "start", "destroy", "undefine"}
    assert len(history) >= LEAST * WORKERS


def op(begin: int, end: int, verb: str, outcome: str = "", uuid: str = "a") -> Operation:
    return Operation(begin, end, verb, NAMES[0], uuid, outcome)


@pytest.mark.parametrize("history", [
    [op(0, 1, "define"), op(2, 3, "start"), op(4, 5, "destroy"), op(6, 7, "undefine"), op(8, 9, "start", "none")],
    [op(0, 9, "start"), op(1, 8, "define")],  # the start came after the define, though it was asked for before
    [op(0, 1, "define"), op(2, 9, "start"), op(2, 9, "start", "running"), op(3, 4, "runs", "True")],
    [op(0, 1, "define"), op(2, 9, "undefine"), op(2, 9, "define"), op(2, 9, "undefine", "none"),
     op(10, 11, "known", "True")],
    [op(0, 1, "define"), op(2, 3, "start"), op(4, 5, "managedsave"), op(6, 7, "undefine", "saved"), op(8, 9, "start"),
     op(10, 11, "undefine"), op(12, 13, "managedsave", "transient")],
    [op(0, 1, "create", uuid="b"), op(2, 3, "define", "exists"), op(4, 5, "create", "running", "b"),
     op(6, 7, "destroy"), op(8, 9, "define")],
])
def test_what_an_order_explains_is_explained(history: list[Operation]) -> None:
    assert explained(history) is None


@pytest.mark.parametrize(("history", "wrong"), [
    ([op(0, 1, "start")], 0),
    ([op(0, 1, "define"), op(2, 9, "start"), op(2, 8, "start")], 1),  # two winners
    ([op(0, 1, "define"), op(2, 3, "start", "none")], 1),  # a definition that was not seen
    ([op(0, 1, "define"), op(2, 3, "undefine"), op(4, 5, "known", "True")], 2),  # and one that came back
    ([op(0, 1, "define"), op(2, 3, "start"), op(4, 5, "managedsave"), op(6, 7, "start"), op(8, 9, "undefine", "saved")],
     4),  # a managed save that outlived its start
    ([op(0, 1, "create"), op(0, 9, "create", uuid="b")], 1),  # one name for two guests
    ([op(0, 1, "define"), op(2, 3, "start"), op(4, 5, "undefine"), op(6, 7, "managedsave"), op(8, 9, "known", "True")],
     3),  # a guest without a definition was saved for its next start
])
def test_what_no_order_explains_is_found(history: list[Operation], wrong: int) -> None:
    assert explained(history) == history[wrong]
