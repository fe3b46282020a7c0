"""xl's disk specification: up to four positional words, then NAME=VALUE and flags, `target=` always last."""

from __future__ import annotations

import re
from typing import NamedTuple

from virtctl.errors import UnsupportedConfig
from virtctl.xen.disks import bus_of
from virtctl.xen.guest import Disk
from virtctl.xen.mapping import check_count

_POSITIONS = ("target", "format", "vdev", "access")
_NAMED = re.compile(r"(format|vdev|access|backend|backendtype|script|devtype|target)=(.*)\Z", re.DOTALL)
_FLAGS = ("cdrom", "removable", "discard", "no-discard", "direct-io-safe")
_PREFIX = re.compile(r"(raw|aio|qcow2?|vhd|qed|phy|file|tap2?|tapdisk):")
_MOST_PREFIXES = 3
_MOST_HOSTS = 256
_FORMATS = {"raw": "raw", "aio": "raw", "file": "raw", "qcow": "qcow", "qcow2": "qcow2", "vhd": "vhd", "xvhd": "vhd",
            "qed": "qed", "empty": "raw", "": "raw"}
_WRITABLE = ("raw", "qcow", "qcow2", "vhd", "qed")
_DRIVERS = {"phy": ("phy", "block"), "tap": ("tap", "file"), "qdisk": ("qemu", "file"), "": ("qemu", "file")}
_BACKENDS = {"qemu": "qdisk", "file": "qdisk", "tap": "tap", "tap2": "tap", "phy": "phy"}
_ACCESS = {"": "w", "w": "w", "rw": "w", "r": "r", "ro": "r", "!": "!", "w!": "!"}


class _Rbd(NamedTuple):
    name: str
    hosts: tuple[tuple[str, str | None], ...]
    auth: str | None


def _words(text: str) -> dict[str, str]:
    """The specification by name; flags have the value `1`."""
    found: dict[str, str] = {}
    rest, position = text, 0
    while rest:
        if rest.lstrip().startswith("target="):
            found["target"] = rest.lstrip().removeprefix("target=")
            return found
        word, _, rest = rest.partition(",")
        word = word.strip()
        named = _NAMED.match(word)
        if named:
            found[named[1]] = named[2]
            position = len(_POSITIONS)
        elif word in _FLAGS:
            found[word] = "1"
        elif position < len(_POSITIONS):
            found[_POSITIONS[position]] = word
            position += 1
        else:
            raise UnsupportedConfig(f"disk '{text}': unknown word '{word}'")
    return _without_prefixes(found)


def _without_prefixes(found: dict[str, str]) -> dict[str, str]:
    """The prefixes of xm's days, which xl still takes on a positional target."""
    target = found.get("target", "")
    for _ in range(_MOST_PREFIXES):
        match = _PREFIX.match(target)
        if match is None:
            break
        prefix, target = match[1], target[match.end():]
        if prefix == "phy":
            found.setdefault("backendtype", "phy")
        elif prefix in _FORMATS and not found.get("format"):
            found["format"] = prefix
    found["target"] = target
    return found


def _chosen(table: dict[str, str] | dict[str, tuple[str, str]], found: dict[str, str], name: str, text: str) -> None:
    if found.get(name, "") not in table:
        raise UnsupportedConfig(f"disk '{text}': unknown {name} '{found[name]}'")


def parse_xl_disk(text: str, hvm: bool, notes: list[str]) -> Disk:
    """The disk that a specification describes."""
    found = _words(text)
    _chosen(_FORMATS, found, "format", text)
    _chosen(_DRIVERS, found, "backendtype", text)
    _chosen(_ACCESS, found, "access", text)
    target, colon, suffix = found.get("vdev", "").partition(":")
    if not target:
        raise UnsupportedConfig(f"disk '{text}': no vdev")
    cdrom = "cdrom" in found or found.get("devtype") == "cdrom" or (colon and suffix == "cdrom")
    driver, kind = _DRIVERS["" if cdrom else found.get("backendtype", "")]
    access = _ACCESS[found.get("access", "")]
    for word in ("script", "direct-io-safe", "removable"):
        if word in found:
            notes.append(f"disk {target}: {word} has no place in a domain document")
    backend = found.get("backend", "")
    disk = Disk(target=target, bus=bus_of(target, hvm), source=found.get("target") or None, kind=kind,
                device="cdrom" if cdrom else "disk", driver=driver, format=_FORMATS[found.get("format", "")],
                readonly=access == "r" or bool(cdrom), shareable=access == "!",
                backend=None if backend in ("", "0", "Domain-0") else backend,
                discard="unmap" if "discard" in found else "ignore" if "no-discard" in found else None)
    return _network(disk, notes)


