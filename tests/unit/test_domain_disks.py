"""Disks: what is read, filled in and refused."""

from __future__ import annotations

import pytest

from tests.unit.device_samples import SHARED, define, refusal, written
from virtctl.domain.devices.disk import Disk
from virtctl.domain.domain import write_domain

UUID = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"


def only(devices: str) -> Disk:
    """The one disk of a domain."""
    (disk,) = define(devices).devices.all(Disk)
    return disk


@pytest.mark.parametrize(("target", "bus"), [
    ("hda", "ide"), ("sda", "scsi"), ("vda", "virtio"), ("xvda", "xen"), ("ubda", "uml")])
def test_the_bus_follows_from_the_name(target, bus):
    assert only(f"<disk><source file='/x'/><target dev='{target}'/></disk>").bus == bus


def test_what_every_disk_says():
    assert written("<disk><source file='/x'/><target dev='hdc'/></disk>", "disk") == """\
<disk type='file' device='disk'>
  <driver name='qemu' type='raw'/>
  <source file='/x'/>
  <target dev='hdc' bus='ide'/>
  <address type='drive' controller='0' bus='1' target='0' unit='0'/>
</disk>"""


def test_an_empty_drive_for_media():
    assert written("<disk device='cdrom'><source file=''/><target dev='hda'/></disk>", "disk") == """\
<disk type='file' device='cdrom'>
  <driver name='qemu' type='raw'/>
  <target dev='hda' bus='ide'/>
  <readonly/>
  <address type='drive' controller='0' bus='0' target='0' unit='0'/>
</disk>"""
    assert only("<disk type='network' device='cdrom'><target dev='hda'/></disk>").type == "file"


def test_disks_come_in_the_order_of_their_names():
    names = ("vdb", "vda", "hdb", "sda")
    given = "".join(f"<disk><source file='/{name}'/><target dev='{name}'/></disk>" for name in names)
    assert [disk.target for disk in define(given).devices.all(Disk)] == ["vda", "sda", "vdb", "hdb"]
    buses = given.replace("dev='vd", "bus='virtio' dev='vd").replace("dev='hd", "bus='ide' dev='hd")
    assert [disk.target for disk in define(buses).devices.all(Disk)] == ["vda", "vdb", "hdb", "sda"]


EVERYTHING = f"""
<disk type='network' model='virtio' snapshot='external'>
  <serial>s</serial><iotune><group_name>g</group_name><total_bytes_sec>1</total_bytes_sec></iotune>
  <target dev='vda' bus='virtio' tray='closed'/><blockio physical_block_size='4096' logical_block_size='512'/>
  <geometry secs='3' heads='2' cyls='1'/><backenddomain name='x'/><backingStore/>
  <source protocol='rbd' name='p/i' tls='no' file='/no'><host name='h' port='3' transport='tcp'/>
    <initiator><iqn name='f'/></initiator><snapshot name='s'/><config file='/c'/>
    <encryption format='luks' engine='librbd'><secret type='passphrase' uuid='{UUID}'/></encryption>
    <auth username='u'><secret type='ceph' usage='x'/></auth><identity user='a' group='b'/><timeout seconds='4'/>
    <slices><slice type='storage' offset='3' size='4'/></slices><seclabel model='dac' relabel='no'/></source>
  <driver queues='4' cache='none' type='qcow2' error_policy='stop' rerror_policy='report' io='native' discard='unmap'
    ioeventfd='on' event_idx='off' copy_on_read='on' detect_zeroes='on' queue_size='256' ats='on' packed='off'>
    <metadata_cache><max_size unit='KiB'>64</max_size></metadata_cache></driver>
</disk>"""


def test_everything_in_libvirts_order():
    text = written(EVERYTHING, "disk").rpartition("  <address")[0]
    assert text == f"""\
<disk type='network' device='disk' model='virtio' snapshot='external'>
  <driver name='qemu' type='qcow2' cache='none' error_policy='stop' rerror_policy='report' io='native' \
ioeventfd='on' event_idx='off' copy_on_read='on' discard='unmap' detect_zeroes='on' queues='4' queue_size='256' \
ats='on' packed='off'>
    <metadata_cache>
      <max_size unit='bytes'>65536</max_size>
    </metadata_cache>
  </driver>
  <source protocol='rbd' name='p/i' tls='no'>
    <host name='h' port='3'/>
    <snapshot name='s'/>
    <config file='/c'/>
    <initiator>
      <iqn name='f'/>
    </initiator>
    <slices>
      <slice type='storage' offset='3' size='4'/>
    </slices>
    <auth username='u'>
      <secret type='ceph' usage='x'/>
    </auth>
    <encryption format='luks' engine='librbd'>
      <secret type='passphrase' uuid='{UUID}'/>
    </encryption>
  </source>
  <backingStore/>
  <backenddomain name='x'/>
  <geometry cyls='1' heads='2' secs='3'/>
  <blockio logical_block_size='512' physical_block_size='4096'/>
  <target dev='vda' bus='virtio'/>
  <iotune>
    <total_bytes_sec>1</total_bytes_sec>
    <group_name>g</group_name>
  </iotune>
  <serial>s</serial>
"""


