"""USB ports and hubs, drive places, virtio-serial ports, controllers that devices need, aliases."""

from __future__ import annotations

import pytest

from tests.unit.address_samples import define, disk, nic, placed, refusal
from virtctl.domain.aliases import assign_aliases

BARE = "<memballoon model='none'/>"
MOUSE = "<input type='mouse' bus='usb'/>"
HUB = "<hub type='usb'/>"
NO_USB = "<controller type='usb' model='none'/>"


def usb(kind: str, port: str) -> str:
    """A device at a USB port."""
    return f"<{kind}><address type='usb' bus='0' port='{port}'/></{kind.split()[0]}>"


def channel(name: str, more: str = "") -> str:
    """A virtio channel."""
    return f"<channel type='unix'><target type='virtio' name='{name}'/>{more}</channel>"


def test_a_hub_comes_when_ports_run_out():
    assert placed(BARE + MOUSE * 4) == ["input usb0/2", "input usb0/1.1", "input usb0/1.2", "input usb0/1.3",
                                        "hub usb0/1"]


def test_given_ports_are_kept_free_for_their_owners():
    assert placed(BARE + MOUSE + usb("input type='tablet' bus='usb'", "1")) == ["input usb0/2", "input usb0/1"]


def test_hubs_behind_hubs():
    devices = usb("hub type='usb'", "1.3") + usb("input type='mouse' bus='usb'", "1.3.8")
    assert placed(BARE + usb("hub type='usb'", "1") + devices) == ["input usb0/1.3.8", "hub usb0/1", "hub usb0/1.3"]


@pytest.mark.parametrize(("devices", "words"), [
    (usb("hub type='usb'", "1") + usb("input type='mouse' bus='usb'", "1"),
     "XML error: Duplicate USB address bus 0 port 1"),
    (usb("input type='mouse' bus='usb'", "3"), "XML error: requested USB port 3 not present on USB bus 0"),
    (usb("input type='mouse' bus='usb'", "1.1"),
     "XML error: there is no hub at port 1 in USB address bus: 0 port: 1.1"),
    (usb("input type='mouse' bus='usb'", "1.2.3.4.5"), "internal error: Cannot parse <address> 'port' attribute"),
    (NO_USB + MOUSE, "unsupported configuration: Can't add USB input device. USB bus is disabled"),
    (NO_USB + HUB, "unsupported configuration: Can't add USB hub: USB is disabled for this domain"),
    (NO_USB + disk("sda", "usb"),
     "unsupported configuration: USB is disabled for this domain, but USB devices are present in the domain XML"),
    (NO_USB + "<controller type='usb' index='1'/>",
     "Can't add another USB controller: USB is disabled for this domain"),
    ("<controller type='usb' model='ich9-uhci1'/>", "No master USB controller specified"),
    ("<controller type='usb' model='qemu-xhci' ports='16'/>",
     "unsupported configuration: 'qemu-xhci' controller only supports up to '15' ports"),
    ("<hub/>", "internal error: missing hub device type"),
])
def test_usb_refused(devices, words):
    assert refusal(devices) == words


@pytest.mark.parametrize(("target", "bus", "place"), [
    ("hdd", "ide", "0-1-0-1"), ("sdh", "sata", "1-0-0-1"), ("sdh", "scsi", "1-0-0-0")])
def test_a_disk_sits_where_its_name_says(target, bus, place):
    assert f"disk {place}" in placed(disk(target, bus))


def test_controllers_are_added_up_to_the_one_that_a_disk_needs():
    controllers = define(disk("sdp", "scsi")).devices.by_tag["controller"]
    assert [one.index for one in controllers if one.type == "scsi"] == [0, 1, 2]


def test_controllers_without_index_take_the_lowest():
    given = "".join(f"<controller type='scsi' {index} model='virtio-scsi'/>" for index in ("index='1'", "", ""))
    assert [one.index for one in define(given).devices.by_tag["controller"] if one.type == "scsi"] == [1, 0, 2]


def test_a_console_that_asks_for_an_address_keeps_a_port_free():
    console = ("<serial type='pty'/><console type='pty'><target type='virtio'/>"
               "<address type='virtio-serial' controller='0'/></console>")
    assert placed(BARE + console + channel("a")) == ["virtio-serial 0 0:02.0", "console vs0/0", "channel vs0/2"]


def test_a_second_virtio_serial_controller_comes_when_ports_run_out():
    given = "<controller type='virtio-serial' ports='2'/>" + channel("a") + channel("b")
    assert placed(BARE + given)[-2:] == ["channel vs0/1", "channel vs1/1"]


def test_a_virtio_serial_port_holds_one_channel():
    more = "<address type='virtio-serial' controller='0' bus='0' port='3'/>"
    assert refusal(channel("a", more) + channel("b", more)) == \
        "XML error: virtio serial port 3 on controller 0 is already occupied"


def aliases(devices: str, machine: str = "pc") -> list[str]:
    """The aliases that devices get at start."""
    domain = define(devices, machine)
    assign_aliases(domain)
    return [device.id for device in domain.devices if device.id]


def test_aliases_of_a_pc():
    given = (nic() + disk("vdc", "virtio") + disk("hda", "ide") + disk("sdb", "scsi") + "<graphics type='vnc'/>"
             + "<serial type='pty'/>" + channel("a"))
    assert aliases(given) == [
        "virtio-disk2", "ide0-0-0", "scsi0-0-1", "usb", "pci.0", "scsi0", "ide", "virtio-serial0", "net0", "serial0",
        "serial0", "channel0", "input0", "input1", "video0", "balloon0"]


def test_aliases_of_a_q35():
    given = BARE + NO_USB + "<controller type='scsi' model='virtio-scsi'/>" + disk("sda", "scsi")
    assert aliases(given, "q35") == ["scsi0-0-0-0", "usb", "scsi0", "ide", "pcie.0", "pci.1", "pci.2", "input0",
                                     "input1"]


def test_a_users_alias_stays():
    given = nic(more="<alias name='ua-mine'/>") + nic(number=2) + nic(more="<alias name='other'/>", number=3)
    assert [name for name in aliases(given) if name.startswith(("net", "ua-"))] == ["ua-mine", "net0", "net1"]


def test_an_alias_given_twice_is_refused():
    given = nic(more="<alias name='ua-a'/>") + nic(more="<alias name='ua-a'/>", number=2)
    assert refusal(given) == "unsupported configuration: non unique alias detected: ua-a"


@pytest.mark.parametrize(("devices", "words"), [
    ("<controller type='pci' index='256' model='pci-bridge'/>",
     "unsupported configuration: PCI controller index 256 too high, maximum is 255"),
    ("<controller type='pci' index='2000000000' model='pci-bridge'/>",
     "unsupported configuration: PCI controller index 2000000000 too high, maximum is 255"),
    (disk("sda", "scsi", "<address type='drive' controller='4000000000'/>"),
     "unsupported configuration: scsi controller index 4000000000 too high, maximum is 1023"),
])
def test_absurd_numbers_cost_nothing(devices, words):
    assert refusal(devices) == words
