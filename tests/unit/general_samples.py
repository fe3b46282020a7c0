"""Small domains around the part under test, outside the devices."""

from __future__ import annotations

import pytest

from virtctl.domain.domain import Domain, write_domain
from virtctl.domain.host import Host
from virtctl.domain.pipeline import complete
from virtctl.errors import VirtctlError
from virtctl.schema.element import Mode

MACHINES = (("pc-i440fx-7.2", 255), ("pc-q35-7.2", 288))
HOST = Host(runs=lambda path: path.startswith("/usr/bin/qemu"), cpu_limits=MACHINES, tpm_versions=("1.2", "2.0"))
SECURE = Mode(secure=True)
FRAME = """<domain type='{type}'>
  <name>sample</name>
  <uuid>6f5f8d4c-5a3e-4f4e-9c0f-0d1f3c8b7a11</uuid>
  {memory}
  {body}
  <os{firmware}><type arch='x86_64' machine='{machine}'>hvm</type>{os}</os>
  <devices><controller type='usb' model='none'/><memballoon model='none'/>{devices}</devices>
</domain>"""


def document(body: str = "", *, os: str = "", machine: str = "pc", memory: str = "<memory>65536</memory>",
             type: str = "qemu", firmware: str = "", devices: str = "") -> str:
    """A document around a part."""
    return FRAME.format(body=body, os=os, machine=machine, memory=memory, type=type, firmware=firmware,
                        devices=devices)


def define(body: str = "", **parts: str) -> Domain:
    """The completed domain."""
    return complete(document(body, **parts), HOST)


def written(body: str = "", **parts: str) -> str:
    """The whole document as it is written; a fixed point."""
    text = write_domain(define(body, **parts), SECURE)
    assert write_domain(complete(text, HOST), SECURE) == text
    return text


def part(tag: str, body: str = "", **parts: str) -> str:
    """One element below the root as it is written, without its indentation; empty when it is not there."""
    found: list[str] = []
    for line in written(body, **parts).splitlines():
        if found or line.startswith((f"  <{tag}>", f"  <{tag} ", f"  <{tag}/>")):
            found.append(line[2:])
            if line.startswith(f"  </{tag}>") or (len(found) == 1 and line.endswith(("/>", f"</{tag}>"))):
                break
    return "\n".join(found)


def refusal(body: str = "", **parts: str) -> str:
    """The words with which a document is refused."""
    with pytest.raises(VirtctlError) as caught:
        define(body, **parts)
    return str(caught.value)
