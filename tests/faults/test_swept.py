"""Drawn parts of the sweep that the table of `test_sweep.py` does not have: signals, calls that wait or close; and what
the goals about kills, errors and guests that must be kept measure, in small.
"""

from __future__ import annotations

import shutil
from types import ModuleType

import pytest

from tests.faults.drawn import draw
from tests.faults.goals import Result, g01_kills, g03_errors, g13_unasked
from tests.faults.verbs_small import EVERY
from virtctl.cli.table import ROWS

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="the shim that injects faults needs gcc"),
]

# Which verbs of the sweep stand for a command that changes something.
SWEPT = {
    "autostart": "autostart", "autostart-run": "start", "blockcommit": "blockcommit", "blockcopy": "blockcopy",
    "blockjob": "pivot abort blockjob-speed commit-pivot commit-abort", "blockpull": "blockpull",
    "blockresize": "blockresize", "change-media": "change-media eject", "create": "create", "define": "define redefine",
    "desc": "desc", "destroy": "destroy destroy-graceful", "domif-setlink": "domif-setlink", "domrename": "domrename",
    "dump": "dump dump-crash", "edit": "redefine", "import": "define", "inject-nmi": "inject-nmi",
    "managedsave": "managedsave save-settings", "managedsave-define": "managedsave-define",
    "managedsave-edit": "managedsave-define", "managedsave-remove": "managedsave-remove", "metadata": "metadata",
    "reboot": "reboot", "reset": "reset", "restore": "restore", "resume": "resume", "save": "save save-gzip save-over",
    "save-image-define": "save-image-define", "save-image-edit": "save-image-define", "screenshot": "screenshot",
    "send-key": "send-key", "setmaxmem": "setmaxmem", "setmem": "setmem-config setmem-live", "shutdown": "shutdown",
    "start": "start start-managed start-force-boot", "suspend": "suspend", "undefine": "undefine undefine-nvram",
    "dommemstat": "dommemstat-period", "recover": "recover-save recover-pivot", "undo": "undo",
}
READING = """
    console domblkerror domblkinfo domblklist domblkstat domcontrol domdisplay domfsinfo domid domif-getlink domiflist
    domifstat dominfo domjobinfo domname domstate domstats domtime domuuid domxml-from-native domxml-to-native dumpxml
    list managedsave-dumpxml save-image-dumpxml ttyconsole vcpucount vncdisplay capabilities domcapabilities freecell
    hostname nodeinfo nodememstats uri version diff explain history validate cd completion connect echo exit help man
    pwd quit
"""
PLUGGING = {"attach-device", "attach-disk", "attach-interface", "detach-device", "detach-disk", "detach-interface",
            "detach-device-alias", "update-device", "setvcpus"}  # `attach-device`; tests/integration/test_hotplug.py
NOT_SWEPT = {
    "domjobabort": "it needs a save by another process under way: tests/integration/test_memory_jobs.py",
    "dompmwakeup": "a guest that sleeps needs an operating system; it is one command of the monitor",
    "qemu-monitor-command": "what it changes is what the user types",
}


def test_every_command_that_changes_something_is_swept() -> None:
    names = {verb.name for verb in EVERY}
    known = {name for words in SWEPT.values() for name in words.split()}
    assert known <= names, "verbs that the sweep does not have"
    lacking = {row.name for row in ROWS} - set(SWEPT) - set(READING.split()) - set(NOT_SWEPT)
    assert lacking <= PLUGGING, "a command that is new: put it into one of these tables"


def whole(found: Result, trials: int) -> None:
    assert found.violations == []
    assert found.trials == trials


@pytest.mark.fault(12)
def test_a_command_that_is_told_to_end_is_complete_or_taken_back() -> None:
    verbs = "define,undefine,restore,managedsave,start-managed,blockcommit,commit-pivot,change-media,domrename"
    whole(draw("SIGINT,SIGTERM,SIGHUP", 27, 1, verbs=verbs), 27)


@pytest.mark.fault(31)
def test_calls_that_are_interrupted_or_to_be_made_again() -> None:
    whole(draw("EINTR,EAGAIN", 16, 1, verbs="define,start,save,pivot", calls="waits"), 16)


@pytest.mark.fault(28)
def test_what_cannot_be_read_or_closed_is_told() -> None:
    whole(draw("EIO", 8, 1, verbs="define,save,pivot", calls="closes"), 8)
    whole(draw("EIO", 8, 2, verbs="define,save,pivot", calls="waits"), 8)


@pytest.mark.fault(1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 30)
@pytest.mark.parametrize("goal", [g01_kills, g03_errors, g13_unasked], ids=lambda goal: goal.__name__[-12:])
def test_the_goals_in_small(goal: ModuleType) -> None:
    found = goal.measure(6, 7)
    assert found.violations == []
    assert found.trials == 6