def _network(disk: Disk, notes: list[str]) -> Disk:
    if disk.source is None or not disk.source.startswith("rbd:"):
        return disk
    rbd = _parse_rbd(disk.source.removeprefix("rbd:"), disk.target, notes)
    return disk._replace(kind="network", protocol="rbd", source=rbd.name, hosts=rbd.hosts, auth=rbd.auth)


def _parse_rbd(text: str, target: str, notes: list[str]) -> _Rbd:
    """`pool/image:id=u:mon_host=a\\:6789\\;b`: a backslash keeps the next mark from dividing."""
    name, *options = re.split(r"(?<!\\):", text)
    hosts: list[tuple[str, str | None]] = []
    auth = None
    for option in options:
        word, _, value = option.partition("=")
        if word == "mon_host":
            parts = [part for part in re.split(r"[;,]", value.replace("\\", "")) if part.strip()]
            check_count(len(parts), f"monitors of disk {target}", _MOST_HOSTS)
            hosts = [_host(part) for part in parts]
        elif word == "id":
            auth = value
        elif word != "auth_supported":
            notes.append(f"disk {target}: the rbd option {word} has no place in a domain document")
    return _Rbd(name, tuple(hosts), auth)


def _host(text: str) -> tuple[str, str | None]:
    match = re.fullmatch(r"\s*(?:\[(.*)\]|([^:]*))(?::([0-9]+))?\s*", text)
    if not match:
        return text.strip(), None
    return match[1] or match[2] or "", match[3]


def _rbd_target(disk: Disk) -> str:
    if disk.protocol != "rbd":
        raise UnsupportedConfig(f"disk '{disk.target}': protocol '{disk.protocol}' is not one that Xen has; rbd is")
    if not disk.source:
        raise UnsupportedConfig(f"disk '{disk.target}': a network disk without a name")
    if disk.auth:
        raise UnsupportedConfig(f"disk '{disk.target}': the secret of user '{disk.auth}' cannot be written to a file")
    out = f"rbd:{disk.source}:auth_supported=none"
    if disk.hosts:
        shown = [(f"[{name}]" if ":" in name else name).replace(":", "\\:") + (f"\\:{port}" if port else "")
                 for name, port in disk.hosts]
        out += ":mon_host=" + "\\;".join(shown)
    return out


def format_xl_disk(disk: Disk) -> str:
    """The specification, as libvirt orders it."""
    if disk.device not in ("disk", "cdrom"):
        raise UnsupportedConfig(f"disk '{disk.target}': device '{disk.device}' is not one that xl has")
    form = disk.format or "raw"
    if form not in _WRITABLE:
        raise UnsupportedConfig(f"disk '{disk.target}': format '{form}' is not one that xl has")
    driver = disk.driver or ("phy" if disk.kind == "block" else "qemu")
    if driver not in _BACKENDS:
        raise UnsupportedConfig(f"disk '{disk.target}': driver '{driver}' is not one that xl has")
    words = [f"format={form}", f"vdev={disk.target}",
             "access=" + ("ro" if disk.readonly else "!" if disk.shareable else "rw"),
             f"backendtype={_BACKENDS[driver]}"]
    words += ["devtype=cdrom"] * (disk.device == "cdrom")
    words += [f"backend={disk.backend}"] * bool(disk.backend)
    words += {"unmap": ["discard"], "ignore": ["no-discard"]}.get(disk.discard or "", [])
    if disk.kind == "network":
        words.append("target=" + _rbd_target(disk))
    elif disk.source is not None:
        words.append("target=" + disk.source)
    return ",".join(words)
