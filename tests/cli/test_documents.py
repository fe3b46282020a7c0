"""validate, diff, explain and import at the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support import documents
from tests.support.program import Program

BAD = """<domain type='qemu'>
  <name>a</name>
  <bogus/>
  <memory unit='parsec'>1</memory>
  <devices>
    <disk typ='x'><target dev='vda' bus='foo'/></disk>
  </devices>
</domain>
"""
XM = """name = "xmguest"
builder = "hvm"
memory = 64
vcpus = 1
boot = "c"
disk = [ "file:{disk},hda,w" ]
vif = [ "mac=00:16:3e:66:92:9c,model=e1000" ]
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def good(folder: Path, name: str = "good", **changes: str) -> Path:
    text = documents.machine(name, folder / "disk.img", log=folder / "log")
    for old, new in changes.items():
        text = text.replace(old, new)
    return write(folder, f"{name}.xml", text)


def test_every_problem_is_listed_with_its_line(virtctl: Program, tmp_path: Path) -> None:
    said = virtctl.error("validate", write(tmp_path, "bad.xml", BAD))
    for line, what in ((3, "bogus"), (4, "parsec"), (6, "@typ"), (6, "bus")):
        assert any(f"line {line}:" in text and what in text for text in said.splitlines()), said
    assert virtctl.ok("validate", good(tmp_path)) == f"{tmp_path / 'good.xml'} validates\n\n"
    assert json.loads(virtctl.ok("validate", good(tmp_path), "--output", "json"))["problems"] == []


def test_define_validates_when_asked(virtctl: Program, tmp_path: Path) -> None:
    text = good(tmp_path).read_text().replace("<devices>", "<devices><bogus/>", 1)
    strange = write(tmp_path, "strange.xml", text)
    assert "bogus" in virtctl.error("define", strange, "--validate")
    done = virtctl("define", strange)
    assert done.status == 0
    assert "domain/devices/bogus" in done.err
    assert "<bogus/>" in virtctl.ok("dumpxml", "good")


def test_documents_differ_in_meaning_only(virtctl: Program, tmp_path: Path) -> None:
    one = good(tmp_path)
    spelt = write(tmp_path, "spelt.xml", one.read_text().replace("><", ">\n\n<"))
    assert virtctl.ok("diff", one, spelt).strip() == ""
    more = write(tmp_path, "more.xml", one.read_text().replace("<vcpu>1<", "<vcpu>2<"))
    if more.read_text() == one.read_text():
        more.write_text(one.read_text().replace("</name>", "</name><vcpu>2</vcpu>", 1))
    assert virtctl.ok("diff", one, more).splitlines()[0] == "~ domain/vcpu: 1 -> 2"
    assert "neither a file nor a domain" in virtctl.error("diff", one, "nobody")


def test_places_are_explained(virtctl: Program) -> None:
    said = virtctl.ok("explain", "disk/driver/@cache")
    assert said.startswith("domain/devices/disk/driver/@cache\n")
    assert "writethrough" in said
    assert "no element or attribute" in virtctl.error("explain", "nonsense/@at-all")


def test_a_guest_of_xen_is_imported(virtctl: Program, tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(b"\0" * 512)
    config = write(tmp_path, "guest.cfg", XM.format(disk=tmp_path / "disk.img"))
    printed = virtctl("import", "xen", config, "--to", "qemu", "--print")
    assert "<name>xmguest</name>" in printed.out
    assert virtctl("list", "--all", "--name").out.strip() == ""
    done = virtctl("import", "xen", config, "--to", "qemu")
    assert done.status == 0
    assert "decide: " in done.err
    assert "xmguest" in virtctl.ok("list", "--all", "--name")
    assert "vmware" in virtctl.error("import", "vmware", config)
