"""Pacemaker's agent for virtual machines, unmodified, with the program standing first on PATH as virsh."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import documents, guests, linux_guest
from tests.support.program import PROGRAM, Program
from tests.support.waiting import eventually

OCF_ROOT = Path("/usr/lib/ocf")
AGENT = OCF_ROOT / "resource.d" / "heartbeat" / "VirtualDomain"

SUCCESS = 0
NOT_INSTALLED = 5
NOT_RUNNING = 7

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.skipif(not AGENT.exists(), reason="resource-agents is not installed: run tests/run.sh"),
]


@dataclass(frozen=True)
class Agent:
    """The agent with its one obligatory parameter, as the cluster's local resource manager calls it."""

    document: Path
    environment: dict[str, str]

    def __call__(self, action: str) -> int:
        """The exit status of one action. What the agent says is shown when the test fails."""
        done = subprocess.run(
            [AGENT, action], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        print(f"--- {action}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.returncode


def agent(virtctl: Program, folder: Path, document: str) -> Agent:
    """An agent for this document. Its environment is as bare as a cluster daemon's."""
    links = folder / "bin"
    links.mkdir()
    (links / "virsh").symlink_to(PROGRAM)
    (folder / "tmp").mkdir()
    config = folder / "guest.xml"
    config.write_text(document, encoding="utf-8")
    environment = {
        "PATH": f"{links}:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C",
        "VIRTCTL_ROOT": str(virtctl.root),
        "OCF_ROOT": str(OCF_ROOT),
        "OCF_RESOURCE_INSTANCE": "guest",
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "0",
        "OCF_RESKEY_config": str(config),
        "OCF_RESKEY_CRM_meta_timeout": "60000",
        "HA_RSCTMP": str(folder / "tmp"),
        "HA_LOGFILE": str(folder / "agent.log"),
        "HA_DEBUGLOG": str(folder / "agent.log"),
        **({"XDG_RUNTIME_DIR": "", "HOME": "/"} if os.geteuid() == 0 else {}),
    }
    return Agent(config, environment)


def test_guest_that_obeys_is_started_watched_and_stopped(
    virtctl: Program, tmp_path: Path, linux: tuple[Path, Path]
) -> None:
    image, log = tmp_path / "guest.img", tmp_path / "guest.log"
    guests.write_image(image, b"", 8 * 2**20)
    text = documents.linux_machine("guest", image, log, linux, linux_guest.CMDLINE)
    act = agent(virtctl, tmp_path, text)
    assert act("validate-all") == SUCCESS
    assert act("monitor") == NOT_RUNNING
    assert act("start") == SUCCESS
    assert act("start") == SUCCESS
    assert virtctl.ok("list", "--name").split() == ["guest"]
    assert act("monitor") == SUCCESS
    eventually(lambda: guests.last_printed(log) > 1, "Linux is up", seconds=60)
    assert act("stop") == SUCCESS
    assert b"power button" in log.read_bytes()
    assert act("stop") == SUCCESS
    assert act("monitor") == NOT_RUNNING
    assert virtctl.ok("list", "--all", "--name").split() == []
    assert act.document.read_text(encoding="utf-8") == text


def test_guest_that_does_not_obey_is_destroyed(virtctl: Program, tmp_path: Path) -> None:
    act = agent(virtctl, tmp_path, documents.machine("deaf", guests.counter_image(tmp_path / "deaf.img")))
    act.environment["OCF_RESKEY_CRM_meta_timeout"] = "8000"
    assert act("start") == SUCCESS
    assert act("stop") == SUCCESS
    assert act("monitor") == NOT_RUNNING


def test_forced_stop_and_a_defined_domain_of_that_name(virtctl: Program, tmp_path: Path) -> None:
    act = agent(virtctl, tmp_path, documents.machine("forced", guests.counter_image(tmp_path / "forced.img")))
    virtctl.ok("define", act.document)
    act.environment["OCF_RESKEY_force_stop"] = "1"
    assert act("start") == SUCCESS
    assert "Persistent:     no" in virtctl.ok("dominfo", "forced")
    assert act("stop") == SUCCESS
    assert act("monitor") == NOT_RUNNING


def test_missing_document_is_not_installed(virtctl: Program, tmp_path: Path) -> None:
    act = agent(virtctl, tmp_path, "")
    act.document.unlink()
    assert act("validate-all") == NOT_INSTALLED
