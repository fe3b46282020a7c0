"""Keys, buttons and the screen of a running guest: send-key, inject-nmi, dompmwakeup, screenshot."""

from __future__ import annotations

from contextlib import suppress

from virtctl.domain.devices.video import Video
from virtctl.errors import InternalError, InvalidOperation, MonitorError, SystemFault, UnsupportedConfig
from virtctl.qemu.context import Context, Target
from virtctl.qemu.documents import devices_of
from virtctl.qemu.guest import Guest
from virtctl.qemu.privilege import inside
from virtctl.state.atomic import create_temp

SAME = 88  # up to this code Linux's number of a key is that of the first PC keyboard, which QEMU takes
# Linux's numbers of the other keys -> QEMU's.
_EXTENDED = {96: 0x9C, 97: 0x9D, 98: 0xB5, 99: 0x54, 100: 0xB8, 102: 0xC7, 103: 0xC8, 104: 0xC9, 105: 0xCB, 106: 0xCD,
             107: 0xCF, 108: 0xD0, 109: 0xD1, 110: 0xD2, 111: 0xD3, 113: 0xA0, 114: 0xAE, 115: 0xB0, 116: 0xDE,
             119: 0xC6, 125: 0xDB, 126: 0xDC, 127: 0xDD}


def send_keys(context: Context, target: Target, codes: list[int], codeset: str, hold: int) -> None:
    """Presses keys together, for `hold` milliseconds (0: as long as QEMU likes)."""
    from virtctl.qemu import verbs

    guest = Guest(context, target.active)
    keys = "-".join(f"{_translated(code, codeset):#x}" for code in codes)
    with context.lock(target.uuid), guest.monitor() as monitor:
        verbs.sendkey(monitor, keys, hold or None)


def _translated(code: int, codeset: str) -> int:
    if codeset in ("xt", "qnum", "rfb", "atset1"):
        return code
    if codeset != "linux":
        raise UnsupportedConfig(f"key codes of codeset '{codeset}' are not known here, use 'linux' or 'qnum'")
    if 0 < code <= SAME:
        return code
    if code not in _EXTENDED:
        raise InternalError(f"cannot translate keycode {code} of linux codeset to qnum keycode")
    return _EXTENDED[code]


def inject_nmi(context: Context, target: Target) -> None:
    """Presses the button that some servers have for a debugger."""
    from virtctl.qemu import verbs

    guest = Guest(context, target.active)
    with context.lock(target.uuid), guest.monitor() as monitor:
        verbs.nmi(monitor)


def wake_up(context: Context, target: Target) -> None:
    """Wakes a guest that sleeps."""
    from virtctl.qemu import verbs

    guest = Guest(context, target.active)
    with context.lock(target.uuid), guest.monitor() as monitor:
        verbs.system_wakeup(monitor)


def screenshot(context: Context, target: Target, screen: int) -> tuple[bytes, str]:
    """What the guest shows, and the kind of picture. QEMU writes it into its own folder, readable for us alone."""
    from virtctl.qemu import verbs

    guest = Guest(context, target.active)
    videos = [one for one in devices_of(guest.live()).all(Video) if one.type != "none"]
    if not videos:
        raise InvalidOperation("no screens to take screenshot from")
    if screen >= len(videos):
        raise InvalidOperation("no such screen ID")
    with inside(guest.work, guest.account) as place:
        descriptor, made = create_temp(place / "screen")
    temp = guest.work / made.name
    try:
        with open(descriptor, "rb") as file, guest.monitor() as monitor:  # noqa: PTH123 - of a descriptor
            verbs.screendump(monitor, guest.reach(temp.name), png=True, device=videos[screen].id if screen else None)
            found = file.read()
    except OSError as cause:
        raise SystemFault(f"cannot read screenshot of domain '{target.name}'", cause) from cause
    finally:
        with suppress(OSError):
            temp.unlink()
    if not found.startswith(b"\x89PNG"):
        raise MonitorError("QEMU did not write a picture")
    return found, "image/png"
