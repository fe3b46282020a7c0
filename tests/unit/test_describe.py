"""The schema explains itself."""

from __future__ import annotations

from virtctl.domain.domain import Domain
from virtctl.schema.describe import entries, explain, lines


def test_an_attribute_is_told_with_its_values_and_meaning():
    found = explain(Domain, "disk/driver/@cache")
    assert found[0].path == "domain/devices/disk/driver/@cache"
    assert "writeback" in found[0].values
    text = lines(found[0])
    assert text[0] == "domain/devices/disk/driver/@cache"
    assert any(line.startswith("  values: ") for line in text)


def test_an_element_is_followed_by_what_stands_in_it():
    paths = [entry.path for entry in explain(Domain, "watchdog")]
    assert paths[0] == "domain/devices/watchdog"
    assert "domain/devices/watchdog/@action" in paths
    action = next(entry for entry in explain(Domain, "watchdog/@action"))
    assert (action.default, action.required) == ("reset", False)
    assert next(entry for entry in explain(Domain, "watchdog/@model")).required


def test_amounts_tell_their_unit():
    (memory, *inside) = explain(Domain, "domain/memory")
    assert "unit" in memory.type
    assert [entry.path for entry in inside] == ["domain/memory/@dumpCore"]


def test_every_kind_of_address_is_told():
    kinds = explain(Domain, "rng/address/@type")[0].values
    assert {"pci", "usb", "drive", "ccid"} <= set(kinds)


def test_secrets_and_facts_of_running_guests_are_marked():
    assert "  only with --security-info" in lines(explain(Domain, "graphics/@passwd")[0])
    assert "  only of a running guest" in lines(explain(Domain, "domain/@id")[0])


def test_what_is_not_there_is_not_explained():
    assert explain(Domain, "disk/shininess") == []


def test_each_place_is_told_once_and_the_root_first():
    found = list(entries(Domain))
    assert found[0].path == "domain"
    assert len(found) > 1300
    assert not [entry for entry in found if "//" in entry.path or entry.path.endswith("/")]
