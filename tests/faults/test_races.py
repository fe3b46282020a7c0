"""Fifty processes at once on one domain: one QEMU, one winner, and losers who know who won."""

from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path

import pytest

from tests.faults.racing import Act, at_once, counting
from tests.faults.sweep import audit, guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program
from virtctl.drivers.qemu import QemuDriver
from virtctl.state.lock import DomainLock
from virtctl.values import DumpOptions, ListFilter, StartOptions, UndefineOptions

pytestmark = pytest.mark.qemu

PROCESSES = 50


def documents(lab: Lab, names: list[str], uuids: list[int]) -> list[str]:
    """One document for each of the processes, of which the names or the uuids differ."""
    text = document(lab.disk)
    return [text.replace("<name>g<", f"<name>{names[number % len(names)]}<")
            .replace("2a11</uuid>", f"{uuids[number % len(uuids)]:04x}</uuid>") for number in range(PROCESSES)]


def root_of(lab: Lab) -> Path:
    return lab.folder.parent


@pytest.mark.fault(49)
def test_of_many_definitions_of_one_domain_one_is_there_whole(lab: Lab) -> None:
    texts = [document(lab.disk, f"note {number} " + "x" * number * 20) for number in range(PROCESSES)]
    told = at_once(root_of(lab), [partial(QemuDriver.define, xml=text) for text in texts])
    assert told == [""] * PROCESSES
    stored = lab.driver.dumpxml(NAME, DumpOptions(inactive=True))
    number = int(lab.description().split()[1])
    lab.driver.undefine(NAME, UndefineOptions())
    lab.driver.define(texts[number])
    assert stored == lab.driver.dumpxml(NAME, DumpOptions(inactive=True))
    assert audit(root_of(lab)) == []


@pytest.mark.fault(50)
def test_one_name_of_many_uuids_has_one_owner(lab: Lab) -> None:
    texts = documents(lab, [NAME], list(range(PROCESSES)))
    told = at_once(root_of(lab), [partial(QemuDriver.define, xml=text) for text in texts])
    assert told.count("") == 1
    (row,) = lab.driver.rows(ListFilter(inactive=True))
    assert row.uuid.endswith(f"{told.index(''):04x}")
    assert {text for text in told if text} == {f"operation failed: domain 'g' already exists with uuid {row.uuid}"}


@pytest.mark.fault(50)
def test_one_uuid_of_many_names_has_one_name(lab: Lab) -> None:
    texts = documents(lab, [f"name{number}" for number in range(PROCESSES)], [0x2A11])
    told = at_once(root_of(lab), [partial(QemuDriver.define, xml=text) for text in texts])
    assert told.count("") == 1
    (row,) = lab.driver.rows(ListFilter(inactive=True))
    assert row.name == f"name{told.index('')}"
    assert {text for text in told if text} == {
        f"operation failed: domain '{row.name}' is already defined with uuid {row.uuid}"}


@pytest.mark.fault(50)
def test_a_name_is_never_both_defined_and_running_as_two_domains(lab: Lab) -> None:
    texts = documents(lab, [NAME], list(range(10)))
    acts: list[Act] = [partial(QemuDriver.create, xml=text, options=StartOptions()) if number % 2 else
                       partial(QemuDriver.define, xml=text) for number, text in enumerate(texts[:10])]
    for _ in range(4):
        told = at_once(root_of(lab), acts)
        assert told.count("") == 1
        (row,) = lab.driver.rows(ListFilter(inactive=True))
        assert {text for text in told if text} == {f"operation failed: domain 'g' already exists with uuid {row.uuid}"}
        lab.wipe()


@pytest.mark.fault(51)
def test_one_domain_is_started_once(lab: Lab) -> None:
    lab.define()
    with counting(root_of(lab)) as seen:
        told = at_once(root_of(lab), [lambda driver: driver.start(NAME, StartOptions())] * PROCESSES)
    assert told.count("") == 1
    assert {text for text in told if text} == {"Requested operation is not valid: domain is already running"}
    assert len(guests(root_of(lab))) == seen.most == 1


def test_any_mixture_leaves_one_truth(lab: Lab) -> None:
    lab.define()
    chance = random.Random(7)
    acts: list[Act] = [
        lambda driver: driver.start(NAME, StartOptions()), lambda driver: driver.destroy(NAME),
        lambda driver: driver.define(document(lab.disk, "new")), lambda driver: driver.suspend(NAME),
        lambda driver: driver.resume(NAME), lambda driver: driver.undefine(NAME, UndefineOptions()),
        lambda driver: driver.rows(ListFilter(inactive=True))]
    with counting(root_of(lab)) as seen:
        for _ in range(3):
            told = at_once(root_of(lab), [chance.choice(acts) for _ in range(PROCESSES)])
            assert not [text for text in told if "Traceback" in text or "internal error" in text], told
    assert seen.most <= 1
    state = lab.driver.rows(ListFilter(inactive=True))
    assert len(state) <= 1
    assert len(guests(root_of(lab))) == len([row for row in state if row.id is not None])
    assert lab.driver.recover() == []
    assert audit(root_of(lab)) == []


def test_who_waits_is_told_for_whom_and_readers_do_not_wait(lab: Lab, program: Program) -> None:
    lab.running()
    uuid = lab.driver.uuid_of(NAME)
    with DomainLock(lab.driver.context.paths, uuid, command="save g"):
        words = program.error("--lock-timeout", "0.2", "destroy", NAME)
        assert f"held by pid {os.getpid()} 'save g' since" in words
        assert NAME in program.ok("list")
        assert program.ok("domstate", NAME).strip() == "running"
        assert NAME in program.ok("dumpxml", NAME)
        other = document(lab.folder / "other.img").replace("<name>g<", "<name>h<").replace("2a11</uuid>", "2a12</uuid>")
        (lab.folder / "other.img").write_bytes(bytes(65536))
        lab.driver.define(other)
        program.ok("--lock-timeout", "0.2", "start", "h")
        program.ok("--lock-timeout", "0.2", "destroy", "h")
    program.ok("destroy", NAME)
