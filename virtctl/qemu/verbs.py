"""The monitor commands that virtctl uses, one typed function each.

Every function asks once and returns the meaning of the answer; a command that QEMU refuses raises MonitorError with
QEMU's reason. Names, paths and tags are quoted here; a path that the monitor cannot carry raises MonitorError: give
it a `monitor.short_path`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from virtctl.errors import MonitorError, MonitorGone, OperationTimeout
from virtctl.qemu import replies

if TYPE_CHECKING:
    from virtctl.qemu.monitor import Monitor

DEADLINE = 2.5  # seconds for what is answered at once: with its own start, a command is over in three
_LONG = 60.0  # seconds for what QEMU does while it answers: opening images, writing memory


def quote(argument: str) -> str:
    """`monitor.quote`, loaded when it is used."""
    from virtctl.qemu.monitor import quote as quoted

    return quoted(argument)


def _do(monitor: Monitor, command: str, *arguments: str, deadline: float = DEADLINE) -> None:
    """Runs a command that says nothing when it succeeds."""
    replies.nothing(command, monitor.command(" ".join([command, *arguments]), deadline))


# The guest's processors


def status(monitor: Monitor, deadline: float = DEADLINE) -> replies.Status:
    """Whether the guest runs, and why not."""
    return replies.status(monitor.command("info status", deadline))


def stop(monitor: Monitor) -> None:
    """Pauses the guest."""
    _do(monitor, "stop", deadline=_LONG)


def cont(monitor: Monitor) -> None:
    """Lets the guest run. Ask `status` afterwards: a full disk stops it again without a word."""
    _do(monitor, "cont", deadline=_LONG)


def system_powerdown(monitor: Monitor) -> None:
    """Presses the power button."""
    _do(monitor, "system_powerdown")


def system_reset(monitor: Monitor) -> None:
    """Presses the reset button."""
    _do(monitor, "system_reset")


def system_wakeup(monitor: Monitor) -> None:
    """Wakes a guest that sleeps in S3."""
    _do(monitor, "system_wakeup")


def quit(monitor: Monitor) -> None:
    """Ends QEMU, writing its disks' caches out; returns once the monitor is gone."""
    try:
        reply = monitor.command("quit", _LONG)
    except MonitorGone:
        return
    replies.unexpected("quit", reply)


def nmi(monitor: Monitor) -> None:
    """Injects a non-maskable interrupt."""
    _do(monitor, "nmi")


def sendkey(monitor: Monitor, keys: str, hold_ms: int | None = None) -> None:
    """Presses keys by their QEMU names, together: `ctrl-alt-delete`."""
    _do(monitor, "sendkey", quote(keys), *([str(hold_ms)] if hold_ms is not None else []))


# Memory, screen, passwords


def balloon(monitor: Monitor, mebibytes: int) -> None:
    """Asks the guest to make do with so much memory."""
    _do(monitor, "balloon", str(mebibytes))


def balloon_actual(monitor: Monitor) -> int:
    """What memory the guest has now, in MiB."""
    return replies.balloon(monitor.command("info balloon"))


def screendump(monitor: Monitor, path: str, *, png: bool = False, device: str | None = None, head: int = 0) -> None:
    """Writes the screen to a file, PPM unless `png`; of the first display unless `device` is given."""
    display = [quote(device), str(head)] if device is not None else []
    _do(monitor, "screendump", quote(path), *(["-f", "png"] if png else []), *display, deadline=_LONG)


def set_password(monitor: Monitor, protocol: str, password: str) -> None:
    """Sets the password of `vnc` or `spice`. It stays in QEMU's own line history: prefer `qmp.Qmp.set_password`."""
    _do(monitor, "set_password", protocol, quote(password))


def expire_password(monitor: Monitor, protocol: str, when: str) -> None:
    """When the password ends: `now`, `never`, `+SECONDS` or a time of the epoch."""
    _do(monitor, "expire_password", protocol, quote(when))


def vnc_servers(monitor: Monitor) -> list[replies.VncServer]:
    """Where the VNC displays listen."""
    return replies.vnc_servers(monitor.command("info vnc"))


# Disks and their jobs


def drives(monitor: Monitor) -> dict[str, replies.Drive]:
    """Every drive by name, with the image in use now."""
    return replies.drives(monitor.command("info block"))


