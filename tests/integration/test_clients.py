"""What programs that drive virsh call, and how they read the answers: each piece as the program has it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.machines import Machine
from tests.support.program import PROGRAM, Program

pytestmark = pytest.mark.qemu

LIBVIRT_GUESTS = Path("/usr/lib/libvirt/libvirt-guests.sh")


@pytest.fixture
def virsh(virtctl: Program, tmp_path: Path) -> Program:
    """The program under virsh's name."""
    link = tmp_path / "bin" / "virsh"
    link.parent.mkdir()
    link.symlink_to(PROGRAM)
    return Program(virtctl.root, (str(link),), {"PATH": f"{link.parent}:{os.environ['PATH']}"})


@pytest.fixture
def machine(virsh: Program, tmp_path: Path) -> Machine:
    """A defined guest, `counter`, that is off."""
    return Machine.make(virsh, tmp_path)


class Maas:
    """MAAS's power driver: a virsh that is typed to, whose prompt is waited for and whose echo is dropped."""

    PROMPT = r"virsh \#"

    def __init__(self, virsh: Program) -> None:
        self.child: pexpect.spawn[str] = pexpect.spawn(
            virsh.command[0], ["--connect", "qemu:///system"], env=virsh.environ(), encoding="utf-8", timeout=30)
        self.child.expect(self.PROMPT)

    def run(self, *words: str) -> str:
        self.child.sendline(" ".join(words))
        self.child.expect(self.PROMPT)
        return "\n".join((self.child.before or "").splitlines()[1:]).strip()


@pytest.fixture
def maas(virsh: Program, machine: Machine) -> Iterator[Maas]:
    shell = Maas(virsh)
    yield shell
    shell.child.sendline("quit")
    shell.child.expect(pexpect.EOF)
    shell.child.close()
    assert shell.child.exitstatus == 0


def test_maas(maas: Maas) -> None:
    assert maas.run("list", "--all", "--name") == "counter"
    assert maas.run("domstate", "counter") == "shut off"
    assert maas.run("domstate", "nobody").startswith("error:")
    assert maas.run("start", "counter") == "Domain 'counter' started"
    assert maas.run("domstate", "counter") == "running"
    assert "<type arch='x86_64'" in maas.run("dumpxml", "counter")
    assert [line.split()[-1] for line in maas.run("domiflist", "counter").splitlines()[2:]] == []
    assert maas.run("destroy", "counter") == "Domain 'counter' destroyed"


def test_fence_virsh(virsh: Program, machine: Machine) -> None:
    machine.start()
    lines = virsh.ok("list", "--all").splitlines()
    assert re.findall("id|name", lines[0].lower()) == ["id", "name"]
    rows = [found.groups() for line in lines[2:] if (found := re.match(r"^\s*(\S+)\s+(\S+)\s+(\S+)", line))]
    assert [row[1:] for row in rows] == [("counter", "running")]
    assert virsh.ok("domstate", "counter").strip() in ("running", "blocked", "idle", "no state", "paused")
    assert "error: failed to get domain" in virsh("domstate", "nobody").err
    virsh.ok("destroy", "counter")
    assert virsh.ok("domstate", "counter").strip() == "shut off"


def test_opennebula(virsh: Program, machine: Machine) -> None:
    virsh.ok("undefine", "counter")
    virsh.ok("create", machine.document)
    machine.counts()
    facts = {key.upper(): value for key, value in
             (re.split(r":\s+", line, maxsplit=1) for line in virsh.ok("dominfo", "counter").splitlines() if line)}
    assert (facts["NAME"], facts["STATE"]) == ("counter", "running")
    assert len(facts["UUID"]) == 36
    found = re.match(r"^[^ ]+ \(([^)]+)\)", virsh.ok("domstate", "counter", "--reason"))
    assert found is not None
    assert found[1] == "booted"
    assert [line.split()[1] for line in virsh.ok("list").splitlines()[2:] if line] == ["counter"]
    disks = [line.split() for line in virsh.ok("domblklist", "counter").splitlines()[2:] if line]
    assert disks == [["vda", str(machine.image)]]
    said = virsh.ok("domstats", "counter")
    for key in ("rd.bytes", "wr.bytes", "rd.reqs", "wr.reqs"):
        assert sum(int(number) for number in re.findall(rf"{key}=(\d+)", said)) > 0
    virsh.ok("destroy", "counter")
    assert virsh("dominfo", "counter").status != 0


