"""Small domains around the devices under test."""

from __future__ import annotations

import pytest

from virtctl.domain.domain import Domain, write_domain
from virtctl.domain.host import Host
from virtctl.domain.pipeline import complete
from virtctl.errors import VirtctlError
from virtctl.schema.element import Mode

HOST = Host(runs=lambda path: True)
SECURE = Mode(secure=True)
FRAME = """<domain type='qemu'>
  <name>sample</name>
  <uuid>6f5f8d4c-5a3e-4f4e-9c0f-0d1f3c8b7a11</uuid>
  <memory>65536</memory>
  {head}
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <devices>
    <controller type='usb' model='piix3-uhci'/>
    <memballoon model='none'/>
    {devices}
  </devices>
</domain>"""
SHARED = "<memoryBacking><access mode='shared'/></memoryBacking>"


def define(devices: str, head: str = "", machine: str = "pc") -> Domain:
    """The completed domain around some devices."""
    return complete(FRAME.format(head=head, machine=machine, devices=devices), HOST)


def written(devices: str, tag: str, head: str = "") -> str:
    """What becomes of the devices of one tag, as text, two spaces deep; a fixed point at that."""
    text = write_domain(define(devices, head), SECURE)
    assert write_domain(complete(text, HOST), SECURE) == text
    lines = text.splitlines()
    out: list[str] = []
    keep = False
    for line in lines:
        if line.startswith(f"    <{tag}"):
            keep = True
        if keep:
            out.append(line[4:])
        if keep and (line.startswith(f"    </{tag}>") or (line.startswith("    <") and line.endswith("/>"))):
            keep = False
    return "\n".join(out)


def refusal(devices: str, head: str = "") -> str:
    """The words with which the devices are refused."""
    with pytest.raises(VirtctlError) as caught:
        define(devices, head)
    return str(caught.value)
