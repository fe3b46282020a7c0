"""Hundreds of small devices, each a line of devices/*.txt: libvirt and the program make the same of every one.

A line is what stands in `<devices>`. Either both write the same definition, or both refuse it with the same words.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.libvirtd import PrivateLibvirtd
from tests.unit.device_samples import SECURE
from virtctl.domain.domain import write_domain
from virtctl.domain.host import Host
from virtctl.domain.pipeline import complete
from virtctl.errors import VirtctlError

pytestmark = [pytest.mark.libvirt, pytest.mark.slow, pytest.mark.xdist_group("libvirtd")]

HERE = Path(__file__).parent / "devices"
FRAME = """<domain type='qemu'><name>compared</name><uuid>8f1f2b8e-3c53-4b55-9d0e-6a8a7a5f6c10</uuid>
<memory>65536</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/>{}</devices></domain>"""
GENERATED = re.compile(r"52:54:00(:[0-9a-f]{2}){3}|(?<=id=')[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def masked(text: str, given: str) -> str:
    """The text without addresses and identities that were made up."""
    return GENERATED.sub(lambda found: found.group() if found.group() in given else "*", text).strip()


def theirs(libvirtd: PrivateLibvirtd, document: Path) -> str:
    """What libvirt makes of the document: its definition, or its refusal."""
    made = libvirtd.virsh("-q", f"define {document}; dumpxml --inactive --security-info compared; undefine compared")
    if "<domain" in made.out:
        return made.out[made.out.index("<domain"):made.out.index("</domain>") + 9]
    return made.err.splitlines()[1].removeprefix("error: ")


def ours(text: str) -> str:
    """What the program makes of it."""
    try:
        return write_domain(complete(text, Host()), SECURE)
    except VirtctlError as refusal:
        return str(refusal)


@pytest.mark.parametrize("path", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_libvirt_and_the_program_agree(libvirtd: PrivateLibvirtd, path: Path) -> None:
    document = libvirtd.files / "compared.xml"
    wrong: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = FRAME.format(line)
        document.write_text(text, encoding="utf-8")
        libvirtd.share(document)
        wanted, made = masked(theirs(libvirtd, document), line), masked(ours(text), line)
        if wanted != made:
            wrong.append(f"{line}\nlibvirt: {wanted}\n   ours: {made}")
    assert not wrong, f"{len(wrong)} differ:\n" + "\n\n".join(wrong[:5])
