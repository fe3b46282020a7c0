"""What cannot be expressed is refused by name, and no input raises anything but the project's own errors."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtctl.errors import ConfigSyntaxError, InvalidArgument, UnsupportedConfig, VirtctlError, XmlError
from virtctl.xen.convert import FORMATS, from_format, guess_format, to_format
from virtctl.xen.importing import import_xen

SAMPLES = Path(__file__).resolve().parents[1] / "golden" / "xen"
HVM = """<domain type='xen'><name>a</name><uuid>c7a5fdb2cdaf9455926ad65c16db1809</uuid><memory>65536</memory>
<os><type>hvm</type><loader>/usr/lib/xen/boot/hvmloader</loader></os>{extra}<devices>{devices}</devices></domain>"""
PV = """<domain type='xen'><name>a</name><uuid>c7a5fdb2cdaf9455926ad65c16db1809</uuid><memory>65536</memory>
<bootloader>/usr/bin/pygrub</bootloader>{extra}<devices>{devices}</devices></domain>"""
XM = "name = 'a'\nuuid = 'c7a5fdb2cdaf9455926ad65c16db1809'\nmemory = 64\n"


def refusal(form: str, document: str, devices: str = "", extra: str = "") -> str:
    with pytest.raises(VirtctlError) as caught:
        to_format(form, document.format(devices=devices, extra=extra))
    return caught.value.message


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("devices", "named"), [
    ("<rng model='virtio'/>", "domain/devices/rng"),
    ("<disk><driver cache='none'/><source file='/a'/><target dev='hda'/></disk>", "disk/driver/@cache"),
    ("<disk><source file='/a'/><target dev='hda'/><iotune/></disk>", "disk/iotune"),
    ("<disk><source file='/a'/><target dev='vda'/></disk>", "bus 'virtio'"),
    ("<disk type='dir'><target dev='hda'/></disk>", "type 'dir'"),
    ("<disk><source file='/a'/></disk>", "without a target"),
    ("<interface type='network'><source network='n'/></interface>", "interface type network"),
    ("<interface type='bridge'><source bridge='b'/><mtu size='9000'/></interface>", "interface/mtu"),
    ("<interface type='bridge'><bandwidth><inbound average='1'/></bandwidth></interface>", "bandwidth/inbound"),
    ("<interface type='bridge'><mac address='1'/></interface>", "malformed mac address '1'"),
    ("<graphics type='rdp'/>", "graphics type 'rdp'"),
    ("<graphics type='vnc' port='80'/>", "vnc port 80"),
    ("<controller type='pci'/>", "controller of type 'pci'"),
    ("<hostdev mode='capabilities'/>", "hostdev of mode 'capabilities'"),
    ("<serial type='spicevmc'/>", "'spicevmc'"),
    ("<input type='evdev'/>", "input 'evdev'"),
    ("<sound model='usb'/>", "sound model 'usb'"),
    ("<video><model type='bochs'/></video>", "video model 'bochs'"),
    ("<memballoon model='virtio'/>", "memballoon model 'virtio'"),
    ("<channel type='spicevmc'><target type='virtio'/></channel>", "channel of type 'spicevmc'"),
    ("<console><target type='virtio'/></console>", "target type 'virtio'"),
])
def test_devices_are_refused_by_name(form: str, devices: str, named: str) -> None:
    assert named in refusal(form, HVM, devices)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("extra", "named"), [
    ("<memtune/>", "domain/memtune cannot be expressed in " ),
    ("<cpu mode='custom'/>", "domain/cpu/@mode 'custom'"),
    ("<clock offset='timezone'/>", "clock offset='timezone'"),
    ("<clock offset='utc' adjustment='reset'/>", "clock adjustment='reset'"),
    ("<clock offset='utc'><timer name='pit'/></clock>", "'pit'"),
    ("<features><smm/></features>", "domain/features/smm"),
    ("<vcpu placement='auto'>1</vcpu>", "placement"),
    ("<on_crash>ignore</on_crash>", "on_crash action 'ignore'"),
    ("<pm><suspend-to-disk/></pm>", "domain/pm"),
])
def test_settings_are_refused_by_name(form: str, extra: str, named: str) -> None:
    assert named in refusal(form, HVM, extra=extra)


@pytest.mark.parametrize(("form", "document", "devices", "named"), [
    ("xen-xm", HVM, "<channel type='pty'><target type='xen' name='x'/></channel>", "a channel"),
    ("xen-sxpr", HVM, "<graphics type='spice' port='5930'/>", "'spice'"),
    ("xen-xm", HVM, "<graphics type='spice' port='5930'/>", "'spice'"),
    ("xen-xl", PV, "<sound model='sb16'/>", "a sound card of a paravirtual guest"),
    ("xen-xl", PV, "<serial type='pty'/>", "a serial port of a paravirtual guest"),
    ("xen-xm", PV, "<input type='tablet' bus='usb'/>", "an emulated USB device of a paravirtual guest"),
    ("xen-xm", HVM, "<input type='tablet' bus='usb'/><input type='mouse' bus='usb'/>", "a second USB device"),
    ("xen-xl", HVM, "<disk device='floppy'><source file='/a'/><target dev='fda'/></disk>", "'floppy'"),
    ("xen-xl", HVM, "<disk><driver type='vmdk'/><source file='/a'/><target dev='hda'/></disk>", "format 'vmdk'"),
    ("xen-xm", HVM, "<disk><driver name='file' type='qcow2'/><source file='/a'/><target dev='hda'/></disk>", "qcow2"),
    ("xen-sxpr", HVM, "<disk type='network'><source protocol='rbd' name='p/i'/><target dev='hda'/></disk>", "network"),
    ("xen-xl", HVM, "<disk type='network'><source protocol='nbd'/><target dev='hda'/></disk>", "protocol 'nbd'"),
    ("xen-xl", HVM, "<interface type='bridge'><source bridge='a,b'/></interface>", "holds a comma"),
    ("xen-xl", HVM, "<graphics type='vnc'/><graphics type='sdl'/>", "a second graphics device"),
])
def test_each_form_has_limits_of_its_own(form: str, document: str, devices: str, named: str) -> None:
    assert named in refusal(form, document, devices)


def test_another_hypervisor_is_refused_with_a_hint_of_the_type() -> None:
    with pytest.raises(UnsupportedConfig, match="domain type 'lxc'"):
        to_format("xen-xl", "<domain type='lxc'><name>a</name></domain>")
    with pytest.raises(XmlError, match="expecting <domain>"):
        to_format("xen-xl", "<network/>")
    with pytest.raises(InvalidArgument, match="unsupported config type xen-yl"):
        to_format("xen-yl", "<domain/>")
    with pytest.raises(InvalidArgument, match="xend version 5"):
        from_format("xen-sxpr", "(vm)", 5)
    with pytest.raises(InvalidArgument, match="'xen'"):
        import_xen(XM, to="xen")
    with pytest.raises(UnsupportedConfig, match="empty"):
        guess_format("# nothing\n")


@pytest.mark.parametrize(("text", "named"), [
    ("boot = 'cx'\nbuilder = 'hvm'", "unknown boot device 'x'"),
    ("uuid = 'zz'", "malformed uuid 'zz'"),
    ("memory = 'lots'", "config value memory was malformed"),
    ("memory = [ 1 ]", "config value memory was malformed"),
    ("vif = [ 'mac=1' ]", "malformed mac address '1'"),
    ("vif = [ 'bridge' ]", "'bridge' is not NAME=VALUE"),
    ("vif = [ 'rate=fast' ]", "rate 'fast' of a vif"),
    ("disk = [ 'phy:/dev/sda' ]", "expected SOURCE,DEVICE,MODE"),
    ("disk = [ 'phy:/dev/sda,hda,x' ]", "unknown mode 'x'"),
    ("disk = [ 'tap:/a,hda,w' ]", "missing driver type"),
    ("disk = [ 'tap:zip:/a,hda,w' ]", "Unknown driver type zip"),
    ("pci = [ '1' ]", "pci '1'"),
    ("cpus = 'x'", "cpus 'x'"),
    ("on_crash = 'cry'", "on_crash action 'cry'"),
    ("serial = 'fax'\nbuilder = 'hvm'", "unknown chr device type 'fax'"),
    ("serial = 'tcp:here'\nbuilder = 'hvm'", "malformed char device string 'tcp:here'"),
    ("soundhw = 'tuba'\nbuilder = 'hvm'", "unknown sound model 'tuba'"),
    ("acpi = 'perhaps'\nbuilder = 'hvm'", "config value acpi was malformed"),
])
def test_malformed_values_are_named(text: str, named: str) -> None:
    with pytest.raises(UnsupportedConfig) as caught:
        from_format("xen-xm", XM + text)
    assert named in caught.value.message


@pytest.mark.parametrize(("text", "named"), [
    ("type = 'box'", "unknown type 'box'"),
    ("disk = [ '/a,zip,xvda,w' ]", "unknown format 'zip'"),
    ("disk = [ '/a,raw' ]", "no vdev"),
    ("disk = [ '/a,raw,xvda,w,fast' ]", "unknown word 'fast'"),
    ("disk = [ '/a,raw,xvda,wx' ]", "unknown access 'wx'"),
    ("vnuma = [ 'x' ]", "vnuma was malformed"),
    ("vnuma = [ [ 'vcpus=0' ] ]", "vnuma node 0 size"),
    ("cpuid = [ '1' ]", "cpuid as a list"),
    ("cpuid = 'guest'", "cpuid 'guest'"),
    ("usbctrl = [ 'type=xhci' ]", "usbctrl 'type=xhci'"),
    ("usbdev = [ 'hostbus=1' ]", "usbdev hostaddr"),
    ("channel = [ 'name=x' ]", "channel 'name=x'"),
    ("passthrough = 'all'", "unknown passthrough mode 'all'"),
    ("tsc_mode = 7", "unknown tsc_mode '7'"),
    ("bios = 'award'\ntype = 'hvm'", "unknown bios 'award'"),
    ("vif = [ 'bridge=o.x,script=vif-openvswitch' ]", "vlan in bridge 'o.x'"),
])
def test_malformed_values_of_xl_are_named(text: str, named: str) -> None:
    with pytest.raises(UnsupportedConfig) as caught:
        from_format("xen-xl", XM + text)
    assert named in caught.value.message


@pytest.mark.parametrize(("text", "named"), [
    ("(network)", "neither (domain nor (vm"),
    ("(vm)", "missing name"),
    ("(vm (name a)(image (hvm (boot c))))", "missing HVM loader"),
    ("(vm (name a)(device))", "a (device) that holds no device"),
    ("(vm (name a)(device (vbd (uname phy:/a))))", "vbd has no dev"),
    ("(vm (name a)(device (vbd (dev xvda))))", "vbd xvda has no src"),
    ("(vm (name a)(device (vbd (dev xvda)(uname /a))))", "missing driver name"),
    ("(vm (name a)(device (vfb (type x11))))", "unknown graphics type 'x11'"),
    ("(vm (name a)(device (pci (dev (bus x)))))", "address is not of numbers"),
    ("(vm (name a)(memory lots))", "'lots' is not a number"),
])
def test_malformed_s_expressions_are_named(text: str, named: str) -> None:
    with pytest.raises(UnsupportedConfig) as caught:
        from_format("xen-sxpr", text)
    assert named in caught.value.message


def test_what_has_no_place_is_noted() -> None:
    notes: list[str] = []
    from_format("xen-xm", XM + "cpu_weight = 3\nvif = [ 'mac=00:16:3e:00:00:01,accel=1' ]", notes=notes)
    assert notes == ["vif: accel=1 has no place in a domain document", "cpu_weight has no place in a domain document"]
    notes = []
    to_format("xen-xm", PV.format(extra="<title>t</title><features><acpi/></features>", devices=""), notes=notes)
    assert notes == ["domain/title is not carried over",
                     "domain/features/acpi is not carried over: a paravirtual guest has no such hardware"]
    notes = []
    from_format("xen-sxpr", "(vm (name a)(memory 4)(tmem 1)", notes=notes)
    assert notes == ["the last ')' is missing at offset 30", "(tmem 1) has no place in a domain document"]


TEXTS = {path: path.read_text() for path in SAMPLES.iterdir()}


def test_a_list_where_a_name_should_stand_is_noted() -> None:
    notes: list[str] = []
    from_format("xen-sxpr", "(domain (name a)(memory 4)((x y) z)(image (linux (kernel /k))))", notes=notes)
    assert any("has no place" in note for note in notes)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(TEXTS)), st.integers(0, 2**32), st.sampled_from(FORMATS))
def test_damaged_samples_raise_only_our_errors(path: Path, seed: int, form: str) -> None:
    chance, text = random.Random(seed), TEXTS[path]
    for _ in range(chance.randint(1, 6)):
        at, length = chance.randrange(len(text) + 1), chance.choice((0, 1, 3, 20))
        piece = chance.choice(("", "(", ")", "'", '"', "=", "\\", "[", "]", ",", "<a/>", "99999999999999999999", "-1",
                               "\0", ":", "@", "x", "\n"))
        text = text[:at] + piece + text[at + length:]
    try:
        made = to_format(form, text) if path.suffix == ".xml" else from_format(form, text)
    except VirtctlError as error:
        made = str(error)
    assert made


@pytest.mark.parametrize(("form", "piece"), [
    ("xen-sxpr", "(device (vbd (dev xvda)(uname phy:/a)(mode w)))"),
    ("xen-sxpr", "(device (vif (mac 00:16:3e:00:00:01)(bridge b)))"),
    ("xen-xm", "'phy:/a,hda,w',"), ("xen-xl", "'/a,raw,xvda,w',"), ("xen-xl", "'target=/a',")])
def test_a_mebibyte_takes_less_than_a_second_to_read(form: str, piece: str) -> None:
    head, tail = ("(vm (name a)(memory 4)", ")") if form == "xen-sxpr" else (XM + "disk = [", "]\n")
    count = 2**20 // len(piece)
    started = time.process_time()
    try:
        made = from_format(form, head + piece * count + tail)
    except (UnsupportedConfig, ConfigSyntaxError):
        made = ""
    # A document is many times longer than what it is made of, so its share is allowed for.
    assert time.process_time() - started < 1 + len(made) / 2**20
