import os
from pathlib import Path

import pytest

from virtctl.errors import NoDomain, OperationFailed, SystemFault, XmlError
from virtctl.paths import Paths
from virtctl.state import history, trash
from virtctl.state.store import Entry, Store, check_name

ROOT = Path(__file__).parents[2]
A = "aaaaaaaa-0000-4000-8000-000000000001"
B = "bbbbbbbb-0000-4000-8000-000000000002"


def xml(name: str, uuid: str, title: str = "") -> str:
    return f"<domain type='qemu'>\n  <name>{name}</name>\n  <uuid>{uuid}</uuid>\n  <title>{title}</title>\n</domain>\n"


@pytest.fixture
def paths(tmp_path):
    return Paths.under(tmp_path / "root")


@pytest.fixture
def store(paths):
    return Store(paths, command="define vm.xml")


def text(store: Store, name: str) -> str:
    return store.load(name).decode()


def test_nothing_is_there_at_first(store, paths):
    assert store.names() == []
    assert store.entries() == []
    assert store.autostarted() == set()
    assert store.managed_saves() == set()
    assert store.uuid_of("vm") is None
    assert store.name_of(A) is None
    assert not paths.config.exists()  # reading creates nothing


def test_a_definition_is_found_by_name_and_uuid(store):
    assert store.save("vm", A, xml("vm", A)) is False
    assert store.save("vm", A, xml("vm", A, "again")) is True
    assert text(store, "vm") == xml("vm", A, "again")
    assert store.names() == ["vm"]
    assert store.entries() == [Entry("vm", A)]
    assert store.uuid_of("vm") == A
    assert store.name_of(A) == "vm"


@pytest.mark.parametrize("name", ["none", "", "a/b", "../vm", "a\0b", "n" * 300])
def test_an_unknown_name_is_no_domain(store, name):
    with pytest.raises(NoDomain, match="no domain with matching name"):
        store.load(name)
    assert store.uuid_of(name) is None


def test_one_name_has_one_uuid(store):
    store.save("vm", A, xml("vm", A))
    with pytest.raises(OperationFailed, match=f"^operation failed: domain 'vm' already exists with uuid {A}$"):
        store.save("vm", B, xml("vm", B))
    with pytest.raises(OperationFailed, match=f"^operation failed: domain 'vm' is already defined with uuid {A}$"):
        store.save("other", A, xml("other", A))
    assert store.names() == ["vm"]


def test_a_running_transient_domain_owns_its_name_too(store):
    running = [Entry("vm", A)]
    with pytest.raises(OperationFailed, match="already exists with uuid"):
        store.save("vm", B, xml("vm", B), running)
    with pytest.raises(OperationFailed, match="is already defined with uuid"):
        store.check("other", A, running)
    store.save("vm", A, xml("vm", A), running)  # it becomes persistent


def test_another_process_is_seen_between_two_saves(store, paths):
    store.save("vm1", A, xml("vm1", A))
    Store(paths).save("vm2", B, xml("vm2", B))
    with pytest.raises(OperationFailed, match="'vm2' is already defined"):
        store.save("vm3", B, xml("vm3", B))
    Store(paths).remove("vm2")
    store.save("vm3", B, xml("vm3", B))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "missing name information"),
        ("a/b", "name a/b cannot contain '/'"),
        ("a\nb", r"invalid char in name: '\\n'"),
        ("a\0b", r"invalid char in name: '\\x00'"),
        ("-x", "name -x cannot start with '-'"),
        (".tmp-1-2-3", "name .tmp-1-2-3 cannot start with '.tmp-'"),
        ("n" * 242, "is 242 bytes long, at most 241 are possible"),
        ("é" * 126, "is 252 bytes long"),
        ("\udc80", "is not valid Unicode"),
    ],
)
def test_names_that_no_file_can_bear_are_refused(name, reason):
    with pytest.raises(XmlError, match=f"XML error: .*{reason}"):
        check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "n" * 241,
        "a\tb",
        "a\rb",
        "vm.xml",
        "autostart",
        " ",
        "%s%n",
        "a,b=c",
        "'\"",
        "<&>",
        "é",
        "e\u0301",
        "Û",
    ],
)
def test_odd_names_work(store, name):
    escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace("\r", "&#13;")
    store.save(name, A, xml(escaped, A))
    assert store.entries() == [Entry(name, A)]
    store.set_autostart(name, True)
    assert store.autostarted() == {name}
    store.remove(name)
    assert store.names() == []


