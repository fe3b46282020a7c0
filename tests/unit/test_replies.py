"""What the monitor's answers say, and that unknown words are refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtctl.errors import MonitorError
from virtctl.qemu import replies

BLOCK = """\
drive-virtio-disk0 (#block193): /srv/a b.qcow2 (qcow2)
    Attached to:      /machine/peripheral/virtio-disk0/virtio-backend
    Cache mode:       writeback, direct
    Backing file:     /srv/base (x).qcow2 (chain depth: 1)

drive-ide0-1-0: [not inserted]
    Attached to:      ide0-1-0
    Removable device: not locked, tray open

drive-ide0-1-1 (#block769): /iso/cd: 1.iso (raw, read-only)
    Attached to:      ide0-1-1
    Removable device: locked, tray closed
    I/O status:       nospace
    Cache mode:       writeback
"""

MIGRATE = """\
globals:
store-global-state: on
Migration status: {}
total time: 2 ms
transferred ram: 10 kbytes
throughput: 0.00 mbps
remaining ram: 20 kbytes
total ram: 30 kbytes
"""

SNAPSHOTS = """\
List of snapshots present on all disks:
ID        TAG               VM SIZE                DATE     VM CLOCK     ICOUNT
--        before update     832 KiB 2026-11-21 00:36:45 00:00:00.018           
--        x                2.41 MiB 2026-11-21 00:36:45 01:00:00.025           
"""


@pytest.mark.parametrize(
    ("reply", "running", "reason"),
    [
        ("VM status: running\n", True, ""),
        ("VM status: running (single step mode)\n", True, ""),
        ("VM status: paused\n", False, ""),
        ("VM status: paused (io-error)\n", False, "io-error"),
        ("VM status: paused (single step mode) (debug)\n", False, "debug"),
    ],
)
def test_status_and_its_reason(reply, running, reason):
    assert replies.status(reply) == (running, reason)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "VM status: sleeping\n",
        "VM status: running (paused)\n",
        "VM status: running\nVM status: paused\n",
        "(qemu) ",
    ],
)
def test_a_status_in_unknown_words_is_refused(reply):
    with pytest.raises(MonitorError, match="unexpected monitor reply to 'info status'"):
        replies.status(reply)


def test_drives_with_their_images_trays_and_backing_files():
    drives = replies.drives(BLOCK)
    disk, empty, cdrom = drives.values()
    assert (disk.file, disk.format, disk.readonly, disk.removable) == ("/srv/a b.qcow2", "qcow2", False, False)
    assert disk.backing == "/srv/base (x).qcow2"
    assert (empty.device, empty.file, empty.tray_open, empty.locked) == ("drive-ide0-1-0", None, True, False)
    assert (cdrom.file, cdrom.readonly, cdrom.locked, cdrom.io_status) == ("/iso/cd: 1.iso", True, True, "nospace")


def test_no_drives():
    assert replies.drives("") == {}


def test_one_drive_asked_for_by_name():
    assert replies.drives("\nd0 (#block1): t.raw (raw)\n    Cache mode:       writeback\n")["d0"].file == "t.raw"


def test_a_file_name_that_looks_like_another_drive_is_refused():
    name = "/a (raw)\n\ndrive-ide0-1-0 (#block1): /etc/shadow"
    with pytest.raises(MonitorError, match="unexpected monitor reply"):
        replies.drives(BLOCK.replace("/srv/a b.qcow2", name))


def test_block_jobs():
    reply = (
        "Type mirror, device drive-ide0-0-0: Completed 5 of 10 bytes, speed limit 0 bytes/s\n"
        "Streaming device drive-virtio-disk0: Completed 7 of 8 bytes, speed limit 1048576 bytes/s\n"
    )
    assert replies.block_jobs(reply) == [
        ("mirror", "drive-ide0-0-0", 5, 10, 0),
        ("stream", "drive-virtio-disk0", 7, 8, 1048576),
    ]
    assert replies.block_jobs("No active jobs\n") == []


@pytest.mark.parametrize("reply", ["Type mirror\n", "none\n", "No active jobs"])
def test_block_jobs_in_unknown_words_are_refused(reply):
    with pytest.raises(MonitorError, match="unexpected monitor reply"):
        replies.block_jobs(reply)


def test_migration_before_during_and_failed():
    assert replies.migration("globals:\nstore-global-state: on\n").status == ""
    active = replies.migration(MIGRATE.format("active"))
    assert active == ("active", "", 10240, 20480, 30720)
    failed = replies.migration(MIGRATE.format("failed (Unable to write to socket: Broken pipe)"))
    assert (failed.status, failed.error) == ("failed", "Unable to write to socket: Broken pipe")
    assert replies.migration(MIGRATE.format("failed")).error == ""


@pytest.mark.parametrize("reply", ["", "Migration status: completed\n", MIGRATE.format("Done!")])
def test_migration_in_unknown_words_is_refused(reply):
    with pytest.raises(MonitorError, match="unexpected monitor reply"):
        replies.migration(reply)


def test_snapshots_with_spaces_in_their_names():
    first, second = replies.snapshots(SNAPSHOTS)
    assert (first.tag, first.size, first.date) == ("before update", "832 KiB", "2026-11-21 00:36:45")
    assert (second.tag, second.size, second.clock) == ("x", "2.41 MiB", "01:00:00.025")
    assert replies.snapshots("There is no snapshot available.\n") == []


def test_a_snapshot_name_that_breaks_the_table_is_refused():
    with pytest.raises(MonitorError, match="unexpected monitor reply"):
        replies.snapshots(SNAPSHOTS.replace("before update", "before\nupdate"))


def test_character_devices_and_vnc():
    assert replies.chardevs("hold: filename=serial\ncharmonitor: filename=pty:/dev/pts/0\n") == {
        "hold": "serial",
        "charmonitor": "pty:/dev/pts/0",
    }
    vnc = "default:\n  Server: 127.0.0.1:5977 (ipv4)\n  Server: ::1:5977 (ipv6)\n    Auth: none (Sub: none)\n"
    assert [(server.host, server.port) for server in replies.vnc_servers(vnc)] == [("127.0.0.1", 5977), ("::1", 5977)]
    assert replies.vnc_servers("None\n") == []


def test_version_uuid_and_balloon():
    assert replies.version("7.2.22Debian 1:7.2+dfsg-7\n") == (7, 2, 22)
    assert replies.balloon("balloon: actual=32\n") == 32
    assert replies.uuid("c7a5fdbd-edaf-9455-926a-d65c16db1809\n").startswith("c7a5")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("Error: Device 'foo' not found\n", "Device 'foo' not found"),
        ("invalid parameter: foo\n", "invalid parameter: foo"),
        ('drive_mirror: block device name expected\nTry "help drive_mirror" for more information\n', "expected"),
        ("Please enable it first.\nError: Could not set password\n", "Could not set password"),
        ("unknown command: 'verb'\n", "QEMU does not know it"),
    ],
)
def test_a_refusal_gives_qemus_reason(reply, reason):
    with pytest.raises(MonitorError, match="unable to execute QEMU command 'verb': ") as caught:
        replies.nothing("verb", reply)
    assert reason in caught.value.message


def test_a_silent_command_that_speaks_is_refused():
    replies.nothing("verb", "")
    with pytest.raises(MonitorError, match="unexpected monitor reply to 'verb': 'all is well"):
        replies.nothing("verb", "all is well\n")


PARSERS = [
    replies.status,
    replies.drives,
    replies.block_jobs,
    replies.migration,
    replies.snapshots,
    replies.chardevs,
    replies.vnc_servers,
    replies.uuid,
    replies.version,
    replies.balloon,
]
LINES = st.lists(
    st.one_of(
        st.text(max_size=40), st.sampled_from([*BLOCK.splitlines(), *MIGRATE.splitlines(), *SNAPSHOTS.splitlines()])
    )
)


@given(LINES.map("\n".join), st.sampled_from(PARSERS))
def test_any_text_is_understood_or_refused_never_worse(reply, parse):
    with suppress(MonitorError):
        parse(reply)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)


@given(NAMES, st.sampled_from(["raw", "qcow2"]))
def test_the_image_of_a_drive_is_read_back_whatever_its_name(name, form):
    reply = f"drive-x (#block12): {name} ({form})\n    Cache mode:       writeback\n"
    drive = replies.drives(reply)["drive-x"]
    assert (drive.file, drive.format) == (name, form)


@given(st.text(max_size=60))
def test_a_name_with_newlines_is_read_back_or_refused(name):
    reply = f"drive-x (#block12): {name} (raw)\n    Cache mode:       writeback\n\nd-y: [not inserted]\n"
    try:
        drives = replies.drives(reply)
    except MonitorError:
        return
    assert drives["drive-x"].file == name
    assert list(drives) == ["drive-x", "d-y"]
