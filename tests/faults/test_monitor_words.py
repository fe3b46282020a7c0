"""A monitor that answers in other words, with an old result, or for ever the same: nothing is taken for granted."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.fakes.standin import standin
from tests.faults.sweep import audit, fresh_driver
from tests.faults.verbs import NAME, Lab
from tests.support.program import Program
from virtctl.errors import MonitorError, OperationAborted, OperationFailed, OperationTimeout
from virtctl.qemu.guest import Guest
from virtctl.qemu.saving import let_go_on
from virtctl.values import SaveOptions

# What each command needs to understand, in words that QEMU 7.2 does not use.
UNKNOWN = [
    (["suspend"], "stop", "VM stopped.\n"),
    (["suspend"], "info status", "The machine is paused\n"),
    (["resume"], "info status", "VM status: active\n"),
    (["reset"], "system_reset", "Reset requested\n"),
    (["shutdown"], "system_powerdown", "ok\n"),
    (["inject-nmi"], "nmi", "NMI: delivered to 1 CPU\n"),
    (["blockjob", "vda", "--abort"], "info block-jobs", "[]\n"),
    (["blockcopy", "vda", "COPY"], "info block", "drive-virtio-disk0 = /disk.img\n"),
    (["blockcopy", "vda", "COPY"], "info block-jobs", "no jobs\n"),
    (["blockresize", "vda", "1M"], 'block_resize "drive-virtio-disk0" 1048576B', "resized\n"),
    (["save", "IMAGE"], "info status", "paused\n"),
    (["save", "IMAGE"], "info block-jobs", "none\n"),
    (["save", "IMAGE"], "info migrate", "Status: none\n"),
    (["save", "IMAGE"], 'migrate -d "unix:save.sock"', "Migration started\n"),
    (["save", "IMAGE"], 'migrate_set_parameter max-bandwidth "0B"', "max-bandwidth: 0\n"),
    (["managedsave"], "info migrate", "Status: none\n"),
    (["domjobinfo"], "info migrate", "Status: none\n"),
    (["domjobabort"], "info migrate", "Status: none\n"),
]


@pytest.mark.fault(72)
@pytest.mark.parametrize(("words", "command", "reply"), UNKNOWN, ids=lambda one: str(one)[:30])
def test_words_that_are_not_known_are_no_success(
    lab: Lab, program: Program, tmp_path: Path, words: list[str], command: str, reply: str
) -> None:
    lab.define()
    ran = tmp_path / "ran"
    ran.touch()
    places = {"COPY": str(lab.copy), "IMAGE": str(lab.image)}
    with standin(lab.driver, NAME, lab.disk, tmp_path, replies={command: reply}, log=str(ran)):
        began = time.monotonic()
        rest = [places.get(word, word) for word in words[1:]]
        error = program.error("--log", tmp_path / "log", words[0], NAME, *rest)
        assert time.monotonic() - began < 15
        said = f"unexpected monitor reply to '{command.split()[0]}"
        assert said in error
        assert repr(reply) in error
        assert said in (tmp_path / "log").read_text()
        assert not lab.image.exists()
        assert not lab.copy.exists()
        if words[0] in ("save", "managedsave"):
            assert fresh_driver(lab.folder.parent).recover() == []
            assert command.startswith("migrate -d") or "migrate -d" not in ran.read_text()
        assert audit(lab.folder.parent) == []


@pytest.mark.fault(72)
def test_a_state_in_other_words_is_the_last_known_one_and_said_to_be(
    lab: Lab, program: Program, tmp_path: Path
) -> None:
    lab.define()
    with standin(lab.driver, NAME, lab.disk, tmp_path, replies={"info status": "VM status: on\n"}):
        assert program.ok("domstate", NAME).strip() == "running"
        assert json.loads(program.ok("domstate", NAME, "--output", "json"))["stale"] is True
        assert "unexpected monitor reply to 'info status'" in program("dominfo", NAME).err
        assert NAME in program.ok("list")


DONE = "globals:\nstore-global-state: on\nMigration status: completed\n"
REFUSED = "Error: Can't migrate the vm that was paused due to previous migration\n"


@pytest.mark.fault(74)
def test_an_old_result_is_no_result(lab: Lab, program: Program, tmp_path: Path) -> None:
    lab.define()
    replies = {"info migrate": DONE, 'migrate -d "unix:save.sock"': REFUSED}
    with standin(lab.driver, NAME, lab.disk, tmp_path, replies=replies):
        with pytest.raises(MonitorError, match="paused due to previous migration"):
            lab.driver.save(NAME, lab.image, SaveOptions())
        assert not lab.image.exists()
        assert lab.driver.job_info(NAME) is None
        assert "no job is active on the domain" in program.error("domjobabort", NAME)
        assert fresh_driver(lab.folder.parent).recover() == []


@pytest.mark.fault(74)
@pytest.mark.parametrize("words", ["failed", "failed (Unable to write to socket: Broken pipe)", "cancelled"])
def test_a_stream_that_ends_before_its_end_is_no_image_with_or_without_a_reason(
    lab: Lab, tmp_path: Path, words: str
) -> None:
    lab.define()
    ended = DONE.replace("completed", words)
    replies = {"info migrate": [DONE.replace("Migration status: completed\n", ""), ended]}
    with standin(lab.driver, NAME, lab.disk, tmp_path, replies=replies):
        with pytest.raises((OperationFailed, OperationAborted)) as caught:
            lab.driver.save(NAME, lab.image, SaveOptions())
        why = "canceled by client" if words == "cancelled" else words.removeprefix("failed (").rstrip(")")
        assert caught.value.message.endswith(why)
        assert not lab.image.exists()
        assert fresh_driver(lab.folder.parent).recover() == []
        assert lab.driver.state(NAME).state == "running"


@pytest.mark.fault(74)
def test_a_stream_that_is_being_cancelled_for_ever_is_not_waited_for_for_ever(lab: Lab, tmp_path: Path) -> None:
    lab.define()
    replies = {"info migrate": DONE.replace("completed", "cancelling")}
    with standin(lab.driver, NAME, lab.disk, tmp_path, replies=replies):
        guest = Guest(lab.driver.context, lab.driver.context.find(NAME).active)
        began = time.monotonic()
        with pytest.raises(OperationTimeout, match="did not give up the broken stream"):
            let_go_on(guest, deadline=0.5)
        assert time.monotonic() - began < 5
        assert lab.driver.state(NAME).state == "running"
