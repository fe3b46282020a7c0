"""Host devices, redirected devices, inputs: what is read, filled in and refused."""

from __future__ import annotations

import pytest

from tests.unit.device_samples import refusal, written
from virtctl.domain.domain import Domain
from virtctl.schema.describe import entries

USB = "<source><vendor id='0x12'/><product id='010'/></source>"
PCI = "<source><address bus='3' slot='2'/></source>"
SCSI = "<source><adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/></source>"
MDEV = "<source><address uuid='53764d0e-85a0-42b4-af5c-2046b460b1dc'/></source>"


def hostdev(kind: str, inside: str, more: str = "") -> str:
    """A host device."""
    return f"<hostdev mode='subsystem' type='{kind}' {more}>{inside}</hostdev>"


def iscsi(inside: str, name: str = "a") -> str:
    """A unit of an iSCSI target."""
    return hostdev("scsi", f"<source protocol='iscsi' name='{name}'>{inside}</source>")


@pytest.mark.parametrize(("given", "wanted"), [
    (hostdev("usb", USB), "<vendor id='0x0012'/>\n    <product id='0x0008'/>"),
    (hostdev("usb", "<source><address bus='014' device='0x6'/></source>"), "<address bus='12' device='6'/>"),
    (hostdev("pci", PCI, "managed='yes'"), "<address domain='0x0000' bus='0x03' slot='0x02' function='0x0'/>"),
    (hostdev("pci", PCI + "<address type='unassigned'/>"), "<address type='unassigned'/>"),
    (hostdev("scsi", SCSI + "<readonly/>"), "<readonly/>\n  <address type='drive'"),
    (iscsi("<host name='h' port='3260'/>"), "<source protocol='iscsi' name='a/0'>"),
    (hostdev("mdev", MDEV, "model='vfio-pci'"), "model='vfio-pci' display='off'>"),
])
def test_sources(given, wanted):
    assert wanted in written(given, "hostdev")


@pytest.mark.parametrize(("given", "words"), [
    (hostdev("usb", ""), "XML error: Missing <source> element in hostdev device"),
    (hostdev("usb", "<source><vendor id='1'/></source>"), "internal error: missing product"),
    (hostdev("usb", "<source><address bus='1'/></source>"),
     "XML error: Missing required attribute 'device' in element 'address'"),
    (hostdev("usb", USB) * 2, "XML error: Hostdev already exists in the domain configuration"),
    (hostdev("usb", USB + "<address type='pci' slot='5'/>"),
     "unsupported configuration: USB host device must use 'usb' address type"),
    (hostdev("usb", USB, "sgio='filtered'"), "XML error: sgio is only supported for scsi host device"),
    (hostdev("pci", PCI + "<rom enabled='no' bar='on'/>"),
     "unsupported configuration: ROM tuning is not supported when ROM is disabled"),
    (hostdev("pci", PCI + "<address type='usb' bus='0' port='1'/>"),
     "internal error: PCI host devices must use 'pci' or 'unassigned' address type"),
    (hostdev("pci", "<source><address bus='300' slot='2'/></source>"),
     "XML error: Invalid PCI address bus='0x12c', must be <= 0xFF"),
    (hostdev("scsi", "<source><adapter name='x'/></source>"),
     "XML error: 'address' must be specified for scsi hostdev source"),
    (hostdev("scsi", SCSI, "sgio='unfiltered'"), "unsupported configuration: unfiltered sgio is no longer supported"),
    (hostdev("scsi", SCSI + "<address type='drive' bus='1'/>"), "internal error: SCSI controller only supports 1 bus"),
    (iscsi(""), "XML error: missing the host address for the iSCSI hostdev"),
    (iscsi("<host name='a'/><host name='b'/>"),
     "XML error: only one source host address may be specified for the iSCSI hostdev"),
    (hostdev("scsi_host", "<source protocol='vhost' wwpn='naa.1'/>"), "XML error: malformed 'wwpn' value"),
    (hostdev("mdev", MDEV), "XML error: Missing required attribute 'model' in element 'hostdev'"),
    (hostdev("mdev", MDEV, "model='vfio-pci' display='on'"),
     "unsupported configuration: graphics device is needed for attribute value 'display=on' in <hostdev>"),
    ("<hostdev mode='capabilities' type='misc'><source><char>/dev/x</char></source></hostdev>",
     "unsupported configuration: hostdev mode 'capabilities' is not supported in qemu"),
    (hostdev("tape", ""), "unsupported configuration: unknown host device source address type 'tape'"),
])
def test_host_devices_refused(given, words):
    assert refusal(given) == words


def test_a_scsi_device_keeps_clear_of_disks():
    disk = "<disk type='file'><source file='/a'/><target dev='sdb' bus='scsi'/><address type='drive' unit='0'/></disk>"
    assert "unit='1'/>\n</hostdev>" in written(disk + hostdev("scsi", SCSI), "hostdev")


FILTER = "<redirdev bus='usb' type='pty'/><redirfilter><usbdev {} allow='yes'/></redirfilter>"


@pytest.mark.parametrize(("rule", "wanted"), [
    ("", "<usbdev allow='yes'/>"),
    ("class='8' vendor='0x15e1' product='-1' version='9.4'",
     "<usbdev class='0x08' vendor='0x15E1' version='9.40' allow='yes'/>"),
])
def test_filters(rule, wanted):
    assert wanted in written(FILTER.format(rule), "redirfilter")


@pytest.mark.parametrize(("given", "words"), [
    (FILTER.format("class='256'"), "internal error: Invalid USB Class code 0x100"),
    (FILTER.format("version='2'"), "XML error: Cannot parse USB device version 2"),
    ("<redirdev bus='usb'/>", "internal error: missing type in redirdev"),
    ("<redirdev bus='usb' type='pigeon'/>",
     "unsupported configuration: unknown redirdev character device type 'pigeon'"),
    ("<redirfilter><usbdev allow='no'/></redirfilter>" * 2,
     "internal error: only one set of redirection filter rule is supported"),
    ("<input/>", "internal error: missing input device type"),
    ("<input type='tablet' bus='ps2'/>", "internal error: ps2 bus does not support tablet input device"),
    ("<input type='passthrough' bus='usb'><source evdev='/dev/x'/></input>",
     "unsupported configuration: only bus 'virtio' is supported for 'passthrough' input devices"),
    ("<input type='evdev'><source evdev='/dev/x'/></input>", "XML error: Missing evdev path for input device"),
    ("<input type='mouse' bus='virtio' model='virtio-transitional'/>",
     "unsupported configuration: virtio (non-)transitional models are not supported for input type=mouse"),
])
def test_redirection_and_input_refused(given, words):
    assert refusal(given) == words


@pytest.mark.parametrize(("given", "wanted"), [
    ("<input type='tablet'/>", "<input type='tablet' bus='usb'>"),
    ("<input type='passthrough'><source evdev='/dev/x'/></input>", "<input type='passthrough' bus='virtio'>"),
    ("<input type='evdev'><source dev='/dev/x' grab='all'/></input>",
     "<input type='evdev'>\n  <source dev='/dev/x' grab='all'/>"),
])
def test_inputs(given, wanted):
    assert wanted in written(given, "input")


def test_every_kind_of_source_is_explained():
    paths = {entry.path.removeprefix("domain/devices/") for entry in entries(Domain)}
    assert {"hostdev/source/vendor/@id", "hostdev/source/@wwpn", "hostdev/@sgio", "hostdev/driver/@name"} <= paths