def test_other_forms_of_the_same_document_are_understood(store, paths):
    store.save("vm", A, "<domain/>")
    bare = A.replace("-", "")
    forms = [
        f"<?xml version='1.0'?>\n<!-- by\nhand -->\n<domain type='qemu'><name>vm</name><uuid>{A}</uuid></domain>\n\n",
        f"<domain><uuid>{A.upper()}</uuid><memory>1</memory><name>vm</name></domain><!-- end -->",
        f"<domain><metadata><uuid>{B}</uuid><name>x</name></metadata><name>vm</name><uuid>{bare}</uuid></domain>",
        f"<domain><!-- <name>x</name> --><name>vm</name>\n<uuid>\n {A} </uuid></domain>",
        f"<?xml version='1.0' encoding='iso-8859-1'?><domain><name>vm</name><uuid>{A}</uuid><t>\xe9</t></domain>",
    ]
    for form in forms:
        (paths.definitions / "vm.xml").write_bytes(form.encode("latin-1"))
        assert store.uuid_of("vm") == A, form


def test_broken_files_warn_once_and_hide_nobody(store, paths):
    store.save("good", A, xml("good", A))
    folder = paths.definitions
    broken = {
        "empty": "", "cut": xml("cut", B)[:-5], "garbage": "\xff\xfe", "renamed": xml("vm", B), "nouuid": "<domain/>",
        "doctype": "<!DOCTYPE domain []>" + xml("doctype", B), "baduuid": xml("baduuid", "1234"),
    }  # fmt: skip
    for name, content in broken.items():
        (folder / f"{name}.xml").write_text(content)
    os.mkfifo(folder / "fifo.xml")
    (folder / "folder.xml").mkdir()
    (folder / "link.xml").symlink_to("/etc/passwd")
    (folder / "open.xml").write_text(xml("open", B))
    (folder / "open.xml").chmod(0o666)
    (folder / "notes.txt").write_text("not ours")
    for _ in range(2):
        assert store.entries() == [Entry("good", A)]
    assert len(store.warnings) == len(broken) + 4
    assert all("ignoring broken definition" in warning for warning in store.warnings)
    assert any("renamed.xml': it defines a domain named 'vm'" in warning for warning in store.warnings)
    store.save("cut", B, xml("cut", B))  # defining it anew repairs it
    assert Entry("cut", B) in store.entries()
    assert trash.contents(paths)[0].uuid == B  # and what was there is kept


def test_two_files_of_one_uuid_are_told(store, paths):
    store.save("vm", A, xml("vm", A))
    (paths.definitions / "copy.xml").write_text(xml("copy", A))
    assert len(store.entries()) == 2
    assert store.warnings == [f"definitions 'copy' and 'vm' both have uuid {A}"]


def test_undefine_keeps_a_copy_and_undo_brings_it_back(store):
    store.save("vm", A, xml("vm", A, "first"))
    store.set_autostart("vm", True)
    store.remove("vm")
    assert store.names() == []
    assert not store.autostart("vm")
    with pytest.raises(NoDomain):
        store.remove("vm")
    assert store.undo("vm") == Entry("vm", A)
    assert text(store, "vm") == xml("vm", A, "first")
    assert store.autostart("vm")
    with pytest.raises(NoDomain, match="no older definition of 'vm' is kept"):
        store.undo("vm")


def test_undo_of_a_redefinition_can_be_undone(store):
    for title in ("one", "two", "two"):
        store.save("vm", A, xml("vm", A, title))
    store.undo(A)
    assert text(store, "vm") == xml("vm", A, "one")
    store.undo("vm")
    assert text(store, "vm") == xml("vm", A, "two")


def test_undo_never_takes_a_name_from_another(store):
    store.save("vm", A, xml("vm", A))
    store.remove("vm")
    store.save("vm", B, xml("vm", B))
    with pytest.raises(OperationFailed, match="already exists with uuid"):
        store.undo(A)
    with pytest.raises(NoDomain):
        store.undo("none")


def test_the_trash_is_bounded(store, paths):
    for number in range(trash.PER_DOMAIN + 5):
        store.save("vm", A, xml("vm", A, str(number)))
    assert len(trash.contents(paths)) == trash.PER_DOMAIN
    store.undo("vm")
    assert f">{trash.PER_DOMAIN + 3}<" in text(store, "vm")


def test_a_clock_that_was_set_back_does_not_hide_the_newest(store, monkeypatch):
    store.save("vm", A, xml("vm", A, "1"))
    store.save("vm", A, xml("vm", A, "2"))
    monkeypatch.setattr(trash.time, "time_ns", lambda: 10**9)
    store.save("vm", A, xml("vm", A, "3"))
    store.undo("vm")
    assert text(store, "vm") == xml("vm", A, "2")


