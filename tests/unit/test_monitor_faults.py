"""The monitor layer against a fake QEMU that has the faults of real ones, on a real pty."""

from __future__ import annotations

import itertools
import os
import select
import signal
import time

import pytest

from tests.fakes.guests import fake
from virtctl.errors import MonitorError, MonitorGone, MonitorTimeout
from virtctl.qemu import verbs
from virtctl.qemu.monitor import Monitor
from virtctl.state.lock import FileLock


def executed(guest):
    """The commands that the fake ran, without the nonces."""
    lines = (guest.folder.parent / "commands").read_text().splitlines()
    return [line for line in lines if not line.startswith("zz") and not line.startswith("chardev-")]


@pytest.fixture
def log(tmp_path):
    return str(tmp_path / "commands")


@pytest.mark.fault(62)
@pytest.mark.parametrize(
    "half",
    [
        "system_res",
        "quit",
        "q",
        " stop ",
        "info status",
        "\x1b",
        "\x1b[",
        "\x1b[1;",
        "x" * 300,
        "quit\x1b[D\x1b[D",
        '"',
    ],
)
def test_the_half_typed_line_of_a_killed_process_is_never_executed(tmp_path, log, half):
    with fake(tmp_path, log=log) as guest:
        fd = os.open(guest.pts, os.O_RDWR | os.O_NOCTTY)
        os.write(fd, half.encode())
        os.close(fd)
        with guest.monitor() as monitor:
            assert verbs.status(monitor).running
        assert executed(guest) == ["info status"]


def test_what_stood_on_the_line_before_we_ever_came_is_not_executed(tmp_path, log):
    with fake(tmp_path, log=log, half_typed="system_res") as guest, guest.monitor() as monitor:
        verbs.stop(monitor)
        assert executed(guest) == ["stop"]


@pytest.mark.fault(64)
def test_two_banners_are_no_answer(tmp_path):
    with fake(tmp_path, banners=3) as guest, guest.monitor() as monitor:
        assert verbs.status(monitor).running


@pytest.mark.fault(64)
def test_a_banner_that_wipes_the_line_away_makes_us_type_it_again(tmp_path, log):
    with fake(tmp_path, log=log, wiped="system_re") as guest, guest.monitor() as monitor:
        verbs.system_reset(monitor)
        assert executed(guest).count("system_reset") == 1


@pytest.mark.fault(63)
@pytest.mark.parametrize(
    "text",
    ["a\n(qemu) \nb\n", "(qemu) ", "unknown command: 'zz0123456789abcdef'\n(qemu) \n", "\x1b[K\n\n", "", "Error: no\n"],
)
def test_an_answer_that_looks_like_a_prompt_is_handed_over_whole(tmp_path, text):
    with fake(tmp_path, replies={"info name": text}) as guest, guest.monitor() as monitor:
        assert monitor.command("info name") == text
        assert verbs.status(monitor).running


@pytest.mark.fault(68)
def test_an_answer_byte_by_byte_is_put_together(tmp_path):
    text = "".join(f"line {number}\n" for number in range(50))
    with fake(tmp_path, chunk=1, delay=0.0001, replies={"info name": text}) as guest, guest.monitor() as monitor:
        assert monitor.command("info name", 20) == text


@pytest.mark.fault(67)
def test_a_long_answer_arrives_whole(tmp_path):
    text = "x" * 79 + "\n"
    with fake(tmp_path, replies={"info mtree": text * 13000}) as guest, guest.monitor() as monitor:
        assert monitor.command("info mtree", 20) == text * 13000


@pytest.mark.fault(70)
def test_silence_ends_at_the_deadline_and_names_guest_and_command_but_no_secret(tmp_path):
    faults = [{"on": "set_password", "do": "hang"}]
    with fake(tmp_path, faults=faults) as guest, guest.monitor() as monitor:
        began = time.monotonic()
        with pytest.raises(MonitorTimeout) as caught:
            monitor.command('set_password vnc "geheim"', 0.2)
        assert time.monotonic() - began < 2
        assert str(caught.value) == (
            "Timed out during operation: monitor of domain 'vm1' did not answer 'set_password' within 0.2 seconds"
        )


@pytest.mark.fault(68)
def test_a_late_answer_is_not_taken_for_the_next_one(tmp_path):
    script = {
        "replies": {"info name": "late\n", "info version": "7.2.22\n"},
        "faults": [{"on": "info name", "do": "late", "seconds": 0.4}],
    }
    with fake(tmp_path, **script) as guest:
        with guest.monitor() as monitor, pytest.raises(MonitorTimeout):
            monitor.command("info name", 0.1)
        with guest.monitor() as monitor:
            assert monitor.command("info version", 10) == "7.2.22\n"
            assert monitor.command("info name") == "late\n"


@pytest.mark.fault(68)
def test_the_same_connection_is_in_step_again_after_a_timeout(tmp_path):
    faults = [{"on": "info name", "do": "late", "seconds": 0.3}]
    with fake(tmp_path, faults=faults, replies={"info name": "late\n"}) as guest, guest.monitor() as monitor:
        with pytest.raises(MonitorTimeout):
            monitor.command("info name", 0.1)
        assert verbs.status(monitor, 10).running


