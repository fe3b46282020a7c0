"""What users and programs read is the same from virsh and from here: standard output, standard error, exit status."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import guests
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.program import Program, Result

pytestmark = [pytest.mark.libvirt, pytest.mark.qemu, pytest.mark.xdist_group("libvirtd")]

DOCUMENT = """<domain type='qemu'>
  <name>twin</name>
  <uuid>6f1c6ad6-9d57-4d4b-8a38-6a0a3a7a3f61</uuid>
  <title>Twin</title>
  <memory unit='KiB'>32768</memory>
  <currentMemory unit='KiB'>32768</currentMemory>
  <vcpu placement='static'>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <boot dev='hd'/>
  </os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='@FILES@/twin.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='hdc' bus='ide'/>
      <readonly/>
    </disk>
    <interface type='user'>
      <mac address='52:54:00:aa:bb:cc'/>
      <model type='virtio'/>
    </interface>
    <serial type='null'/>
    <graphics type='vnc' port='-1' autoport='yes'/>
  </devices>
</domain>
"""

WHEN_OFF = [
    "list --all",
    "list --all --name",
    "list --all --uuid",
    "list --inactive --title",
    "list",
    "list --table --all --autostart",
    "domstate twin",
    "domstate twin --reason",
    "domid twin",
    "domname 6f1c6ad6-9d57-4d4b-8a38-6a0a3a7a3f61",
    "domuuid twin",
    "dominfo twin",
    "domblklist twin",
    "domblklist twin --details",
    "domiflist twin",
    "dumpxml twin",
    "dumpxml twin --inactive --security-info",
    "dumpxml twin --xpath //disk/target",
    "dumpxml twin --xpath //disk --wrap",
    "dumpxml twin --migratable",
    "vncdisplay twin",
    "ttyconsole twin",
    "domdisplay twin",
    "suspend twin",
    "resume twin",
    "destroy twin",
    "shutdown twin",
    "reboot twin",
    "reset twin",
    "save twin /tmp/never-written",
    "blockjob twin vda",
    "autostart twin --disable",
    "--quiet list --all",
    "-q domstate twin",
    "domstate nobody",
    "dominfo nobody",
    "start nobody",
    "destroy nobody",
    "nosuchcommand",
    "start",
    "list --bogus",
    "start twin too many",
    "domstate --domain twin",
    "domstate --domain=twin",
    "destroy twin; echo hi",
    "echo 'a  b' \"c d\"",
    "undefine nobody",
    "define /nonexistent.xml",
    "restore /nonexistent.save",
    "console nobody",
]

WHEN_RUNNING = [
    "list",
    "list --all --name",
    "list --state-running",
    "list --state-paused --name",
    "domstate twin --reason",
    "domblklist twin",
    "domblklist twin --details",
    "domblklist twin --inactive",
    "start twin",
    "resume twin",
    "blockjob twin vda",
    "blockjob twin vda --info",
    "blockjob twin vda --pivot",
    "blockjob twin nosuchdisk",
    "suspend twin",
    "domstate twin --reason",
    "suspend twin",
    "resume twin",
    "undefine twin --nvram",
    "list --transient --name",
    "define @FILES@/twin.xml",
    "reset twin",
    "destroy twin --graceful",
    "destroy twin",
]

# What may differ: the number of a running guest depends on what ran before it.
RUNNING_NUMBER = re.compile(r"^ (\d+) ( +)", re.MULTILINE)


def alike(result: Result) -> Result:
    """The result with what may differ taken out."""
    out = RUNNING_NUMBER.sub(" N ", result.out)
    out = re.sub(r"^ Id +", " Id ", out, flags=re.MULTILINE)
    return Result(result.status, re.sub(r"^-+$", "---", out, flags=re.MULTILINE), result.err)


@pytest.fixture(scope="module")
def pair(libvirtd: PrivateLibvirtd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Program]]:
    """Both programs, with the same domain defined in each."""
    image = guests.counter_image(libvirtd.files / "twin.img")
    document = libvirtd.files / "twin.xml"
    document.write_text(DOCUMENT.replace("@FILES@", str(libvirtd.files)), encoding="utf-8")
    libvirtd.share(image, document)
    here = Program(tmp_path_factory.mktemp("twin") / "root")
    for program in (here, libvirtd.virsh):
        program.ok("define", document)
    yield here, libvirtd.virsh
    libvirtd.virsh("undefine", "twin")


def both(pair: tuple[Program, Program], command: str, files: Path) -> tuple[Result, Result]:
    """The same command string given to both."""
    here, there = (answer(program, command, files) for program in pair)
    return here, there


def answer(program: Program, command: str, files: Path) -> Result:
    """What one program says to a command string; global options stand before it as words of their own."""
    command = command.replace("@FILES@", str(files))
    return alike(program(*(command.split() if command.startswith("-") else [command])))


@pytest.mark.parametrize("command", WHEN_OFF)
def test_same_answer_when_off(pair: tuple[Program, Program], libvirtd: PrivateLibvirtd, command: str) -> None:
    here, there = both(pair, command, libvirtd.files)
    assert here == there


def test_same_answers_through_a_run(pair: tuple[Program, Program], libvirtd: PrivateLibvirtd) -> None:
    here, there = pair
    differences = list(run_beside(there, here, libvirtd.files))
    assert not differences, "\n\n".join(differences)


def run_beside(there: Program, here: Program, files: Path) -> Iterator[str]:
    """Each command's answer from both, one guest after the other (they share a disk), where the two differ."""
    answers = []
    for program in (there, here):
        program.ok("start", "twin")
        answers.append([answer(program, command, files) for command in WHEN_RUNNING])
    for command, expected, given in zip(WHEN_RUNNING, *answers, strict=True):
        if expected != given:
            yield f"{command}\n  virsh: {expected}\n  here:  {given}"
