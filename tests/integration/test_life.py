"""One guest's whole life: started, paused, saved, restored and stopped, with what virsh's users read on the way."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support import documents, guests
from tests.support.machines import Machine
from tests.support.program import Program
from tests.support.waiting import eventually

pytestmark = pytest.mark.qemu


def test_from_definition_to_nothing(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    assert virtctl.ok("start", "counter") == "Domain 'counter' started\n\n"
    machine.counts()
    assert machine.state() == "running (booted)"
    assert virtctl.ok("domid", "counter").strip().isdigit()
    assert "counter" in virtctl.ok("list", "--name").split()
    assert virtctl.ok("destroy", "counter") == "Domain 'counter' destroyed\n\n"
    assert machine.state() == "shut off (destroyed)"
    assert virtctl.ok("domid", "counter").strip() == "-"
    assert virtctl.ok("undefine", "counter") == "Domain 'counter' has been undefined\n\n"
    assert "counter" not in virtctl.ok("list", "--all", "--name").split()


def test_verbs_in_the_wrong_state_say_so(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    not_running = "error: Requested operation is not valid: domain is not running\n"
    assert virtctl.error("destroy", "counter") == f"error: Failed to destroy domain 'counter'\n{not_running}"
    assert virtctl.error("suspend", "counter") == f"error: Failed to suspend domain 'counter'\n{not_running}"
    assert virtctl.error("shutdown", "counter") == f"error: Failed to shutdown domain 'counter'\n{not_running}"
    machine.start()
    assert virtctl.error("start", "counter") == "error: Domain is already active\n"


def test_suspended_guest_stands_still_until_resumed(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    assert virtctl.ok("suspend", "counter") == "Domain 'counter' suspended\n\n"
    stopped_at = guests.last_printed(machine.log)
    assert machine.state() == "paused (user)"
    virtctl.ok("dominfo", "counter")
    assert guests.last_printed(machine.log) == stopped_at
    assert virtctl.ok("resume", "counter") == "Domain 'counter' resumed\n\n"
    assert machine.state() == "running (unpaused)"
    assert machine.counts(beyond=stopped_at + 3) < stopped_at + 60


def test_start_paused_waits_for_resume(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    virtctl.ok("start", "counter", "--paused")
    assert virtctl.ok("domstate", "counter").strip() == "paused"
    assert guests.last_printed(machine.log) == 0
    virtctl.ok("resume", "counter")
    machine.counts()


def test_reset_makes_it_begin_again(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    machine.counts(beyond=3)
    assert virtctl.ok("reset", "counter") == "Domain 'counter' was reset\n\n"
    eventually(lambda: guests.printed_numbers(machine.log).count(1) == 2, "it counts from 1 again")


def test_saved_guest_goes_on_where_it_was(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    machine.counts(beyond=5)
    image = tmp_path / "counter.save"
    assert virtctl.ok("save", "counter", image) == f"\nDomain 'counter' saved to {image}\n\n"
    assert machine.state() == "shut off (saved)"
    assert image.read_bytes()[:16] == b"LibvirtQemudSave"
    assert image.stat().st_mode & 0o777 == 0o600
    on_disk = guests.counter_on_disk(machine.image)
    assert virtctl.ok("restore", image) == f"Domain restored from {image}\n\n"
    machine.counts()
    first = guests.printed_numbers(machine.log)[0]  # the log was begun anew
    assert 0 <= first - on_disk <= 2
    assert machine.state() == "running (restored)"


def test_restored_twice_is_refused_and_leaves_the_guest_alone(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    image = tmp_path / "counter.save"
    virtctl.ok("save", "counter", image)
    virtctl.ok("restore", image)
    identity = virtctl.ok("domid", "counter")
    said = virtctl.error("restore", image)
    assert said.startswith(f"error: Failed to restore domain from {image}\n")
    assert "domain 'counter' is already active" in said
    assert virtctl.ok("domid", "counter") == identity


def test_save_paused_is_restored_paused(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    image = tmp_path / "counter.save"
    virtctl.ok("save", "counter", image, "--paused")
    virtctl.ok("restore", image)
    assert virtctl.ok("domstate", "counter").strip() == "paused"
    assert guests.printed_numbers(machine.log) == []
    virtctl.ok("resume", "counter")
    assert machine.counts() > 1


def test_save_that_fails_leaves_the_guest_running(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    image = tmp_path / "no" / "such" / "folder" / "counter.save"
    said = virtctl.error("save", "counter", image)
    assert said.startswith(f"error: Failed to save domain 'counter' to {image}\nerror: ")
    assert "No such file or directory" in said
    assert virtctl.ok("domstate", "counter").strip() == "running"
    machine.counts(beyond=guests.last_printed(machine.log))


def test_transient_guest_is_gone_when_it_stops(virtctl: Program, tmp_path: Path) -> None:
    image = guests.counter_image(tmp_path / "brief.img")
    document = tmp_path / "brief.xml"
    document.write_text(documents.machine("brief", image), encoding="utf-8")
    assert virtctl.ok("create", document) == f"Domain 'brief' created from {document}\n\n"
    assert virtctl.ok("list", "--transient", "--name").split() == ["brief"]
    virtctl.ok("destroy", "brief")
    assert "failed to get domain 'brief'" in virtctl.error("domstate", "brief")


def test_undefined_while_running_becomes_transient(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    virtctl.ok("undefine", "counter")
    assert virtctl.ok("domstate", "counter").strip() == "running"
    assert "Persistent:     no" in virtctl.ok("dominfo", "counter")
    virtctl.ok("destroy", "counter")
    virtctl.error("domstate", "counter")


def test_killed_guest_is_seen_as_crashed_and_starts_again(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    pidfile = next(virtctl.root.glob("run/qemu/*/qemu.pid"), None)
    assert pidfile is not None, "no pidfile of the running guest"
    os.kill(int(pidfile.read_text()), signal.SIGKILL)
    assert machine.state() == "shut off (crashed)"
    machine.start()
    assert machine.state() == "running (booted)"
