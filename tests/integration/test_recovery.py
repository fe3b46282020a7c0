"""What the next command makes of what a killed one left."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.killing import Step, Verb
from tests.support.lab import Lab
from tests.support.program import pids_below
from tests.support.waiting import eventually
from virtctl.domain.domain import read_domain
from virtctl.errors import InvalidOperation, VirtctlError
from virtctl.qemu import blockjobs, definitions, lifecycle, recovery, saving, verbs
from virtctl.qemu.blockcopy import blockcopy
from virtctl.qemu.pivot import pivot
from virtctl.qemu.process import ProcessId, wait_end
from virtctl.qemu.sources import find_disk
from virtctl.state import status as statuses
from virtctl.state.journal import Journal
from virtctl.values import BlockCopy, SaveOptions, StartOptions

pytestmark = pytest.mark.qemu

PIVOT = "from virtctl.qemu.pivot import pivot", "pivot(context, context.find('vm1'), 'vda')"
START = ("from virtctl.qemu.definitions import start\nfrom virtctl.values import StartOptions",
         "start(context, context.find('vm1'), StartOptions())")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.end()


def begin_copy(lab: Lab, name: str) -> str:
    context = lab.context()
    target = context.find("vm1")
    blockcopy(context, target, "vda", BlockCopy(str(lab.folder / name)))
    eventually(lambda: (job := blockjobs.job(context, target, "vda")) is not None and job.ready, "the copy is ready")
    return str(lab.folder / name)


def images(lab: Lab) -> set[str | None]:
    """The disk's image as QEMU, the live and the stored document have it: one, when all is well."""
    context = lab.context("next")
    guest = lab.guest()
    disk = find_disk(guest.live(), "vda")
    with guest.monitor() as monitor:
        used = verbs.drives(monitor)[f"drive-{disk.id}"].file
        assert verbs.status(monitor).running
    return {used, disk.image, find_disk(read_domain(context.store.load("vm1")), "vda").image}


def in_window(steps: list[Step]) -> list[Step]:
    """The steps between `stop` and the end, and a few before."""
    stop = next(number for number, step in enumerate(steps) if 'write' in step.call and '"stop"' in step.text)
    return steps[:stop:8] + steps[stop::3]


@pytest.mark.fault(8)
@pytest.mark.slow
def test_a_pivot_killed_anywhere_is_undone_or_complete_after_the_next_command(lab: Lab) -> None:
    lab.start(lab.document())
    verb, trace = Verb(lab.root, *PIVOT), lab.folder / "trace"
    begin_copy(lab, "first.img")
    for number, step in enumerate(in_window(verb.steps(trace))):
        old = images(lab).pop()
        new = begin_copy(lab, f"copy{number}.img")
        verb.fails_at(step, "KILL", trace)
        context = lab.context("next")
        target = context.find("vm1")
        used = images(lab)
        assert used in ({old}, {new}), step
        assert Journal(context.paths).pending() == [], step
        if used == {old}:
            blockjobs.abort(context, target, "vda")
        assert blockjobs.job(context, target, "vda") is None, step
    lab.goes_on()
    assert any("was switched to" in text for text in lab.said)


def rename_of(steps: list[Step], path: Path) -> Step:
    return next(step for step in steps if step.call == "rename" and step.text.endswith(f'"{path}") = 0'))


def test_a_definition_that_cannot_be_written_is_written_by_a_later_command(lab: Lab) -> None:
    lab.start(lab.document())
    verb, trace = Verb(lab.root, *PIVOT), lab.folder / "trace"
    begin_copy(lab, "first.img")
    store = lab.context().store
    step = rename_of(verb.steps(trace), store.path_of("vm1"))
    old = images(lab).pop()
    new = begin_copy(lab, "second.img")
    done = verb.fails_at(step, "EROFS", trace)
    assert done.returncode == 1
    assert f"was switched to '{new}', but the definition '{store.path_of('vm1')}' still names '{old}'" in done.stdout
    asked = Verb(lab.root, "", "context.find('vm1')").fails_at(step._replace(number=1), "EROFS", trace)
    assert "still names" in asked.stdout, "a command that cannot write it either says so again"
    assert images(lab) == {new}
    assert Journal(lab.context().paths).pending() == []
    lab.goes_on()


def test_a_folder_that_cannot_be_written_stops_a_pivot_before_it_has_any_effect(lab: Lab) -> None:
    lab.start(lab.document())
    new = begin_copy(lab, "copy.img")
    verb, trace = Verb(lab.root, *PIVOT), lab.folder / "trace"
    done = verb.fails_at(Step("fsync", 1), "EROFS", trace)
    assert done.returncode == 1
    assert images(lab) == {str(lab.folder / "vm1.img")}
    assert Journal(lab.context().paths).pending() == []
    context = lab.context()
    pivot(context, context.find("vm1"), "vda")
    assert images(lab) == {new}


def test_an_older_definition_is_kept_when_a_pivot_replaces_it(lab: Lab) -> None:
    lab.start(lab.document())
    begin_copy(lab, "copy.img")
    context = lab.context()
    pivot(context, context.find("vm1"), "vda")
    context.store.undo("vm1")
    assert find_disk(read_domain(context.store.load("vm1")), "vda").image == str(lab.folder / "vm1.img")


