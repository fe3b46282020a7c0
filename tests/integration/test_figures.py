"""setmem, setmaxmem, dommemstat and domstats, of a definition and of a running guest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.machines import Machine
from tests.support.program import Program

pytestmark = pytest.mark.qemu


def test_memory_is_set(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    off = "error: Requested operation is not valid: domain is not running\n"
    assert virtctl.error("setmem", "counter", "20M") == off
    assert virtctl.ok("setmem", "counter", "20M", "--config") == "\n"
    higher = "error: invalid argument: cannot set memory higher than max memory\n"
    assert virtctl.error("setmem", "counter", "400M", "--config") == higher
    assert virtctl.ok("setmaxmem", "counter", "40M") == "\n"
    assert "<memory unit='KiB'>40960</memory>\n  <currentMemory unit='KiB'>20480<" in virtctl.ok("dumpxml", "counter")
    assert virtctl.error("dommemstat", "counter") == f"error: Failed to get memory statistics for domain counter\n{off}"
    virtctl.ok("setmem", "counter", "40M", "--config")
    machine.start()
    assert virtctl.ok("setmem", "counter", "30M") == "\n"
    assert virtctl.error("setmem", "counter", "400M") == higher
    assert virtctl.error("setmem", "counter", "0") == "error: memory in virDomainSetMemoryFlags must not be zero\n"
    assert virtctl.error("setmaxmem", "counter", "80M") == (
        "error: Unable to change MaxMemorySize\n"
        "error: Requested operation is not valid: cannot resize the maximum memory on an active domain\n")
    assert re.fullmatch(r"actual 40960\nlast_update 0\nrss \d+\n\n", virtctl.ok("dommemstat", "counter"))
    assert virtctl.ok("dommemstat", "counter", "--period", "5", "--live", "--config") == "\n"
    assert "<stats period='5'/>" in virtctl.ok("dumpxml", "counter", "--inactive")
    assert "actual 40960\n" in virtctl.ok("dommemstat", "counter")


def figures(text: str) -> dict[str, str]:
    return dict(re.findall(r"^  ([\w.-]+)=(.*)$", text, re.MULTILINE))


def test_figures_that_programs_read(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    said = figures(virtctl.ok("domstats", "counter"))
    assert (said["state.state"], said["vcpu.maximum"], said["block.count"]) == ("5", "1", "1")
    assert "block.0.rd.reqs" not in said
    machine.start()
    text = virtctl.ok("domstats")
    assert text.startswith("Domain: 'counter'\n  state.state=1\n  state.reason=1\n  cpu.time=")
    said = figures(text)
    assert int(said["block.0.rd.reqs"]) > 0
    assert int(said["block.0.wr.bytes"]) > 0
    assert int(said["vcpu.0.time"]) > 0
    assert said["balloon.maximum"] == "32768"
    assert said["block.0.path"] == str(machine.image)
    assert virtctl.ok("domstats", "counter", "--state") == "Domain: 'counter'\n  state.state=1\n  state.reason=1\n\n"
    assert re.search(r"^ *balloon\.rss=\d+$", virtctl.ok("domstats", "--list-active", "--balloon"), re.MULTILINE)
    assert virtctl.ok("domstats", "--list-inactive") == "\n"
    assert virtctl.error("domstats", "nobody") == "error: failed to get domain 'nobody'\n"
