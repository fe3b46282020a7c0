import subprocess
import sys
from pathlib import Path

import pytest
from sweep import needs_strace, sweep

from virtctl.paths import Paths
from virtctl.state.journal import Journal
from virtctl.state.store import Store

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


def test_many_processes_define_one_name(paths, tmp_path):
    """Same name with different uuids: exactly one wins, the others say who did."""
    program = """
import sys
from pathlib import Path
from virtctl.errors import VirtctlError
from virtctl.paths import Paths
from virtctl.state.store import Store
number = sys.argv[2]
uuid = f"aaaaaaaa-0000-4000-8000-0000000000{number}"
sys.stdin.read()
try:
    Store(Paths.under(Path(sys.argv[1]))).save("vm", uuid, f"<domain><name>vm</name><uuid>{uuid}</uuid></domain>")
except VirtctlError as error:
    sys.exit(str(error))
"""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "root"), str(number)], cwd=ROOT,
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(10, 22)
    ]  # fmt: skip
    for child in children:
        child.stdin.close()
        child.stdin = None
    errors = [child.communicate(timeout=60)[1] for child in children]
    winner = Store(paths).uuid_of("vm")
    assert [child.returncode for child in children].count(0) == 1
    assert {error for error in errors if error} == {
        f"operation failed: domain 'vm' already exists with uuid {winner}\n"
    }


@pytest.mark.fault(1, 2)
@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize("verb", ["define", "redefine", "undefine"])
def test_every_fault_leaves_the_old_or_the_new(tmp_path, verb):
    root = tmp_path / "root"
    paths = Paths.under(root)
    old, new = xml("vm", A, "old"), xml("vm", A, "new")

    def reset():
        for path in sorted(root.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        if verb != "define":
            Store(paths).save("vm", A, old)
            Store(paths).set_autostart("vm", True)

    body = {"undefine": "store.remove('vm')"}.get(verb, f"store.save('vm', {A!r}, {new!r})")
    imports = "from virtctl.paths import Paths\nfrom virtctl.state.store import Store\n"
    imports += f"store = Store(Paths.under(Path({str(root)!r})))"
    runs = 0
    faults = ("KILL",) if verb == "define" else ("KILL", "ENOSPC")  # defining also makes every folder
    for injection in sweep(tmp_path, imports, body, faults, reset):
        runs += 1
        store = Store(paths)
        before = {"define": None}.get(verb, old)
        after = None if verb == "undefine" else new
        found = text(store, "vm") if store.exists("vm") else None
        assert found in (before, after), str(injection)
        if injection.status == 0:
            assert found == after, str(injection)
        if verb == "undefine" and store.exists("vm"):
            store.remove("vm")  # the same command works once the fault is gone
        elif verb != "undefine":
            store.save("vm", A, new)
            assert text(store, "vm") == new, str(injection)
            assert store.autostart("vm") == (verb == "redefine"), str(injection)
        assert not [path for path in paths.definitions.glob(".tmp-*")], str(injection)
    assert runs >= 20


def test_a_rename_that_was_cut_off_is_finished(store, paths):
    store.save("old", A, xml("old", A))
    store.set_autostart("old", True)
    operation = Journal(paths).open(A, "rename", old="old", new="new")
    (paths.definitions / "new.xml").write_text(xml("new", A))
    (paths.definitions / "new.xml").chmod(0o600)
    operation.abandon()
    [record] = Journal(paths).interrupted(A)
    Store(paths).finish_rename(record)
    assert store.names() == ["new"]
    assert store.autostarted() == {"new"}
    assert Journal(paths).pending() == []
