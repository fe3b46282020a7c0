"""A run folder that is wiped under running guests: they are found again, with their jobs and both of their monitors."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults.sweep import fresh_driver, guests
from tests.faults.verbs import NAME, Lab
from tests.support.waiting import eventually
from virtctl.values import BlockCommit, BlockCopy, DumpOptions

pytestmark = pytest.mark.qemu

JOBS = ["a record", "no record"]


def wipe(lab: Lab, record: str = JOBS[0]) -> None:
    """What a cleaner of /run leaves: nothing. Without a record, the copy of it is lost as well."""
    root = lab.folder.parent
    shutil.rmtree(root / "run")
    if record == JOBS[1]:
        for copy in (root / "lib" / "qemu" / "running").glob("*.json"):
            copy.unlink()
    lab.driver = fresh_driver(root)


def image(lab: Lab, *, inactive: bool = True) -> str:
    """The path of the disk's image in the definition."""
    text = lab.driver.dumpxml(NAME, DumpOptions(inactive=inactive)).partition("<disk")[2].partition("</disk>")[0]
    return text.partition("<source file='")[2].partition("'")[0]


@pytest.mark.fault(97)
@pytest.mark.parametrize("record", JOBS)
def test_a_copy_is_pivoted_to_after_a_wipe(lab: Lab, record: str) -> None:
    lab.copying()
    (pid,) = guests(lab.folder.parent)
    wipe(lab, record)
    job = lab.driver.blockjob(NAME, "vda")
    assert job is not None
    assert (job.type, job.ready) == ("Block Copy", True)
    assert f"<source file='{lab.copy}'" in lab.driver.dumpxml(NAME, DumpOptions()).partition("<mirror")[2]
    lab.driver.blockjob_pivot(NAME, "vda")
    assert image(lab) == image(lab, inactive=False) == str(lab.copy)
    assert lab.driver.blockjob(NAME, "vda") is None
    assert guests(lab.folder.parent) == [pid]
    assert lab.driver.state(NAME).state == "running"


@pytest.mark.fault(97)
@pytest.mark.parametrize("record", JOBS)
def test_a_copy_is_given_up_after_a_wipe(lab: Lab, record: str) -> None:
    lab.copying()
    wipe(lab, record)
    lab.driver.blockjob_abort(NAME, "vda")
    assert lab.driver.blockjob(NAME, "vda") is None
    assert image(lab) == image(lab, inactive=False) == str(lab.disk)
    assert "<mirror" not in lab.driver.dumpxml(NAME, DumpOptions())


@pytest.mark.fault(97)
@pytest.mark.parametrize("record", JOBS)
def test_an_active_commit_is_pivoted_to_after_a_wipe(lab: Lab, record: str) -> None:
    lab.committing()
    wipe(lab, record)
    job = lab.driver.blockjob(NAME, "vda")
    assert job is not None
    assert (job.type, job.ready) == ("Active Block Commit", True)
    lab.driver.blockjob_pivot(NAME, "vda")
    assert image(lab) == image(lab, inactive=False) == str(lab.disk)
    assert lab.depth() == 1


@pytest.mark.fault(97)
def test_jobs_begin_after_a_wipe_that_need_the_machine_monitor(lab: Lab) -> None:
    lab.chained()
    wipe(lab)
    lab.driver.blockcopy(NAME, "vda", BlockCopy(str(lab.copy), granularity=4096))
    eventually(lambda: (job := lab.driver.blockjob(NAME, "vda")) is not None and job.ready, "the copy is ready")
    lab.driver.blockjob_abort(NAME, "vda")
    lab.driver.blockcommit(NAME, "vda", BlockCommit(active=True))
    eventually(lambda: (job := lab.driver.blockjob(NAME, "vda")) is not None and job.ready, "it is committed")
    wipe(lab)
    lab.driver.blockjob_pivot(NAME, "vda")
    assert image(lab) == str(lab.disk)


@pytest.mark.fault(97)
def test_a_copy_of_an_unusual_name_is_pivoted_to_after_a_wipe(lab: Lab) -> None:
    lab.copy = lab.folder / "Û, a copy.img"
    lab.copying()
    wipe(lab)
    lab.driver.blockjob_pivot(NAME, "vda")
    assert image(lab) == image(lab, inactive=False) == str(lab.copy)
    wipe(lab)
    assert image(lab, inactive=False) == str(lab.copy)
    lab.driver.blockcopy(NAME, "vda", BlockCopy(str(lab.folder / "again.img")))
    eventually(lambda: (job := lab.driver.blockjob(NAME, "vda")) is not None and job.ready, "the copy is ready")
    lab.driver.blockjob_pivot(NAME, "vda")
    assert image(lab) == str(lab.folder / "again.img")


@pytest.mark.fault(97)
def test_what_was_known_of_a_guest_is_known_again(lab: Lab) -> None:
    lab.running()
    lab.driver.suspend(NAME)
    lab.driver.resume(NAME)
    before, number = lab.driver.state(NAME), lab.driver.info(NAME).id
    wipe(lab)
    assert lab.driver.state(NAME) == before
    assert lab.driver.info(NAME).id == number


def test_a_guest_that_is_over_leaves_nothing_that_would_survive_a_wipe(lab: Lab) -> None:
    lab.running()
    kept = lab.folder.parent / "lib" / "qemu"
    (socket,) = (kept / "monitor").iterdir()
    assert socket.is_socket()
    assert socket.stat().st_mode & 0o777 == 0o600
    assert {path.suffix for path in (kept / "running").iterdir()} == {".json", ".xml"}
    lab.driver.destroy(NAME)
    assert list((kept / "monitor").iterdir()) == list((kept / "running").iterdir()) == []


def test_a_socket_may_lie_deeper_than_its_address_may_be_long(tmp_path: Path) -> None:
    root = tmp_path / ("deep" * 30) / "root"
    lab = Lab(root / "lab", fresh_driver(root))
    lab.folder.mkdir(parents=True, mode=0o700)
    lab.disk.write_bytes(bytes(65536))
    lab.copying()
    wipe(lab)
    lab.driver.blockjob_pivot(NAME, "vda")
    assert image(lab) == str(lab.copy)
    lab.driver.destroy(NAME)
    assert list((root / "lib" / "qemu" / "monitor").iterdir()) == []
