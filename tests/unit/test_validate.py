"""Every problem of a document, with its line."""

from __future__ import annotations

import pytest

from tests.unit.general_samples import HOST, document, written
from virtctl.domain.validate import problems, require_valid
from virtctl.errors import XmlSchemaError

BAD = """<domain type='qemu'>
  <name>x</name>
  <memory unit='MiB'>abc</memory>
  <shininess level='9'/>
  <os glossy='yes'>
    <type machine='pc'>hvm</type>
    <boot dev='tape'/>
  </os>
  <devices>
    <disk type='file'>
      <target dev='vda' bus='virtio' colour='red'/>
    </disk>
    <rng model='virtio'/>
  </devices>
</domain>"""


def test_all_are_told_at_once():
    assert [str(problem) for problem in problems(BAD, HOST)] == [
        "line 3: domain/memory: XML error: Invalid value 'abc' for element or attribute './memory[1]'",
        "line 4: domain/shininess: unknown element",
        "line 5: domain/os/@glossy: unknown attribute",
        "line 7: domain/os/boot: XML error: Invalid value for attribute 'dev' in element 'boot': 'tape'.",
        "line 11: domain/devices/disk/target/@colour: unknown attribute",
        "line 13: domain/devices/rng: XML error: only one RNG backend is supported"]


def test_rules_of_the_whole_are_told_where_the_parts_are_good():
    text = document("<vcpu>3</vcpu><cpu><topology sockets='1' cores='1' threads='1'/></cpu>"
                    "<on_reboot>preserve</on_reboot>")
    assert [str(problem) for problem in problems(text, HOST)] == [
        "unsupported configuration: qemu driver doesn't support the 'preserve' action for 'on_reboot'/'on_poweroff'",
        "unsupported configuration: CPU topology doesn't match maximum vcpu count"]


def test_a_broken_document_is_told_by_its_line():
    (problem,) = problems("<domain type='qemu'>\n<name>\n</domain>", HOST)
    assert problem.line == 3


def test_what_we_write_is_valid():
    assert problems(written(devices="<rng model='virtio'><backend model='random'/></rng>"), HOST) == []


def test_refusing_lists_them():
    with pytest.raises(XmlSchemaError) as caught:
        require_valid(BAD)
    assert "line 4: domain/shininess: unknown element" in caught.value.message.splitlines()
