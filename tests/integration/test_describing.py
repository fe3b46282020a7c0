"""desc, metadata and domrename, of a definition and of a running guest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.machines import Machine
from tests.support.program import Program

pytestmark = pytest.mark.qemu

URI = "http://opennebula.org/xmlns/libvirt/1.0"


def test_title_and_description(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    assert virtctl.ok("desc", "counter") == "No description for domain: counter\n"
    assert virtctl.ok("desc", "counter", "some", "words") == "Domain description updated successfully\n"
    assert virtctl.ok("desc", "counter", "--title", "A title") == "Domain title updated successfully\n"
    assert virtctl.ok("-q", "desc", "counter") == "some words"
    assert "invalid argument: metadata title can't contain newlines" in virtctl.error("desc", "counter", "--title",
                                                                                      "a\nb")
    assert "domain is not running" in virtctl.error("desc", "counter", "--live", "x")
    machine.start()
    virtctl.ok("desc", "counter", "live words")
    assert virtctl.ok("desc", "counter") == "live words\n"
    assert virtctl.ok("desc", "counter", "--config") == "some words\n"
    assert virtctl.ok("desc", "counter", "--title") == "A title\n"


def test_metadata_of_a_program(virtctl: Program, tmp_path: Path) -> None:
    Machine.make(virtctl, tmp_path).start()
    missing = "error: metadata not found: Requested metadata element is not present\n"
    assert virtctl.error("metadata", "counter", URI) == missing
    element = "<vm><system_datastore>/var</system_datastore></vm>"
    said = virtctl.ok("metadata", "counter", URI, "one", element, "--live", "--config")
    assert said == "Metadata modified\n\n"
    shown = "<vm>\n  <system_datastore>/var</system_datastore>\n</vm>\n\n"
    assert virtctl.ok("metadata", "counter", URI, "one") == shown
    assert virtctl.ok("metadata", "counter", URI, "--config") == shown
    assert f"  <metadata>\n    <one:vm xmlns:one='{URI}'>" in virtctl.ok("dumpxml", "counter").replace('"', "'")
    assert virtctl.ok("metadata", "counter", URI, "--remove") == "Metadata removed\n\n"
    assert virtctl.error("metadata", "counter", URI) == missing
    assert "namespace key is required" in virtctl.error("metadata", "counter", URI, "--set", "<a/>")
    assert "error: Options --remove and --set are mutually exclusive" in virtctl.error(
        "metadata", "counter", URI, "--remove", "--set", "<a/>")


def test_a_domain_gets_another_name(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    Machine.make(virtctl, tmp_path, "taken")
    virtctl.ok("autostart", "counter")
    assert virtctl.ok("domrename", "counter", "other") == "Domain successfully renamed\n\n"
    assert virtctl.ok("list", "--all", "--name").split() == ["other", "taken"]
    assert virtctl.ok("list", "--all", "--autostart", "--name").split() == ["other"]
    assert virtctl.error("domrename", "other", "other").endswith("Can't rename domain to itself\n")
    assert "domain with name 'taken' already exists" in virtctl.error("domrename", "other", "taken")
    assert "cannot contain '/'" in virtctl.error("domrename", "other", "a/b")
    virtctl.ok("start", "other")
    machine.counts()
    assert "cannot rename active domain" in virtctl.error("domrename", "other", "third")
