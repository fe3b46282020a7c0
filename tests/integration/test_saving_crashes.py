"""Saves that are cut off or meet a fault at one of their steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.killing import Step, Verb
from tests.support.lab import Lab
from tests.support.waiting import eventually
from virtctl.errors import VirtctlError
from virtctl.qemu import verbs
from virtctl.qemu.guest import Guest
from virtctl.qemu.process import alive
from virtctl.qemu.restoring import restore
from virtctl.qemu.saveimage import open_image
from virtctl.state import status as statuses
from virtctl.state.journal import Journal
from virtctl.values import RestoreOptions

pytestmark = pytest.mark.qemu

OLDER = b"an older file of that name"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.end()


def saving(lab: Lab) -> tuple[Verb, Path]:
    """The verb, and the file into which it saves."""
    image = lab.folder / "saves" / "vm1.save"
    image.parent.mkdir()
    imports = "from virtctl.qemu.saving import save\nfrom virtctl.values import SaveOptions"
    return Verb(lab.root, imports, f"save(context, context.find('vm1'), Path({str(image)!r}), SaveOptions())"), image


def what_became(guest: Guest) -> str:
    """`running` or `ended` once it is one of them, asked of QEMU and of nobody else."""
    if not alive(guest.identity):
        return "ended"
    try:
        with guest.monitor() as monitor:
            return "running" if verbs.status(monitor).running else ""
    except VirtctlError:
        return ""


def chosen(steps: list[Step], share: int) -> list[Step]:
    """A share of the steps; those that give or take a name are all in it, for there it matters most."""
    return [step for number, step in enumerate(steps)
            if number % share == 0 or step.call in ("rename", "link", "pidfd_send_signal")]


def check(lab: Lab, guest: Guest, image: Path, step: Step) -> None:
    """Either the guest runs and the older file is whole, or it has ended and the image is."""
    began = time.monotonic()
    outcome = eventually(lambda: what_became(guest), f"the guest runs or is saved after {step}", 5)
    assert time.monotonic() - began < 1.0, f"{step}: it took {time.monotonic() - began:.2f} s"
    context = lab.context("next")
    target = context.find("vm1")
    if outcome == "running":
        assert image.read_bytes() == OLDER, step
        assert target.status is not None, step
    else:
        assert target.status is None, step
        assert statuses.last_end(context.paths, target.uuid).reason == "saved", step
        with open_image(image) as saved:
            assert saved.verify(), step
    assert list(image.parent.iterdir()) == [image], step
    assert Journal(context.paths).pending() == [], step


@pytest.mark.fault(4)
@pytest.mark.slow
@pytest.mark.parametrize(("fault", "share"), [("KILL", 7), ("ENOSPC", 9), ("EIO", 12)])
def test_a_save_that_is_cut_off_is_undone_or_complete(lab: Lab, fault: str, share: int) -> None:
    document = lab.document()
    lab.start(document)
    verb, image = saving(lab)
    image.write_bytes(OLDER)
    trace = lab.folder / "trace"
    steps = [step for step in verb.steps(trace) if fault == "KILL" or step.call in FAIL]
    for step in chosen(steps, share):
        if lab.context().find("vm1").status is None:
            lab.start(document)
        image.write_bytes(OLDER)
        guest = lab.guest()
        done = verb.fails_at(step, fault, trace)
        assert "Traceback" not in done.stderr, f"{step}: {done.stderr}"
        check(lab, guest, image, step)


FAIL = ("fsync", "rename", "link", "pwrite64", "mkdir")  # whose failure a full or broken disk would bring


def test_what_was_saved_goes_on_where_it_was(lab: Lab) -> None:
    lab.start(lab.document())
    verb, image = saving(lab)
    verb.steps(lab.folder / "trace")
    context = lab.context()
    for _ in range(2):
        restore(context, image, RestoreOptions())
        lab.goes_on()
        image.unlink()
        verb.steps(lab.folder / "trace")
    assert context.find("vm1").status is None


def test_a_paused_guest_stays_paused_when_its_save_is_cut_off(lab: Lab) -> None:
    lab.start(lab.document(), paused=True)
    verb, image = saving(lab)
    step = next(step for step in verb.steps(lab.folder / "trace") if step.call == "rename" and str(image) in step.text)
    restore(lab.context(), image, RestoreOptions())
    image.unlink()
    verb.fails_at(step, "KILL", lab.folder / "trace")
    assert lab.context().find("vm1").status is not None
    with lab.guest().monitor() as monitor:
        assert not verbs.status(monitor).running
    assert list(image.parent.iterdir()) == []