def drive_mirror(
    monitor: Monitor,
    device: str,
    target: str,
    *,
    format: str | None = None,
    reuse: bool = True,
    full: bool = True,
    speed: int = 0,
) -> None:
    """Starts copying a drive, and all that is written to it from now on, to `target`.

    `reuse` (-n) takes the image that is there; without it QEMU writes over whatever has that name. `full` (-f) copies
    what is below the image as well. `speed` is in bytes a second, 0 without limit.
    """
    flags = [flag for flag, wanted in (("-n", reuse), ("-f", full)) if wanted]
    form = [quote(format)] if format else []
    _do(monitor, "drive_mirror", *flags, quote(device), quote(target), *form, deadline=_LONG)
    if speed:
        block_job_set_speed(monitor, device, speed)


def block_stream(monitor: Monitor, device: str, *, speed: int = 0, base: str | None = None) -> None:
    """Starts filling an image from its backing file, down to `base` where it is given."""
    below = [quote(base)] if base is not None else []
    _do(monitor, "block_stream", quote(device), f"{speed}B", *below, deadline=_LONG)


def block_jobs(monitor: Monitor) -> list[replies.BlockJob]:
    """The jobs that are there now. One that is missing may have failed: look at `drives`."""
    return replies.block_jobs(monitor.command("info block-jobs"))


def block_job_set_speed(monitor: Monitor, device: str, speed: int) -> None:
    """Limits a job, in bytes a second; 0 is no limit."""
    _do(monitor, "block_job_set_speed", quote(device), f"{speed}B")


def block_job_cancel(monitor: Monitor, device: str, *, force: bool = False) -> None:
    """Stops a job; the drive stays where it is. A ready mirror is brought to one point in time first unless `force`."""
    _do(monitor, "block_job_cancel", *(["-f"] if force else []), quote(device))


def block_job_complete(monitor: Monitor, device: str, deadline: float = DEADLINE) -> None:
    """Switches the drive to the mirror's target, trying again while the job is between two passes ('running')."""
    limit = time.monotonic() + deadline
    while True:
        try:
            _do(monitor, "block_job_complete", quote(device))
        except MonitorError as error:
            if "in state 'running'" not in error.message or time.monotonic() > limit:
                raise
            time.sleep(0.001)
        else:
            return


def await_job_end(monitor: Monitor, device: str, deadline: float = DEADLINE) -> None:
    """Waits until a drive has no job any more. Raises OperationTimeout."""
    limit = time.monotonic() + deadline
    while any(job.device == device for job in block_jobs(monitor)):
        if time.monotonic() > limit:
            raise OperationTimeout(f"block job '{device}' did not end within {deadline:g} seconds")
        time.sleep(0.001)


def eject(monitor: Monitor, device: str, *, force: bool = False) -> None:
    """Takes the medium out."""
    _do(monitor, "eject", *(["-f"] if force else []), quote(device))


def change(
    monitor: Monitor, device: str, path: str, *, format: str = "raw", readonly: bool = True, force: bool = False
) -> None:
    """Puts a medium in."""
    mode = "read-only" if readonly else "retain"
    words = [*(["-f"] if force else []), quote(device), quote(path), quote(format), mode]
    _do(monitor, "change", *words, deadline=_LONG)


def block_resize(monitor: Monitor, device: str, size: int) -> None:
    """Makes an image `size` bytes long."""
    _do(monitor, "block_resize", quote(device), f"{size}B", deadline=_LONG)


# Migration streams


def migrate_unix(monitor: Monitor, path: str) -> None:
    """Starts writing the guest's state to a unix socket, in the background: ask `migration` how it goes."""
    _do(monitor, "migrate", "-d", quote(f"unix:{path}"))


def migration(monitor: Monitor, deadline: float = DEADLINE) -> replies.Migration:
    """How the stream stands; the result of the last one stays until the next begins."""
    return replies.migration(monitor.command("info migrate", deadline))


def migrate_cancel(monitor: Monitor) -> None:
    """Ends the stream; a guest that ran goes on."""
    _do(monitor, "migrate_cancel")


def migrate_bandwidth(monitor: Monitor, speed: int) -> None:
    """Limits the stream, in bytes a second; 0 is no limit."""
    migrate_set_parameter(monitor, "max-bandwidth", f"{speed}B")


def migrate_set_parameter(monitor: Monitor, name: str, value: str) -> None:
    """Sets a parameter of migration by QEMU's name of it."""
    _do(monitor, "migrate_set_parameter", name, quote(value))