@pytest.mark.fault(3, 6)
@pytest.mark.slow
@pytest.mark.parametrize("saved", [False, True])
def test_a_start_killed_anywhere_can_be_repeated(lab: Lab, saved: bool) -> None:
    lab.define(lab.document())
    verb, trace = Verb(lab.root, *START), lab.folder / "trace"
    for step in prepare_start(lab, saved) or verb.steps(trace)[:: 5 if saved else 4]:
        prepare_start(lab, saved)
        verb.fails_at(step, "KILL", trace)
        context = lab.context("next")
        target = context.find("vm1")
        image = context.store.managed_save("vm1")
        if target.status is None:
            eventually(lambda: not pids_below(lab.root), "no QEMU is left")
            assert image.exists() is saved, step
            definitions.start(context, target, StartOptions())
        assert lifecycle.current_state(context, context.find("vm1"))[0] == "running", step
        assert len(pids_below(lab.root)) == 1, step
        assert not image.exists(), step
        assert not image.with_suffix(".used").exists(), step
        assert Journal(context.paths).pending() == [], step


def prepare_start(lab: Lab, saved: bool) -> list[Step]:
    """Shut off, with or without a managed save."""
    context = lab.context()
    if context.find("vm1").status is not None:
        lifecycle.destroy(context, context.find("vm1"), graceful=False)
    if saved and not context.store.has_managed_save("vm1"):
        definitions.start(context, context.find("vm1"), StartOptions())
        saving.managed_save(context, context.find("vm1"), SaveOptions())
    return []


@pytest.mark.fault(6)
def test_a_memory_that_may_have_run_is_never_used_again(lab: Lab) -> None:
    """Both die between the renaming of the image and the end of the start: nobody knows whether the guest ran."""
    lab.define(lab.document())
    prepare_start(lab, True)
    verb, trace = Verb(lab.root, *START), lab.folder / "trace"
    image = lab.context().store.managed_save("vm1")
    used = image.with_suffix(".used")
    steps = verb.steps(trace)
    renaming = next(number for number, step in enumerate(steps) if step.call == "rename" and f'"{used}"' in step.text)
    step = next(step for step in steps[renaming:] if step.call == "fsync")
    prepare_start(lab, True)
    verb.fails_at(step, "KILL", trace)
    for pid in pids_below(lab.root):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not pids_below(lab.root), "QEMU is dead")
    context = lab.context()
    target = context.find("vm1")
    assert any(f"the image is kept as '{used}'" in text for text in lab.said)
    assert used.exists()
    definitions.start(context, target, StartOptions())
    lab.goes_on()


@pytest.mark.parametrize("all_of_it", [False, True])
def test_a_guest_is_found_again_when_its_runtime_folder_was_wiped(lab: Lab, all_of_it: bool) -> None:
    document = lab.document(more="<console type='pty'/>")
    target = lab.start(document)
    before = lab.guest().live_text()
    shutil.rmtree(lab.root / "run")
    if all_of_it:
        shutil.rmtree(lab.root / "lib" / "qemu" / "running")
        with pytest.raises(InvalidOperation, match="already running"):
            definitions.start(lab.context(), target, StartOptions())
    context = lab.context()
    found = context.find("vm1")
    assert found.status is not None
    assert lab.guest().live_text() == before
    assert len(pids_below(lab.root)) == 1
    saving.save(context, found, lab.folder / "vm1.save", SaveOptions())
    assert statuses.last_end(context.paths, found.uuid).reason == "saved"


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGTERM, "shutdown"), (signal.SIGKILL, "crashed")])
def test_the_end_of_a_guest_that_was_found_again_is_told_apart(lab: Lab, number: int, reason: str) -> None:
    lab.start(lab.document())
    shutil.rmtree(lab.root / "run")
    status = lab.context().find("vm1").active
    os.kill(status.pid, number)
    assert wait_end(ProcessId(status.pid, status.start_time, status.boot_id), 5)
    context = lab.context()
    assert context.find("vm1").status is None
    assert statuses.last_end(context.paths, status.uuid).reason == reason


@pytest.mark.parametrize("change", [{"boot_id": "another"}, {"start_time": 1}, {"pid": os.getpid()}])
def test_a_record_of_another_process_is_not_believed(lab: Lab, change: dict[str, object]) -> None:
    target = lab.start(lab.document())
    path = statuses.folder(lab.context().paths, target.uuid) / "status.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, **change}))
    context = lab.context()
    context.running()
    os.kill(record["pid"], 0)  # the guest itself was not touched
    said = recovery.recover(lab.context())
    assert any("its runtime folder was gone" in line for line in said) or context.find("vm1").status is not None
    assert lab.context().find("vm1").active.pid == record["pid"]


def test_work_in_progress_is_left_alone(lab: Lab) -> None:
    target = lab.start(lab.document())
    with Journal(lab.context().paths, command="save").open(target.uuid, "save", final="/nowhere") as operation:
        assert recovery.recover(lab.context()) == []
        lab.context().find("vm1")
        assert operation.record.path.exists()


def test_a_record_that_nobody_understands_is_told_and_stops_nobody(lab: Lab) -> None:
    target = lab.start(lab.document())
    Journal(lab.context().paths, command="newer").open(target.uuid, "teleport").abandon()
    assert lab.context().find("vm1").status is not None
    assert any("knows nothing of 'teleport'" in text for text in lab.said)
    with pytest.raises(VirtctlError, match="nobody"):
        lab.context().find("nobody")
