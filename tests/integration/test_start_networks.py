"""Interfaces of the host: taps that are made, put into a bridge, and gone with the guest."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.devices import Bench
from tests.support.program import Program

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None or not Path("/dev/net/tun").exists(),
    reason="needs root, the program ip and /dev/net/tun, for a network of its own")]

DOCUMENT = ("<interface type='bridge'><source bridge='br-test'/><model type='virtio'/><driver queues='2'/>"
            "<mtu size='1400'/>"
            "</interface><interface type='ethernet'><target dev='mine'/><model type='e1000'/></interface>")


def within(program: Program, script: str) -> Program:
    """The program in a network name space of its own, after a script, and what `ip link` shows afterwards."""
    words = f'{script}; mount -t sysfs none /sys; "$@" && ip -o link && "$0" destroy bench && ip -o link | wc -l'
    return Program(program.root, ("unshare", "-n", "-m", "sh", "-c", words, *program.command, *program.command))


@pytest.fixture
def bench(virtctl: Program, tmp_path: Path) -> Bench:
    return Bench(virtctl, tmp_path)


def test_taps_come_and_go_with_the_guest(bench: Bench) -> None:
    document = bench.document(DOCUMENT)
    inside = within(bench.program, "ip link add br-test type bridge; ip link set br-test up")
    result = inside("create", document, "--paused")
    assert result.status == 0, result.err
    shown = result.out
    assert "vnet0" in shown
    assert "master br-test" in shown
    assert "mtu 1400" in shown
    assert "mine" in shown
    assert shown.split()[-1] == "2"  # the loopback and the bridge are left


def test_a_bridge_that_is_not_there(bench: Bench) -> None:
    words = bench.refused("<interface type='bridge'><source bridge='br-none'/></interface>")
    assert "br-none" in words
    assert "ip link add" in words


def test_virtual_networks_are_refused(bench: Bench) -> None:
    assert "network 'default'" in bench.refused("<interface type='network'><source network='default'/></interface>")