def test_history_tells_what_when_and_by_which_command(store, paths):
    store.save("vm", A, xml("vm", A))
    store.save("vm", A, xml("vm", A, "x"))
    store.rename("vm", "vm2", xml("vm2", A))
    store.remove("vm2")
    store.undo("vm2")
    changes = history.read(paths, A)
    assert [(change.what, change.name) for change in changes] == [
        ("defined", "vm"),
        ("redefined", "vm"),
        ("renamed from vm", "vm2"),
        ("undefined", "vm2"),
        ("brought back", "vm2"),
    ]
    assert {change.command for change in changes} == {"define vm.xml"}
    assert history.uuids_named(paths, "vm") == [A]
    assert history.read(paths, B) == []


def test_history_survives_torn_lines_and_stays_small(store, paths):
    store.save("vm", A, xml("vm", A))
    log = paths.history / f"{A}.log"
    with log.open("a") as file:
        file.write('{"when": 1, "wh')  # its writer died here
    store.save("vm", A, xml("vm", A, "x"))
    assert [change.what for change in history.read(paths, A)] == ["defined", "redefined"]
    with log.open("a") as file:
        file.write((log.read_text().splitlines()[0] + "\n") * 5000)
    store.save("vm", A, xml("vm", A, "y"))
    assert log.stat().st_size < history.MAX_BYTES
    assert history.read(paths, A)[-1].what == "redefined"


def test_rename_takes_the_autostart_mark_along(store):
    store.save("old", A, xml("old", A))
    store.save("other", B, xml("other", B))
    store.set_autostart("old", True)
    with pytest.raises(OperationFailed, match="domain 'other' already exists"):
        store.rename("old", "other", xml("other", A))
    store.rename("old", "new", xml("new", A))
    assert store.names() == ["new", "other"]
    assert store.autostarted() == {"new"}
    with pytest.raises(NoDomain):
        store.rename("old", "x", xml("x", A))


def test_autostart_counts_only_links_of_ours(store, paths):
    store.save("vm", A, xml("vm", A))
    with pytest.raises(NoDomain):
        store.set_autostart("none", True)
    for _ in range(2):
        store.set_autostart("vm", True)
    (paths.autostart / "gone.xml").symlink_to("../gone.xml")
    (paths.autostart / "evil.xml").symlink_to("/etc/passwd")
    (paths.autostart / "file.xml").write_text("")
    assert store.autostarted() == {"vm"}
    store.set_autostart("vm", False)
    assert not store.autostart("vm")
    (paths.autostart / "vm.xml").symlink_to(paths.definitions / "vm.xml")  # libvirt's absolute form
    assert store.autostart("vm")


def test_a_link_left_by_a_crash_does_not_start_a_new_domain(store, paths):
    store.save("vm", A, xml("vm", A))
    store.set_autostart("vm", True)
    (paths.definitions / "vm.xml").unlink()  # the moment between the two steps of undefine
    store.save("vm", B, xml("vm", B))
    assert not store.autostart("vm")


def test_managed_saves_are_seen(store, paths):
    paths.saves.mkdir(parents=True)
    (paths.saves / "vm.save").write_text("")
    assert store.has_managed_save("vm")
    assert not store.has_managed_save("other")
    assert store.managed_saves() == {"vm"}


def test_temporary_files_of_dead_writers_are_cleared_by_the_next_change(store, paths):
    store.save("vm", A, xml("vm", A))
    (paths.definitions / ".tmp-4194305-1-abc").write_text("half")
    Store(paths).save("vm", A, xml("vm", A, "x"))
    assert [path.name for path in paths.definitions.iterdir()] == ["vm.xml"]


def test_a_folder_in_the_way_is_named(store, paths):
    paths.definitions.mkdir(parents=True)
    (paths.definitions / "vm.xml").mkdir()
    with pytest.raises(SystemFault, match=r"cannot write file '.*/vm.xml': Is a directory"):
        store.save("vm", A, xml("vm", A))


def test_no_file_is_open_to_others(store, paths, tmp_path):
    before = os.umask(0)
    try:
        store.save("vm", A, xml("vm", A))
        store.set_autostart("vm", True)
        store.save("vm", A, xml("vm", A, "x"))
        store.remove("vm")
        store.undo("vm")
    finally:
        os.umask(before)
    for path in (tmp_path / "root").rglob("*"):
        assert path.is_symlink() or not path.stat().st_mode & 0o077 or path in (tmp_path / "root",), path
