"""What differs in meaning between two domains."""

from __future__ import annotations

from tests.unit.general_samples import HOST, define, document
from virtctl.domain.difference import Change, compare_texts, differences
from virtctl.domain.domain import write_domain

DISK = "<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/></disk>"


def told(one: str, other: str) -> list[str]:
    return [str(change) for change in compare_texts(one, other, HOST)]


def test_spelling_does_not_count():
    short = document(memory="<memory unit='MiB'>64</memory>", devices="<interface type='user'/>").replace(
        "  <uuid>6f5f8d4c-5a3e-4f4e-9c0f-0d1f3c8b7a11</uuid>\n", "")
    long = write_domain(define(memory="<memory unit='KiB'>65536</memory>", devices="<interface type='user'/>"))
    assert told(short, long) == []


def test_values_are_told_with_their_place():
    assert told(document("<vcpu>1</vcpu>", devices=DISK),
                document("<vcpu>2</vcpu>", devices=DISK.replace("/a", "/b"))) == [
        "~ domain/vcpu: 1 -> 2", "~ domain/devices/disk[vda]/source/@file: /a -> /b"]


def test_what_one_side_lacks_is_told_in_a_line():
    changes = compare_texts(document(), document("<title>t</title>", devices="<watchdog model='ib700'/>"), HOST)
    assert [str(change) for change in changes] == [
        "+ domain/title: t", "+ domain/devices/watchdog: model=ib700 action=reset"]
    assert str(Change("domain/title", "t", None)) == "- domain/title: t"


def test_a_domain_does_not_differ_from_itself():
    domain = define(devices=DISK)
    assert differences(domain, domain.clone()) == []