def test_inventories(virsh: Program, machine: Machine) -> None:
    """FusionInventory, OCS and sosreport, each with its own regular expression for the rows."""
    for off in (True, False):
        if not off:
            machine.start()
        lines = [line for line in virsh.ok("--readonly", "list", "--all").splitlines() if line]
        fusion = re.match(r"^\s*(\d+|)(-|)\s+(\S+)\s+(\S.+)", lines[2])
        ocs = re.match(r"^\s*(\d+|\s+-)\s+(\S+)\s+(\S.+)", lines[2])
        assert fusion is not None
        assert ocs is not None
        assert fusion.groups()[2:] == ocs.groups()[1:] == ("counter", "shut off" if off else "running")
        assert lines[0].split().index("Name") == 1
        assert lines[2].split()[1] == "counter"
    memory = re.search(r"<currentMemory.*?>(\d+)\d{3}<", virsh.ok("--readonly", "dumpxml", "counter"))
    assert memory is not None


def test_avocado_reads_the_help(virsh: Program) -> None:
    lines = [line for line in virsh.ok("help").splitlines() if "help keyword" not in line]
    commands = [found[1] for line in lines if (found := re.search(r"\s+([a-z0-9-]+)\s+", line))]
    wanted = {"start", "domjobinfo", "capabilities", "domstats", "screenshot", "metadata", "blockcopy"}
    assert wanted <= set(commands)
    assert virsh.ok("help", "domain").startswith(" Domain Management (help keyword 'domain'):\n")


@pytest.mark.skipif(not LIBVIRT_GUESTS.exists(), reason="libvirt-guests.sh is not installed")
def test_libvirt_guests_script(virsh: Program, machine: Machine, tmp_path: Path) -> None:
    """What the script runs when a host goes down and comes up, with its own way of reading."""
    machine.start()
    uuid = virsh.ok("list", "--uuid", "--persistent").strip()
    assert virsh.ok("list", "--uuid", "--transient").strip() == ""
    assert virsh.ok("domname", uuid).strip() == "counter"
    assert virsh.ok("domid", uuid).strip().isdigit()
    assert not re.search("^Data processed:", virsh.ok("domjobinfo", uuid), re.MULTILINE)
    assert virsh("domtime", "--sync", "counter").status == 1
    before = machine.counts()
    virsh.ok("managedsave", uuid)
    assert virsh.ok("domid", uuid).strip() in ("-", "")
    assert virsh.ok("start", "counter").startswith("Domain 'counter' started")
    assert machine.counts(before) > before


def test_scripts_that_parse_in_a_shell(virsh: Program, machine: Machine) -> None:
    """Lines of vm-backup.sh, unraid's scripts and OpenSVC."""
    machine.start()

    def shell(line: str) -> str:
        done = subprocess.run(["sh", "-c", line], env=virsh.environ(), capture_output=True, text=True, check=False)
        return done.stdout.strip()

    assert shell("virsh domblklist counter --details | sed -n 's/^ *file *disk *\\([^ ]*\\) *\\(.*\\)/\\1:\\2/p'") == (
        f"vda:{machine.image}")
    assert shell("virsh domstats --list-active --balloon | awk -F= '/^ *balloon.rss=/{print $2}'").isdigit()
    assert shell("virsh dominfo counter | awk '/CPU\\(s\\)/{print $2}'") == "1"
    assert shell("virsh dominfo counter | awk '/Max memory/{printf(\"%d\",$3/1024)}'") == "32"
    assert shell("virsh list --all | awk -F'[[:space:]][[:space:]]+' 'NR>2{print $3}'") == "running"
