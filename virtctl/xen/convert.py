"""The three native forms by the names that virsh gives them, from text to text and from value to value."""

from __future__ import annotations

from virtctl.errors import InvalidArgument, UnsupportedConfig, VirtctlError
from virtctl.schema.node import Node, to_text
from virtctl.xen.characters import refuse_binary, refuse_impossible
from virtctl.xen.config import read_config
from virtctl.xen.exporting import TYPES, as_xen
from virtctl.xen.from_sexpr import NEWEST, from_sexpr
from virtctl.xen.from_xl import from_xl
from virtctl.xen.from_xm import from_xm
from virtctl.xen.to_sexpr import to_sexpr
from virtctl.xen.to_xl import to_xl
from virtctl.xen.to_xm import to_xm

FORMATS = ("xen-sxpr", "xen-xm", "xen-xl")


def _checked(name: str, xend_version: int) -> str:
    if name not in FORMATS:
        raise InvalidArgument(f"unsupported config type {name}", hint=f"one of {', '.join(FORMATS)}")
    if not 1 <= xend_version <= NEWEST:
        raise InvalidArgument(f"xend version {xend_version}: expected 1 to {NEWEST}")
    return name


def from_native(name: str, text: str, xend_version: int = NEWEST, notes: list[str] | None = None) -> Node:
    """The domain document of a native configuration. What has no place in it is said in `notes`."""
    _checked(name, xend_version)
    refuse_binary(text)
    if name == "xen-sxpr":
        made = from_sexpr(text, xend_version, notes)
    else:
        made = from_xm(text, notes) if name == "xen-xm" else from_xl(text, notes)
    refuse_impossible(made, text)
    return made


def to_native(name: str, domain: Node, xend_version: int = NEWEST, notes: list[str] | None = None) -> str:
    """The native configuration of a domain document, Xen's or KVM's, ending in a newline."""
    if domain.attrs.get("type") in TYPES:
        domain = as_xen(domain, notes if notes is not None else [])
    if _checked(name, xend_version) == "xen-sxpr":
        return to_sexpr(domain, xend_version, notes) + "\n"
    return to_xm(domain, notes) if name == "xen-xm" else to_xl(domain, notes)


def from_format(name: str, text: str, xend_version: int = NEWEST, notes: list[str] | None = None) -> str:
    """The text of the domain document of a native configuration."""
    return to_text(from_native(name, text, xend_version, notes))


def to_format(name: str, xml: str | bytes, xend_version: int = NEWEST, notes: list[str] | None = None) -> str:
    """The native configuration of the text of a domain document."""
    from virtctl.schema.xmlio import read

    _checked(name, xend_version)
    return to_native(name, read(xml), xend_version, notes)


_XM_DRIVERS = ("phy:", "file:", "tap:", "tap2:", "ioemu:")  # before a disk's path; xl has words for them


def guess_format(text: str) -> str:
    """Which form a text is of: an s-expression begins with a parenthesis, xl has words that xm never had."""
    start = next((line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    if start.startswith("("):
        return "xen-sxpr"
    if not start:
        raise UnsupportedConfig("an empty configuration")
    return "xen-xl" if _reads_as_xl(text) else "xen-xm"


def _reads_as_xl(text: str) -> bool:
    try:
        values = read_config(text, "xl")
    except VirtctlError:
        return False
    if any(name in values for name in ("type", "usbctrl", "usbdev", "channel", "vnuma", "cmdline", "spice", "nestedhvm",
                                       "max_grant_frames", "max_event_channels", "bios", "device_model_args")):
        return True
    disks = values.get("disk")
    first = [disk for disk in disks if isinstance(disk, str)] if isinstance(disks, list) else []
    if any(disk.startswith(_XM_DRIVERS) and disk.count(",") == 2 for disk in first):
        return False
    if values.get("builder") == "hvm" and "kernel" not in values:
        # xm starts an emulated machine by naming its loader as the kernel.
        return True
    # xm always names a driver before a colon, and has three words to a disk; xl names its words, or has four.
    return any("=" in disk or disk.count(",") > 2 or (disk and not disk.startswith(",") and ":" not in disk)
               for disk in first)