def test_a_chain_of_images():
    given = """<disk><driver type='qcow2'/><source file='/top'/><backingStore type='file'><format type='qcow2'/>
      <source file='/middle' startupPolicy='optional'/><backingStore type='block'><format type='raw'/>
      <source dev='/base'/><backingStore/></backingStore></backingStore><target dev='vda'/></disk>"""
    disk = only(given)
    assert disk.backing.source.file == "/middle"
    assert disk.backing.backing.source.dev == "/base"
    assert disk.backing.backing.backing.type is None
    assert "startupPolicy" not in written(given, "disk")


def test_a_web_server():
    given = """<disk type='network' device='cdrom'><source protocol='https' name='a/b' query='q=1'><host name='h'/>
      <ssl verify='no'/><cookies><cookie name='c'>v</cookie></cookies><readahead size='1'/><timeout seconds='0'/>
      </source><target dev='sda'/></disk>"""
    assert "<host name='h' port='443'/>" in written(given, "disk")
    assert "<cookie name='c'>v</cookie>" in written(given, "disk")
    assert "timeout" not in written(given, "disk")
    assert ">v<" not in write_domain(define(given))


def test_an_nvme_disk_is_taken_from_the_host():
    given = "<disk type='nvme'><source type='pci' namespace='1'><address bus='1'/></source><target dev='vda'/></disk>"
    assert "<source type='pci' managed='yes' namespace='1'>\n    <address domain='0x0000' bus='0x01' slot='0x00' " \
           "function='0x0'/>" in written(given, "disk")


def test_an_iscsi_name_gets_its_unit():
    given = "<disk type='network'><source protocol='iscsi' name='iqn.x'><host name='h'/></source>" \
            "<target dev='vda'/></disk>"
    assert only(given).source.name == "iqn.x/0"


def test_limits_are_shared_by_group():
    first = "<disk><source file='/a'/><target dev='vda'/><iotune><group_name>g</group_name></iotune></disk>"
    second = first.replace("vda", "vdb").replace("<iotune>", "<iotune><read_bytes_sec>5</read_bytes_sec>")
    assert [disk.iotune.read_bytes_sec for disk in define(first + second).devices.all(Disk)] == [5, 5]


def test_a_vhostuser_disk_needs_shared_memory():
    given = "<disk type='vhostuser'><source type='unix' path='/s'/><target dev='vda'/></disk>"
    assert refusal(given) == "unsupported configuration: 'vhostuser' requires shared memory"
    assert "snapshot='no'" in written(given, "disk", SHARED)


FILE = "<disk{attrs}><driver{driver}/><source file='/x'{source}/><target dev='{dev}'{target}/>{rest}</disk>"


