"""Guests of KVM said in Xen's forms: the way back from an import, and what QEMU's documents have that Xen has not."""

from pathlib import Path

import pytest

from virtctl.domain.domain import write_domain
from virtctl.domain.host import Host
from virtctl.domain.pipeline import complete
from virtctl.errors import UnsupportedConfig
from virtctl.schema.element import Mode
from virtctl.schema.node import Node, to_text
from virtctl.xen.convert import from_native, to_format
from virtctl.xen.importing import import_xen

SAMPLES = Path(__file__).resolve().parents[1] / "golden" / "xen"
KVM = """<domain type='kvm' id='4'><name>a</name><uuid>c7a5fdb2cdaf9455926ad65c16db1809</uuid><memory>65536</memory>
<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>{extra}<devices>{devices}</devices></domain>"""


def disks(document: Node) -> list[Node]:
    devices = document.find("devices")
    assert devices is not None
    return list(devices.all("disk"))


def sources(document: Node) -> list[str]:
    return [disk.get("source/@file") or disk.get("source/@dev") or "" for disk in disks(document)]


def exported(form: str, devices: str = "", extra: str = "") -> tuple[str, list[str]]:
    notes: list[str] = []
    return to_format(form, KVM.format(devices=devices, extra=extra), notes=notes), notes


@pytest.mark.parametrize(("sample", "form"), [
    ("seeds-kind.xm", "xen-sxpr"), ("seeds-kind.xm", "xen-xm"), ("pygrub.xm", "xen-sxpr"), ("pygrub.xm", "xen-xm"),
    ("pygrub.xm", "xen-xl"), ("paravirtual.sexpr", "xen-sxpr"), ("paravirtual.sexpr", "xen-xl")])
def test_an_imported_guest_can_go_back(form: str, sample: str) -> None:
    document, _ = import_xen((SAMPLES / sample).read_text())
    stored = write_domain(complete(to_text(document), Host()), Mode(secure=True))
    notes: list[str] = []
    again = from_native(form, to_format(form, stored, notes=notes))
    assert again.get("name") == document.get("name")
    assert again.get("uuid") == document.get("uuid")
    assert sorted(sources(again)) == sorted(sources(document))
    assert not any("virtio" in str(disk.get("target/@bus")) for disk in disks(again))
    assert notes


def test_what_carries_a_qemu_machine_is_left_to_xen() -> None:
    text, notes = exported("xen-xl", """
        <emulator>/usr/bin/qemu-system-x86_64</emulator>
        <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source file='/a'/>
          <target dev='vda' bus='virtio'/><boot order='2'/><address type='pci' slot='0x04'/></disk>
        <disk type='file' device='cdrom'><driver name='qemu' type='raw'/><target dev='sda' bus='sata'/><readonly/>
          <boot order='1'/><address type='drive'/></disk>
        <controller type='pci' model='pcie-root'/><controller type='virtio-serial'/>
        <interface type='bridge'><source bridge='br0'/><target dev='vnet3'/><model type='virtio'/></interface>
        <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
        <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
        <video><model type='virtio' heads='1'/></video><audio id='1' type='none'/>
        <graphics type='vnc' port='-1' autoport='yes'/><memballoon model='virtio'/>""",
        "<features><acpi/><hyperv><relaxed state='on'/></hyperv><vmport state='off'/></features>"
        "<cpu mode='host-passthrough'/><clock offset='utc'><timer name='pit'/><timer name='hpet' present='no'/></clock>"
        "<pm><suspend-to-mem enabled='no'/></pm>")
    assert 'disk = [ "format=raw,vdev=hda,access=ro,backendtype=qdisk,devtype=cdrom"' not in text
    for line in ('boot = "dc"', "viridian = 1", "hpet = 0", "stdvga = 1", 'vif = [ "bridge=br0,type=vif" ]',
                 'channel = [ "connection=pty,name=org.qemu.guest_agent.0" ]',
                 'disk = [ "format=qcow2,vdev=xvda,access=rw,backendtype=qdisk,target=/a", '
                 '"format=raw,vdev=hda,access=ro,backendtype=qdisk,devtype=cdrom" ]'):
        assert line + "\n" in text
    assert notes == [
        "the boot order of single devices became one of their kinds: Xen has no finer one",
        "domain/features/vmport is QEMU's and left out",
        "the Hyper-V enlightenments became viridian, which has all of them",
        "domain/cpu is left out: Xen shows its guests the host's processor",
        "timer pit is left out: Xen has no such setting",
        "domain/pm is QEMU's and left out",
        "domain/devices/emulator is left out: Xen has its own device model",
        "the channel of spice's agent is left out: xl makes it by itself",
        "disk vda: driver/@cache left out: Xen has no such setting",
        "disk vda is xvda in the guest now",
        "disk sda is hda in the guest now",
        "channel org.qemu.guest_agent.0 is a pty now: it had no path of its own",
        "the virtio video card became a standard one",
    ]


