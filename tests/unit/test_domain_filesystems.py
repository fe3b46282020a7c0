"""File systems and leases: what is read, filled in and refused."""

from __future__ import annotations

import pytest

from tests.unit.device_samples import SHARED, refusal, written

FOLDER = "<source dir='/a'/><target dir='t'/>"
NUMA = "<vcpu>2</vcpu><cpu><numa><cell id='0' cpus='0-1' memory='65536' memAccess='shared'/></numa></cpu>"


def test_9p():
    given = f"<filesystem accessmode='mapped' fmode='755' multidevs='remap'><driver type='path' wrpolicy='immediate' " \
            f"queue='3'/>{FOLDER}<space_hard_limit unit='KiB'>3</space_hard_limit><readonly/></filesystem>"
    assert written(given, "filesystem") == """\
<filesystem type='mount' accessmode='mapped' multidevs='remap' fmode='0755'>
  <driver type='path' wrpolicy='immediate'/>
  <source dir='/a'/>
  <target dir='t'/>
  <readonly/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
  <space_hard_limit unit='bytes'>3072</space_hard_limit>
</filesystem>"""


@pytest.mark.parametrize("head", [SHARED, NUMA])
def test_virtiofs(head):
    given = f"<filesystem><driver type='virtiofs' queue='1024' ats='on'/><binary path='/v' xattr='on'>" \
            f"<lock posix='on' flock='off'/><thread_pool size='0'/><sandbox mode='chroot'/><cache mode='none'/>" \
            f"</binary>{FOLDER}</filesystem>"
    assert written(given, "filesystem", head).rpartition("  <address")[0] == """\
<filesystem type='mount' accessmode='passthrough'>
  <driver type='virtiofs' queue='1024' ats='on'/>
  <binary path='/v' xattr='on'>
    <cache mode='none'/>
    <sandbox mode='chroot'/>
    <lock posix='on' flock='off'/>
    <thread_pool size='0'/>
  </binary>
  <source dir='/a'/>
  <target dir='t'/>
"""


@pytest.mark.parametrize(("given", "words"), [
    ("<filesystem><target dir='t'/></filesystem>", "missing source information for device t"),
    ("<filesystem><source dir='/a'/></filesystem>", "missing target information for device /a"),
    (f"<filesystem fmode='999'>{FOLDER}</filesystem>",
     "XML error: Invalid value for attribute 'fmode' in element 'filesystem': '999'. "
     "Expected non-negative integer value"),
    (f"<filesystem fmode='755'>{FOLDER}</filesystem>",
     "unsupported configuration: fmode and dmode must be used with accessmode=mapped"),
    (f"<filesystem><boot order='1'/>{FOLDER}</filesystem>",
     "unsupported configuration: boot order is only supported for virtiofs"),
    (f"<filesystem><driver type='virtiofs'/>{FOLDER}</filesystem>",
     "unsupported configuration: 'virtiofs' requires shared memory"),
    (f"<filesystem accessmode='mapped'><driver type='virtiofs'/>{FOLDER}</filesystem>",
     "unsupported configuration: virtiofs only supports passthrough accessmode"),
    ("<filesystem type='block'><source dev='/a'/><target dir='t'/></filesystem>",
     "unsupported configuration: only supports mount filesystem type"),
    ("<lease><lockspace>l</lockspace><key>k</key></lease>", "XML error: Missing 'target' element for lease"),
    ("<lease><lockspace>l</lockspace><target path='/p'/></lease>", "XML error: Missing 'key' element for lease"),
])
def test_refusals(given, words):
    assert refusal(given) == words


def test_a_lease():
    given = "<lease><target offset='0' path='/p'/><key>k</key><lockspace>l</lockspace></lease>"
    assert written(given, "lease") == \
        "<lease>\n  <lockspace>l</lockspace>\n  <key>k</key>\n  <target path='/p'/>\n</lease>"