def test_the_host_s_clock_may_jump(tmp_path, monkeypatch):
    jumps = itertools.cycle([0.0, 4e9, 1.0, 2e9])
    with fake(tmp_path, faults=[{"on": "info name", "do": "hang"}]) as guest:
        monkeypatch.setattr(time, "time", lambda: next(jumps))
        with guest.monitor() as monitor:
            assert verbs.status(monitor).running
            began = time.monotonic()
            with pytest.raises(MonitorTimeout):
                monitor.command("info name", 0.2)
            assert 0.15 < time.monotonic() - began < 2


@pytest.mark.parametrize("fault", ["die", "exit"])
def test_a_qemu_that_dies_in_its_answer_has_not_answered(tmp_path, fault):
    faults = [{"on": "info block", "do": fault, "text": "drive-ide0-0-0 (#block1): /a (raw)\n"}]
    with (
        fake(tmp_path, faults=faults) as guest,
        guest.monitor() as monitor,
        pytest.raises(MonitorGone, match="End of file from monitor of domain 'vm1'"),
    ):
        verbs.drives(monitor)


@pytest.mark.fault(69)
def test_bytes_of_another_writer_make_the_answer_worthless_but_not_the_next(tmp_path, log):
    faults = [{"on": "system_powerdown", "do": "typed", "text": " now"}]
    with fake(tmp_path, log=log, faults=faults) as guest, guest.monitor() as monitor:
        with pytest.raises(MonitorError, match="was disturbed while it ran 'system_powerdown'"):
            verbs.system_powerdown(monitor)
        assert verbs.status(monitor).running


@pytest.mark.fault(72)
def test_unknown_words_of_another_version_are_refused(tmp_path):
    with (
        fake(tmp_path, replies={"info status": "The VM is running\n"}) as guest,
        guest.monitor() as monitor,
        pytest.raises(MonitorError, match="unexpected monitor reply to 'info status'"),
    ):
        verbs.status(monitor)


def test_a_command_to_a_stalled_qemu_is_not_carried_out_later(tmp_path, log):
    with fake(tmp_path, log=log) as guest:
        with guest.monitor() as monitor:
            verbs.status(monitor)
            os.kill(guest.identity.pid, signal.SIGSTOP)
            with pytest.raises(MonitorTimeout):
                monitor.command("system_reset", 0.2)
        os.kill(guest.identity.pid, signal.SIGCONT)
        with guest.monitor() as monitor:
            verbs.status(monitor)
        assert "system_reset" not in executed(guest)


def test_a_stalled_qemu_can_be_asked_any_number_of_times(tmp_path):
    with fake(tmp_path) as guest:
        os.kill(guest.identity.pid, signal.SIGSTOP)
        began = time.monotonic()
        for _ in range(300):
            with guest.monitor() as monitor, pytest.raises(MonitorTimeout):
                monitor.command("x" * 390, 0.001)
        assert time.monotonic() - began < 15
        os.kill(guest.identity.pid, signal.SIGCONT)
        with guest.monitor() as monitor:
            assert verbs.status(monitor, 10).running


def test_a_turn_that_does_not_come_names_the_holder(tmp_path):
    with fake(tmp_path) as guest:
        holder = os.fork()
        if holder == 0:
            with FileLock(guest.lock, command="virtctl save vm1"):
                signal.pause()
            os._exit(0)
        try:
            while not (guest.lock.exists() and f'"pid": {holder}' in guest.lock.read_text()):
                os.sched_yield()
            with pytest.raises(MonitorTimeout, match=f"in use .held by pid {holder} 'virtctl save vm1'"):
                guest.monitor(deadline=0.1)
        finally:
            os.kill(holder, signal.SIGKILL)
            os.waitpid(holder, 0)
        guest.monitor().close()


def test_one_process_cannot_talk_over_itself(tmp_path):
    with fake(tmp_path) as guest, guest.monitor(), pytest.raises(MonitorError, match="by this very process"):
        guest.monitor()


@pytest.mark.fault(61)
def test_a_pty_that_is_another_process_s_by_now_gets_no_byte(tmp_path):
    master, slave = os.openpty()
    try:
        with fake(tmp_path) as guest:
            stale = os.ttyname(slave)
            with pytest.raises(MonitorGone, match="does not belong to the QEMU of domain 'vm1'"):
                Monitor.connect(stale, pid=guest.identity.pid, lock_path=guest.lock, name="vm1")
        assert not select.select([master], [], [], 0)[0]
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.fault(67)
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "an empty command"),
        ("info " + "x" * 400, "command of 405 bytes is too long"),
        ("info \x1b[D", "byte 0x1b cannot be sent"),
        ("info\nquit", "byte 0x0a cannot be sent"),
        ("change vnc password", "would ask for it"),
    ],
)
def test_a_line_that_cannot_be_sent_is_refused_before_anything_is_sent(tmp_path, log, line, words):
    with fake(tmp_path, log=log) as guest, guest.monitor() as monitor:
        with pytest.raises(MonitorError, match=words):
            monitor.command(line)
        verbs.stop(monitor)
        assert executed(guest) == ["stop"]
