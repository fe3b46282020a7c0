"""Documents that somebody made to do harm: refused, soon, in little memory, and before any QEMU is started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.hostile_inputs import DOCUMENTS
from tests.faults.limited import Limited
from tests.faults.sweep import audit, guests
from tests.faults.verbs import Lab, document
from virtctl.errors import VirtctlError
from virtctl.values import ListFilter, StartOptions

PAUSED = StartOptions(paused=True)
EVERYTHING = ListFilter(inactive=True)


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limited]:
    with Limited(tmp_path_factory.mktemp("limited")) as server:
        yield server


@pytest.mark.fault(76, 77)
@pytest.mark.parametrize("what", DOCUMENTS)
def test_a_hostile_document_is_refused_at_once(limited: Limited, tmp_path: Path, what: str) -> None:
    path, data = tmp_path / "document", DOCUMENTS[what]
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    answer = limited.attempt("document", path)
    assert answer.ended == "refused", answer
    assert answer.seconds <= 0.5
    assert answer.peak <= 100
    assert "root:" not in answer.words  # of /etc/passwd
    assert "\x1b" not in answer.words


@pytest.mark.fault(77)
def test_a_document_that_ends_too_early_is_refused_at_every_byte(lab: Lab) -> None:
    whole = document(lab.disk, note="é").encode()
    for size in range(len(whole)):
        with pytest.raises(VirtctlError):
            lab.driver.define(whole[:size])
    assert lab.driver.rows(EVERYTHING) == []


@pytest.mark.fault(77)
@pytest.mark.parametrize(("before", "encoding", "ends"), [
    ("\ufeff", "utf-8", "\n"), ("", "utf-8", "\r\n"),
    ("<?xml version='1.0' encoding='iso-8859-1'?>", "iso-8859-1", "\n")])
def test_odd_but_right_documents_are_read(lab: Lab, before: str, encoding: str, ends: str) -> None:
    text = before + document(lab.disk, note="née").replace("\n", ends)
    lab.driver.define(text.encode(encoding))
    assert lab.description() == "née"


MEMORY, PROCESSORS, DEVICES = "<memory unit='MiB'>8</memory>", "<vcpu>1</vcpu>", "<controller type='usb'"
DISK = ("<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/x'/>"
        "<target dev='{}' bus='virtio'/>{}</disk>")
SAME_PLACE = "<address type='pci' domain='0' bus='0' slot='0x05' function='0'/>"
NUMBERS = [
    *((MEMORY, f"<memory>{word}</memory>", "memory") for word in (
        "-1", "abc", "1e999", " 12 ", "0x10", "18446744073709551616", "NaN", "8192.5", "٣")),
    *((MEMORY, f"<memory>{word}</memory>", "Memory size must be specified") for word in ("0", "")),
    *((MEMORY, f"<memory unit='EiB'>{word}</memory>", "too large") for word in ("16", "17")),
    (MEMORY, "<memory unit='parsec'>8</memory>", "parsec"),
    *((PROCESSORS, f"<vcpu>{word}</vcpu>", "vcpu") for word in ("0", "4294967296", "abc", "-1", "1.5", "0x2", "")),
    *((PROCESSORS, f"<vcpu>{word}</vcpu>", "limit 255") for word in ("256", "100000")),
    *((DEVICES, f"<graphics type='vnc' port='{word}'/>{DEVICES}", word) for word in (
        "-2", "-5900", "80", "65536", "99999999999", "abc")),
    (DEVICES, DISK.format("vda", "") + DEVICES, "'vda' duplicated"),
    (DEVICES, DISK.format("vdb", SAME_PLACE) + DISK.format("vdc", SAME_PLACE) + DEVICES, "0000:00:05.0"),
    (DEVICES, DISK.format("vdb", SAME_PLACE.replace("0x05", "32")) + DEVICES, "slot"),
    (DEVICES, DISK.format("vdb", SAME_PLACE.replace("0x05", "-1")) + DEVICES, "slot"),
    (DEVICES, "".join(DISK.format(name, "<alias name='ua-x'/>") for name in ("vdb", "vdc")) + DEVICES, "ua-x"),
    (DEVICES, "<controller type='scsi' index='0' model='virtio-scsi'/>" * 2 + DEVICES, "index '0'"),
    (DEVICES, "<controller type='scsi' index='4294967295'/>" + DEVICES, "4294967295"),
    (DEVICES, DISK.format("vdb", "<boot order='0'/>") + DEVICES, "order"),
    (PROCESSORS, PROCESSORS + "<iothreads>4294967296</iothreads>", "4294967296"),
]


@pytest.mark.fault(82)
@pytest.mark.parametrize(("old", "new", "named"), NUMBERS, ids=range(len(NUMBERS)))
def test_a_number_that_cannot_be_is_named(lab: Lab, old: str, new: str, named: str) -> None:
    text = document(lab.disk)
    assert old in text
    with pytest.raises(VirtctlError) as caught:
        lab.driver.create(text.replace(old, new, 1), PAUSED)
    assert named in str(caught.value)
    assert guests(lab.folder.parent) == []
    assert audit(lab.folder.parent) == []


@pytest.mark.fault(82)
@pytest.mark.qemu
def test_the_least_and_the_most_memory(lab: Lab) -> None:
    """A kibibyte is taken, as libvirt does; more than the host's memory is refused by QEMU, and nothing is left."""
    lab.driver.create(document(lab.disk).replace(MEMORY, "<memory>1</memory>"), PAUSED)
    lab.driver.destroy("g")
    with pytest.raises(VirtctlError, match=r"[Mm]emory"):
        lab.driver.create(document(lab.disk).replace(MEMORY, "<memory unit='EiB'>1</memory>"), PAUSED)
    assert guests(lab.folder.parent) == []
    assert lab.driver.rows(EVERYTHING) == []