@pytest.mark.parametrize(("change", "words"), [
    ({"dev": "foo"}, "XML error: Unknown disk name 'foo' and no address specified"),
    ({"dev": "fda"}, "internal error: Invalid harddisk device name: fda"),
    ({"attrs": " device='floppy'"}, "internal error: Invalid floppy device name: vda"),
    ({"attrs": " device='cdrom'"}, "unsupported configuration: disk type of 'vda' does not support ejectable media"),
    ({"attrs": " device='lun'"},
     "unsupported configuration: disk device='lun' is only valid for block type disk source"),
    ({"attrs": " rawio='yes'"}, "unsupported configuration: rawio can be used only with device='lun'"),
    ({"attrs": " model='virtio'", "dev": "hda"},
     "unsupported configuration: disk model 'virtio' not supported for bus 'ide'"),
    ({"source": " startupPolicy='requisite'"},
     "XML error: disk startupPolicy 'requisite' is allowed only for cdrom or floppy"),
    ({"target": " tray='open'"}, "unsupported configuration: tray is only valid for cdrom and floppy"),
    ({"target": " removable='on'"}, "XML error: removable is only valid for usb disks"),
    ({"target": " rotation_rate='5'"}, "internal error: rotation rate is only valid for SCSI/IDE/SATA bus"),
    ({"driver": " type='cow'"}, "unsupported configuration: 'cow' storage format is not supported"),
    ({"driver": " type='odd'"}, "unsupported configuration: unknown driver format value 'odd'"),
    ({"driver": " name='tap'"}, "unsupported configuration: unsupported driver name 'tap' for disk 'vda'"),
    ({"driver": " io='native'"},
     "unsupported configuration: io='native' needs either no disk cache or directsync cache mode"),
    ({"driver": " iothread='0'"},
     "XML error: Invalid value for attribute 'iothread' in element 'driver': Zero is not permitted"),
    ({"driver": " iothread='7'"}, "unsupported configuration: Disk iothread '7' not defined in iothreadid"),
    ({"driver": " event_idx='on'", "dev": "sda"},
     "unsupported configuration: disk event_idx mode supported only for virtio bus"),
    ({"driver": " copy_on_read='on'", "rest": "<readonly/>"},
     "unsupported configuration: copy_on_read is not compatible with read-only disk 'vda'"),
    ({"driver": " type='qcow2'", "rest": "<shareable/>"},
     "unsupported configuration: shared access for disk 'vda' requires use of supported storage format"),
    ({"rest": "<transient/><readonly/>"}, "unsupported configuration: transient disk 'vda' must not be read-only"),
    ({"rest": "<wwn>12</wwn>", "dev": "sda"}, "internal error: Malformed wwn: 12"),
    ({"rest": "<vendor>123456789</vendor>", "dev": "sda"},
     "unsupported configuration: disk vendor is more than 8 characters"),
    ({"rest": "<product>x</product>"}, "unsupported configuration: Only scsi disk supports vendor and product"),
    ({"rest": "<serial>a,b</serial>"}, "internal error: driver serial 'a,b' contains unsafe characters"),
    ({"rest": "<readonly/>", "dev": "hda"}, "unsupported configuration: readonly ide disks are not supported"),
    ({"rest": "<geometry cyls='1' heads='1' secs='1' trans='lba'/>"},
     "unsupported configuration: CHS translation mode can only be set for 'ide' bus not 'virtio'"),
    ({"rest": "<address type='drive'/>"},
     "unsupported configuration: virtio disk cannot have an address of type 'drive'"),
    ({"rest": "<address type='usb'/>", "dev": "sda"},
     "unsupported configuration: Invalid address type 'usb' for the disk 'sda' with the bus type 'scsi'"),
    ({"rest": "<address type='drive' bus='1'/>", "dev": "sda"},
     "internal error: SCSI controller only supports 1 bus"),
    ({"rest": "<iotune><total_iops_sec>x</total_iops_sec></iotune>"},
     "XML error: disk iotune field 'total_iops_sec' must be an integer"),
    ({"rest": "<iotune><total_iops_sec>1</total_iops_sec><read_iops_sec>1</read_iops_sec></iotune>"},
     "XML error: total and read/write iops_sec cannot be set at the same time"),
    ({"rest": "<iotune><read_iops_sec>1000000000000001</read_iops_sec></iotune>"},
     "argument unsupported: block I/O throttle limit must be no more than 1000000000000000 using QEMU"),
    ({"rest": "<encryption format='odd'/>"}, "unsupported configuration: unknown volume encryption format type odd"),
    ({"rest": "<encryption format='luks2'/>"},
     "unsupported configuration: luks2 is currently not supported by the qemu encryption engine"),
    ({"rest": "<encryption format='luks'><cipher name='aes'/></encryption>"},
     "unsupported configuration: supplying <cipher> for domain disk definition is unnecessary"),
    ({"rest": "<boot order='0'/>"},
     "XML error: Invalid value for attribute 'order' in element 'boot': Zero is not permitted"),
])
def test_refusals(change, words):
    parts = {"attrs": "", "driver": "", "source": "", "dev": "vda", "target": "", "rest": ""} | change
    assert refusal(FILE.format(**parts)) == words


@pytest.mark.parametrize(("source", "words"), [
    ("name='x'", "XML error: Missing required attribute 'protocol' in element 'source'"),
    ("protocol='rbd'", "XML error: missing name for disk source"),
    ("protocol='rbd' name='x'", "XML error: can't split path 'x' into pool name and image name"),
    ("protocol='nfs' name='x'", "unsupported configuration: 'nfs' protocol requires the usage of exactly one host"),
    ("protocol='tftp' name='x'", "unsupported configuration: 'tftp' protocol is not supported with this QEMU binary"),
    ("protocol='nbd' startupPolicy='optional'",
     "XML error: disk startupPolicy 'optional' is not allowed for disk of 'network' type"),
])
def test_network_refusals(source, words):
    assert refusal(f"<disk type='network'><source {source}/><target dev='vda'/></disk>") == words


def test_two_disks_beside_each_other():
    one = "<disk><source file='/a'/><target dev='sda'/></disk>"
    assert refusal(one + one.replace("/a", "/b")) == \
        "XML error: target 'sda' duplicated for disk sources '/a' and '/b'"
    there = one.replace("</disk>", "<address type='drive'/></disk>")
    assert refusal(there + there.replace("sda", "sdb")) == (
        "unsupported configuration: Found duplicate drive address for disk with target name 'sda' controller='0' "
        "bus='0' target='0' unit='0'")
    alias = one.replace("</disk>", "<alias name='ua-x'/></disk>")
    assert refusal(alias + alias.replace("sda", "sdb")) == \
        "unsupported configuration: non unique alias detected: ua-x"


def test_a_disk_without_target_or_image():
    assert refusal("<disk><source file='/a'/></disk>") == "missing target information for device /a"
    assert refusal("<disk><target dev='vda'/></disk>") == "missing source information for device vda"
