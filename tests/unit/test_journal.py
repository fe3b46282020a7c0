import subprocess
import sys
from pathlib import Path

import pytest
from sweep import needs_strace, sweep

from virtctl.errors import OperationFailed
from virtctl.paths import Paths
from virtctl.state.journal import Journal

ROOT = Path(__file__).parents[2]
A = "aaaaaaaa-0000-4000-8000-000000000001"
B = "bbbbbbbb-0000-4000-8000-000000000002"


@pytest.fixture
def paths(tmp_path):
    return Paths.under(tmp_path / "root")


@pytest.fixture
def journal(paths):
    return Journal(paths, command="blockjob vm vda --pivot")


def test_a_finished_operation_leaves_nothing(journal, paths):
    assert journal.pending() == []
    with journal.open(A, "pivot", disk="vda") as operation:
        operation.phase("paused", target="/new.qcow2")
        [record] = journal.pending(A)
        assert (record.op, record.phase, record.command) == ("pivot", "paused", "blockjob vm vda --pivot")
        assert record.facts == {"disk": "vda", "target": "/new.qcow2"}
        assert record.in_progress()
        assert journal.interrupted() == []
    assert list(paths.journal.iterdir()) == []


def test_an_error_leaves_the_record_to_recover(journal):
    with pytest.raises(ZeroDivisionError), journal.open(A, "save", tmp="/x"):
        _ = 1 / 0
    [record] = journal.interrupted(A)
    assert not record.in_progress()
    record.done()
    record.done()  # two processes may both have repaired it
    assert journal.pending() == []


def test_an_operation_undone_before_its_error_leaves_nothing(journal):
    def fail_and_undo():
        with journal.open(A, "save") as operation:
            operation.done()
            raise KeyError

    with pytest.raises(KeyError):
        fail_and_undo()
    assert journal.pending() == []


def test_a_dead_writer_is_told_from_a_living_one(journal, tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from virtctl.paths import Paths\n"
        "from virtctl.state.journal import Journal\n"
        f"Journal(Paths.under(Path(sys.argv[1]))).open({A!r}, 'save', tmp='/x')\nos._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "root")], cwd=ROOT)
    living = journal.open(A, "pivot")
    assert [record.op for record in journal.pending(A)] == ["save", "pivot"]
    assert [record.op for record in journal.interrupted(A)] == ["save"]
    living.done()


def test_domains_are_kept_apart(journal):
    journal.open(A, "save")
    journal.open(B, "pivot")
    journal.open(B, "pivot")
    assert len(journal.pending(A)) == 1
    assert len(journal.pending(B)) == 2
    assert len(journal.pending()) == 3


@pytest.mark.parametrize("content", ["", "{", '{"format": 2}', '{"format": 1}', "null", '{"format": "x"}'])
def test_a_record_that_is_not_understood_stops_changes_but_not_reading(journal, paths, content):
    good = journal.open(B, "save")
    journal.open(A, "save").record.path.write_text(content)
    with pytest.raises(OperationFailed, match=r"journal record '.*' (is broken|was written by a newer virtctl)"):
        journal.pending(A)
    assert [record.path for record in journal.pending(B)] == [good.record.path]
    problems: list[str] = []
    assert len(journal.pending(problems=problems)) == 1
    assert len(problems) == 1


@needs_strace
def test_a_record_is_old_or_new_at_every_fault(tmp_path, paths, journal):
    imports = "from virtctl.paths import Paths\nfrom virtctl.state.journal import Journal\n"
    imports += f"j = Journal(Paths.under(Path({str(tmp_path / 'root')!r})))"

    def reset():
        journal.reap()
        for record in journal.pending():
            record.done()

    journal.open(B, "x").done()
    for injection in sweep(
        tmp_path, imports, f"j.open({A!r}, 'save').phase('whole', size=7)", ("KILL", "ENOSPC"), reset
    ):
        states = [(record.phase, record.facts) for record in journal.interrupted(A)]
        assert states in ([], [("begun", {})], [("whole", {"size": 7})]), str(injection)
        if injection.status == 0:
            assert states == [("whole", {"size": 7})], str(injection)