@pytest.mark.parametrize(("devices", "named"), [
    ("<rng model='virtio'/>", "domain/devices/rng"),
    ("<interface type='user'/>", "interface type user"),
    ("<disk><source file='/a'/><target dev='sde' bus='sata'/></disk>", "bus 'sata'"),
    ("<disk><source file='/a'/><target dev='sda' bus='usb'/></disk>", "bus 'usb'"),
    ("<tpm model='tpm-tis'/>", "domain/devices/tpm"),
])
def test_the_rest_is_refused_by_name(devices: str, named: str) -> None:
    with pytest.raises(UnsupportedConfig) as caught:
        exported("xen-xl", devices)
    assert named in caught.value.message


def test_versions_of_xend_differ() -> None:
    text = """<domain type='xen'><name>a</name><uuid>c7a5fdb2cdaf9455926ad65c16db1809</uuid><memory>65536</memory>
      <os><type>hvm</type><loader>/usr/lib/xen/boot/hvmloader</loader></os><devices>
      <disk type='file'><source file='/a'/><target dev='hda'/></disk>
      <disk type='file' device='cdrom'><source file='/b.iso'/><target dev='hdc'/><readonly/></disk>
      <interface type='bridge'><source bridge='b'/></interface>
      <graphics type='vnc' port='5901'/></devices></domain>"""
    made, notes = {}, []
    for version in (1, 2, 4):
        made[version] = to_format("xen-sxpr", text, version, notes)
    assert "(cdrom '/b.iso')" in made[1]
    assert "(dev 'ioemu:hda')" in made[1]
    assert "hdc" not in made[1]
    assert "(type ioemu)" in made[1]
    assert "(vnc 1)(rtc" in made[1]
    assert notes == ["graphics/@port is not carried over: the first xend chose all of a display by itself"]
    assert "(dev 'hda:disk')" in made[2]
    assert "(dev 'hdc:cdrom')" in made[2]
    assert "(vncunused 0)(vncdisplay 1)" in made[2]
    assert "(type ioemu)" in made[2]
    assert "(type ioemu)" not in made[4]


def test_a_paravirtual_display_moved_to_a_device_of_its_own() -> None:
    text = """<domain type='xen'><name>a</name><uuid>c7a5fdb2cdaf9455926ad65c16db1809</uuid><memory>65536</memory>
      <os><type>linux</type><kernel>/k</kernel></os><devices><disk type='file'><driver name='tap'/><source file='/a'/>
      <target dev='xvda'/></disk><graphics type='vnc' port='5901'/></devices></domain>"""
    assert "(image (linux (kernel '/k')(vnc 1)(vncunused 0)(vncdisplay 1)" in to_format("xen-sxpr", text, 2)
    assert "(device (vkbd))(device (vfb (type vnc)(vncunused 0)(vncdisplay 1)))" in to_format("xen-sxpr", text, 3)
    with pytest.raises(UnsupportedConfig, match="driver 'tap' needs a xend of version 2"):
        to_format("xen-sxpr", text, 1)