def migrate_set_capability(monitor: Monitor, name: str, *, on: bool) -> None:
    """Switches a capability of migration."""
    _do(monitor, "migrate_set_capability", name, "on" if on else "off")


# Devices


def chardev_add(monitor: Monitor, options: str) -> None:
    """Adds a character device from the text of a `-chardev` option."""
    _do(monitor, "chardev-add", quote(options))


def chardev_remove(monitor: Monitor, chardev: str) -> None:
    """Removes a character device that nothing uses."""
    _do(monitor, "chardev-remove", quote(chardev))


def chardevs(monitor: Monitor) -> dict[str, str]:
    """What each character device is connected to: `pty:/dev/pts/5`."""
    return replies.chardevs(monitor.command("info chardev"))


def device_add(monitor: Monitor, options: str) -> None:
    """Plugs a device in, from the text of a `-device` option."""
    _do(monitor, "device_add", quote(options), deadline=_LONG)


def device_del(monitor: Monitor, device: str) -> None:
    """Asks for a device to be unplugged; the guest may take its time or never do it."""
    _do(monitor, "device_del", quote(device))


def netdev_add(monitor: Monitor, options: str) -> None:
    """Adds the host side of a network card, from the text of a `-netdev` option."""
    _do(monitor, "netdev_add", quote(options), deadline=_LONG)


def netdev_del(monitor: Monitor, netdev: str) -> None:
    """Removes the host side of a network card."""
    _do(monitor, "netdev_del", quote(netdev))


def drive_add(monitor: Monitor, options: str) -> None:
    """Opens an image as a drive without a device, from the text of a `-drive` option."""
    replies.said_ok("drive_add", monitor.command(f"drive_add auto {quote(options)}", _LONG))


def drive_del(monitor: Monitor, drive: str) -> None:
    """Closes a drive; one with a device in front of it goes on without its image."""
    _do(monitor, "drive_del", quote(drive), deadline=_LONG)


def object_add(monitor: Monitor, options: str) -> None:
    """Adds an object, from the text of an `-object` option, which this command reads as it stands to the line's end."""
    if not options.isprintable():
        raise MonitorError("an object's options cannot hold a control character")
    _do(monitor, "object_add", options, deadline=_LONG)


def object_del(monitor: Monitor, name: str) -> None:
    """Removes an object that nothing uses."""
    _do(monitor, "object_del", quote(name))


def set_action(monitor: Monitor, option: str) -> None:
    """What QEMU does when the watchdog bites, from the text of an `-action watchdog=` option."""
    _do(monitor, "watchdog_action", quote(option.removeprefix("watchdog=")))


def peripherals(monitor: Monitor) -> set[str]:
    """The ids of all devices that were given one."""
    return replies.qom_names(monitor.command("qom-list /machine/peripheral"))


def set_link(monitor: Monitor, device: str, *, up: bool) -> None:
    """Plugs the cable of a network card in or out."""
    _do(monitor, "set_link", quote(device), "on" if up else "off")


# Snapshots inside the disks


def savevm(monitor: Monitor, tag: str, deadline: float = 600.0) -> None:
    """Stores the guest's state and its disks' under `tag`."""
    _do(monitor, "savevm", _tag(tag), deadline=deadline)


def loadvm(monitor: Monitor, tag: str, deadline: float = 600.0) -> None:
    """Goes back to a snapshot."""
    _do(monitor, "loadvm", _tag(tag), deadline=deadline)


def delvm(monitor: Monitor, tag: str, deadline: float = 600.0) -> None:
    """Removes a snapshot from all disks."""
    _do(monitor, "delvm", _tag(tag), deadline=deadline)


def snapshots(monitor: Monitor) -> list[replies.Snapshot]:
    """The snapshots that all disks hold."""
    return replies.snapshots(monitor.command("info snapshots", _LONG))


def _tag(tag: str) -> str:
    """The name of a snapshot, quoted; not one that QEMU would cut or that its table could not tell from another."""
    if not tag or tag != tag.strip() or "\n" in tag or "\r" in tag or len(tag.encode(errors="surrogateescape")) > 255:
        raise MonitorError(f"a snapshot cannot be called {tag[:60]!r}")
    return quote(tag)


def version(monitor: Monitor) -> tuple[int, int, int]:
    """Which QEMU it is."""
    return replies.version(monitor.command("info version"))


def uuid(monitor: Monitor) -> str:
    """Whose QEMU it is."""
    return replies.uuid(monitor.command("info uuid"))