UNSUPPORTED = [
    ("<devices>", "<launchSecurity type='sev'><cbitpos>47</cbitpos><reducedPhysBits>1</reducedPhysBits>"
     "<policy>3</policy></launchSecurity><devices>", "launch security"),
    ("<devices>", "<launchSecurity type='s390-pv'/><devices>", "launch security"),
    (DEVICES, "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='0xfe' slot='0x1f' "
     "function='7'/></source></hostdev>" + DEVICES, "0000:fe:1f.7"),
    (DEVICES, "<hostdev mode='capabilities' type='misc'><source><char>/dev/x</char></source></hostdev>" + DEVICES,
     "hostdev mode 'capabilities'"),
    (DEVICES, "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address "
     "uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>" + DEVICES, "c2177883"),
    (DEVICES, "<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm77'/></backend></tpm>" + DEVICES,
     "/dev/tpm77"),
    (DEVICES, "<filesystem type='mount'><driver type='virtiofs'/><source dir='/'/><target dir='x'/></filesystem>"
     + DEVICES, "'virtiofs' requires shared memory"),
    (DEVICES, "<disk type='volume'><source pool='p' volume='v'/><target dev='vdb'/></disk>" + DEVICES, "volume 'v'"),
    (DEVICES, "<interface type='network'><source network='none'/></interface>" + DEVICES, "network 'none'"),
    (DEVICES, "<interface type='direct'><source dev='no0'/></interface>" + DEVICES, "'direct'"),
    (DEVICES, "<interface type='bridge'><source bridge='no0'/></interface>" + DEVICES, "no0"),
    ("<devices>", "<frob/><devices>", "domain/frob"), (DEVICES, "<frob/>" + DEVICES, "domain/devices/frob"),
    ("<target dev", "<frob a='b'/><target dev", "domain/devices/disk/frob"),
    ("<target dev", "<target frob='1' dev", "domain/devices/disk/target/@frob"),
    ("<os>", "<os><frob/>", "domain/os/frob"),
    ("<acpi/>", "<acpi/><frob/>", "'frob'"), ("bus='virtio'", "bus='frob'", "'frob'"),
]


@pytest.mark.fault(83)
@pytest.mark.qemu
@pytest.mark.parametrize(("old", "new", "named"), UNSUPPORTED, ids=range(len(UNSUPPORTED)))
def test_what_cannot_be_had_is_refused_by_name(lab: Lab, old: str, new: str, named: str) -> None:
    text = document(lab.disk)
    assert old in text
    with pytest.raises(VirtctlError) as caught:
        lab.driver.create(text.replace(old, new, 1), PAUSED)
    assert named in str(caught.value)
    assert guests(lab.folder.parent) == []


@pytest.mark.fault(83)
@pytest.mark.qemu
def test_an_encrypted_disk_is_not_opened_as_another(lab: Lab) -> None:
    secret = ("<encryption format='luks'><secret type='passphrase' uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/>"
              "</encryption>")
    with pytest.raises(VirtctlError, match="disk 'vda': encryption"):
        lab.driver.create(document(lab.disk).replace("</disk>", f"{secret}</disk>"), PAUSED)
    assert guests(lab.folder.parent) == []
