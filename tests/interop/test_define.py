"""What a definition becomes: the same text here and in libvirt, for documents made up at random (from fixed seeds)."""

from __future__ import annotations

import random
import re

import pytest

from tests.support.libvirtd import PrivateLibvirtd
from virtctl.domain.domain import write_domain
from virtctl.domain.host import Host
from virtctl.domain.pipeline import complete
from virtctl.errors import VirtctlError
from virtctl.schema.element import Mode

pytestmark = [pytest.mark.libvirt, pytest.mark.xdist_group("libvirtd")]

HOST = Host(runs=lambda path: True)
FRAME = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>7b0b1c5e-9b53-4f4b-a0f7-0f8f5f0f{number:04x}</uuid>
  <memory>65536</memory>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <features><acpi/></features>
  <devices>{devices}</devices>
</domain>"""
NICS = ("virtio", "e1000", "e1000e", "rtl8139", "virtio-transitional", "virtio-non-transitional")
EXPRESS = ("pcie-root-port", "pcie-root-port", "pci-bridge", "pcie-to-pci-bridge", "dmi-to-pci-bridge",
           "pcie-switch-upstream-port", "pcie-switch-downstream-port", "pcie-expander-bus")
CONVENTIONAL = ("pci-bridge", "pci-bridge", "pci-expander-bus")
SIMPLE = (
    "<sound model='ich6'/>", "<sound model='ich9'/>", "<sound model='usb'/>", "<hub type='usb'/>",
    "<input type='tablet' bus='usb'/>", "<input type='keyboard' bus='virtio'/>", "<redirdev bus='usb' type='pty'/>",
    "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>",
    "<serial type='pty'><target type='pci-serial'/></serial>", "<controller type='virtio-serial'/>",
    "<controller type='scsi' model='virtio-scsi'/>", "<controller type='usb' index='1' model='qemu-xhci'/>",
    "<controller type='usb' index='2' model='ich9-ehci1'/><controller type='usb' index='2' model='ich9-uhci1'/>",
)


class Author:
    """Makes documents up."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.machine = self.random.choice(("pc", "q35"))
        self.made = 0

    def address(self) -> str:
        """Now and then an address of the user's own."""
        if self.random.random() > 0.15:
            return ""
        bus, slot = self.random.choice((0, 0, 1, 2)), self.random.choice((0, 1, 2, 3, 5, 31))
        return f"<address type='pci' bus='{bus}' slot='{slot}' function='{self.random.choice((0, 0, 1))}'/>"

    def nic(self) -> str:
        """A network card."""
        return (f"<interface type='user'><mac address='52:54:00:00:00:{self.made:02x}'/>"
                f"<model type='{self.random.choice(NICS)}'/>{self.address()}</interface>")

    def disk(self) -> str:
        """A disk on one of the buses."""
        bus = self.random.choice(("virtio", "scsi", "sata", "usb"))
        name = ("vd" if bus == "virtio" else "sd") + chr(ord("a") + self.made % 26) + "ab"[self.made // 26]
        return (f"<disk type='file' device='disk'><source file='/{name}'/><target dev='{name}' bus='{bus}'/>"
                f"{self.address() if bus == 'virtio' else ''}</disk>")

    def bridge(self) -> str:
        """A PCI controller."""
        models = EXPRESS if self.machine == "q35" else CONVENTIONAL
        return (f"<controller type='pci' index='{self.random.randrange(1, 6)}' model='{self.random.choice(models)}'>"
                f"{self.address()}</controller>")

    def simple(self) -> str:
        """Some other device."""
        return self.random.choice(SIMPLE)

    def document(self, name: str) -> str:
        """A whole domain."""
        devices = []
        for made in range(self.random.choice((2, 5, 10, 25))):
            self.made = made
            devices.append(self.random.choice((self.nic, self.disk, self.simple, self.simple, self.bridge))())
        number = int(name.rpartition("-")[2])
        return FRAME.format(name=name, number=number, machine=self.machine, devices="\n".join(devices))


def ours(document: str) -> str:
    """What we make of it: the definition, or the refusal."""
    try:
        return write_domain(complete(document, HOST), Mode(secure=True)).strip()
    except VirtctlError as error:
        return f"error: {error}"


def theirs(document: str, name: str, libvirtd: PrivateLibvirtd) -> str:
    """What libvirt makes of it."""
    path = libvirtd.files / f"{name}.xml"
    path.write_text(document, encoding="utf-8")
    path.chmod(0o644)
    defined = libvirtd.virsh("define", path)
    if defined.status:
        return defined.err.strip().splitlines()[-1]
    text = libvirtd.virsh.ok("dumpxml", "--inactive", "--security-info", name)
    libvirtd.virsh.ok("undefine", name)
    return text.strip()


@pytest.mark.parametrize("seed", range(40))
def test_the_same_definition(seed: int, libvirtd: PrivateLibvirtd) -> None:
    name = f"made-up-{seed}"
    document = Author(seed).document(name)
    made, wanted = ours(document), theirs(document, name, libvirtd)
    assert re.sub(r"\n\n+", "\n", made) == re.sub(r"\n\n+", "\n", wanted)
