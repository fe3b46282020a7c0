"""Starting a real QEMU: what it inherits, how it fails, what it can do."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.fakes.guests import BARE, EMULATOR, UUID, monitored, running
from virtctl.errors import QemuFailed, SystemFault, UnsupportedConfig
from virtctl.qemu import caps, process
from virtctl.qemu.logfiles import open_own_log
from virtctl.qemu.spawn import Gate, _launch, clean_environment, last_words

pytestmark = pytest.mark.qemu


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-machine", "pcx"], "unsupported machine type"),
        (["-device", "foo"], "-device foo: 'foo' is not a valid device model name"),
        (["-drive", "file=/nix/a.img,if=none,id=d"], "Could not open '/nix/a.img': No such file or directory"),
    ],
)
def test_a_failing_start_is_told_in_qemus_words(tmp_path, options, words):
    with pytest.raises(QemuFailed) as caught, running(monitored(EMULATOR, *BARE, *options), tmp_path / UUID):
        pass
    assert str(caught.value).startswith("internal error: process exited while connecting to monitor: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert process.find_strays(tmp_path) == []


def test_a_second_qemu_on_the_same_pidfile_is_refused(tmp_path):
    argv = monitored(EMULATOR, *BARE)
    with (
        running(argv, tmp_path / UUID),
        pytest.raises(QemuFailed, match="cannot create PID file: Cannot lock pid file"),
        running([word.replace("qmp.sock", "qmp2.sock") for word in argv], tmp_path / UUID),
    ):
        pass


def test_it_runs_in_its_own_session_with_its_own_files_only(tmp_path):
    leaked = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(leaked, True)
    try:
        with running(monitored(EMULATOR, *BARE), tmp_path / UUID) as guest:
            pid = guest.identity.pid
            targets = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}  # noqa: PTH115 - no path
            assert "/dev/zero" not in targets
            assert "/dev/null" in targets
            assert os.getsid(pid) == pid
            assert process.find_strays(tmp_path)[0].identity == guest.identity
            open_for_others = [path for path in guest.folder.iterdir() if path.stat().st_mode & 0o077]
            assert open_for_others == []
    finally:
        os.close(leaked)


def test_it_ends_at_once_stopped_or_not(tmp_path):
    for stop in (False, True):
        with running(monitored(EMULATOR, *BARE), tmp_path / UUID) as guest:
            if stop:
                os.kill(guest.identity.pid, signal.SIGSTOP)
                os.waitid(os.P_PID, guest.identity.pid, os.WSTOPPED)
            assert process.terminate(guest.identity) == (signal.SIGKILL if stop else signal.SIGTERM)
            assert (guest.folder / "qemu.pid").exists() is stop
            (guest.folder / "qemu.pid").unlink(missing_ok=True)
            (guest.folder / "qmp.sock").unlink(missing_ok=True)


def test_a_qemu_whose_starter_dies_at_the_gate_ends_by_itself(tmp_path):
    log = open_own_log(tmp_path / "log")
    try:
        with Gate() as gate:
            argv = gate.bar(monitored(EMULATOR, *BARE))
            identity = process.identify(_launch(argv, tmp_path, log, [], clean_environment(tmp_path)))
            assert not process.wait_end(identity, 0.3)  # it waits there
        assert process.wait_end(identity, 10)
    finally:
        os.close(log)
    assert "Connection refused" in last_words((tmp_path / "log").read_bytes())


# Capabilities


def test_what_qemu_can_do_is_asked_once(tmp_path):
    emulator = caps.find_emulator()
    first = caps.load(emulator, tmp_path / "cache")
    (cached,) = (tmp_path / "cache").iterdir()
    cached.write_text(cached.read_text().replace(first.package, "from the cache"))
    assert caps.load(emulator, tmp_path / "cache") == first._replace(package="from the cache")
    assert first.version >= (5, 0, 0)
    assert first.resolve_machine("pc").startswith("pc-i440fx-")
    assert first.resolve_machine("q35").startswith("pc-q35-")
    assert first.resolve_machine(None) in first.machines
    assert first.resolve_machine(first.default_machine) == first.default_machine
    assert {"virtio-blk-pci", "ide-hd", "e1000"} <= first.devices
    assert "qemu64" in first.cpu_models
    assert {"pty", "file", "socket"} <= first.chardevs
    assert "rng-random" in first.objects
    with pytest.raises(UnsupportedConfig, match="does not support machine type 'pcx'"):
        first.resolve_machine("pcx")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"mark": 1}'])
def test_a_damaged_cache_is_made_anew(tmp_path, damage):
    emulator = caps.find_emulator()
    first = caps.load(emulator, tmp_path)
    (cached,) = tmp_path.iterdir()
    cached.write_text(damage)
    assert caps.load(emulator, tmp_path) == first
    assert len(cached.read_text()) > 1000


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path):
    (tmp_path / "file").write_text("")
    assert caps.load(caps.find_emulator(), tmp_path / "file").machines


def test_a_replaced_emulator_is_asked_again(tmp_path):
    copy = tmp_path / "qemu"
    copy.symlink_to(caps.find_emulator())
    assert caps.load(copy, tmp_path / "cache").machines
    copy.unlink()
    copy.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    copy.chmod(0o755)
    with pytest.raises(QemuFailed, match="did not say what it can do: broken"):
        caps.load(copy, tmp_path / "cache")


def test_no_emulator_names_debians_package(tmp_path):
    with pytest.raises(SystemFault, match="Cannot check QEMU binary /nix") as caught:
        caps.load(Path("/nix"), tmp_path)
    assert "qemu-system-x86" in caught.value.hint
    with pytest.raises(SystemFault, match="Cannot find QEMU emulator 'qemu-system-nix'"):
        caps.find_emulator("nix")
