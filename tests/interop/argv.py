"""Compares two QEMU command lines in meaning: ours and libvirt's for one document.

`python -m tests.interop.argv FOLDER [NAME...]` reads documents NAME.xml (or NAME.out.xml) beside libvirt's
`NAME.args` (what `virsh domxml-to-native qemu-argv --xml` printed) and prints what differs.

What differs on purpose, and is taken out before the comparison:

- monitors: the human one on a pty and a second, machine-readable one; libvirt has one socket. `-pidfile` is ours.
- `-no-shutdown`: nobody waits for a guest that has shut down, so QEMU ends by itself; `-action` carries on_*.
- `-drive if=none,id=drive-ALIAS` for `-blockdev`: the human monitor knows drives by name only. The guest's device is
  the same; what the drive says is compared with what libvirt's nodes say.
- an empty drive has a name here and none there.
- secrets: no master key; passwords are set over the machine's monitor once QEMU is up.
- files that QEMU writes are handed over as descriptor sets (`/dev/fdset/N`); libvirt does the same where virtlogd runs.
- network descriptors: the numbers differ, and a printed command line has none at all. libvirt's printing makes every
  interface an `ethernet` one and forgets all but MAC, model and place: what it prints of them is not compared.
- `-watchdog-action` is `-action watchdog=`, which is the same thing in QEMU.
- where an unnamed socket of ours or a page file of memory lies; spice ports start at 5900 here and at 5901 there.
- `-soundhw pcspk`, which QEMU 7.2 no longer has, is `-machine pcspk-audiodev=`.
- a shared SCSI unit gets share-rw, a snapshot of a transient disk is QEMU's; libvirt 9.0 has no crypto cards.
- commas in fw_cfg values are doubled here; the default port of Ceph monitors is named.
- `-full-screen` is `-display sdl,full-screen=on`; vhost descriptors are opened by QEMU itself.
- `-m 214` is `-m size=219136k`.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Flat = dict[str, str]
Lists = dict[str, list[Flat]]

BARE = frozenset({"S", "no-user-config", "nodefaults", "no-acpi", "no-hpet", "no-shutdown", "full-screen",
                  "mem-prealloc"})
HEAD = {"device": "driver", "object": "qom-type", "chardev": "backend", "netdev": "type", "machine": "type",
        "cpu": "model", "accel": "accel", "smp": "cpus", "numa": "type", "fsdev": "fsdriver", "tpmdev": "type",
        "audiodev": "driver", "vnc": "vnc", "display": "type", "m": "size", "sandbox": "enable", "mon": "chardev",
        "spice": "-", "name": "guest", "overcommit": "-", "msg": "-", "rtc": "-", "boot": "order", "global": "-",
        "watchdog-action": "watchdog", "set": "-"}
OURS_ONLY = frozenset({"pidfile", "mon", "S", "no-shutdown", "add-fd", "incoming", "name", "msg", "sandbox"})
MONITORS = frozenset({"charmonitor", "charqmp"})
NET_KEYS = frozenset({"driver", "netdev", "id", "mac", "bus", "addr"})
NUMBER = re.compile(r"0x[0-9a-fA-F]+|[0-9]+")
BACKING = {"file": "backing.file.filename", "format": "backing.driver"}
RUNTIME = re.compile(r"/qemu/(?:channel/target/)?domain-|/run/qemu/")
TLS_ID = re.compile(r"objlibvirt-\d+-storage_tls0|drive-.*-tls")
SIZE_UNITS = {"": 1 << 20, "M": 1 << 20, "m": 1 << 20, "k": 1 << 10, "K": 1 << 10, "G": 1 << 30}


def value_text(value: Any) -> str:
    """One spelling for numbers and switches."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = str(value)
    if NUMBER.fullmatch(text):
        try:
            return str(int(text, 0))
        except ValueError:
            return text
    return text


def split_commas(text: str) -> list[str]:
    """QEMU's option syntax: `,,` is a comma."""
    parts = [""]
    for piece in re.split(r"(,,|,)", text):
        if piece == ",":
            parts.append("")
        else:
            parts[-1] += "," if piece == ",," else piece
    return parts


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """`{"a": {"b": 1}}` as `a.b=1`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from flatten(inner, f"{path}.{number}")
    else:
        yield path, value_text(value)


def parse_option(name: str, text: str) -> Flat:
    """One option as a flat mapping; keys that stand several times are joined."""
    if text.startswith("{"):
        return dict(flatten(json.loads(text)))
    found: Flat = {}
    for number, part in enumerate(split_commas(text)):
        key, equals, value = part.partition("=")
        if not equals or (name == "vnc" and number == 0 and key != "vnc"):
            key, value = (HEAD.get(name, "value"), part) if number == 0 and HEAD.get(name) != "-" else (part, "on")
        value = value_text(value)
        found[key] = f"{found[key]}+{value}" if key in found else value
    return found


def read_options(words: Iterable[str]) -> Lists:
    """The options by name, in order."""
    found: Lists = defaultdict(list)
    rest = list(words)
    while rest:
        name = rest.pop(0).lstrip("-")
        alone = name in BARE or not rest or rest[0].startswith("-")
        found[name].append({} if alone else parse_option(name, rest.pop(0)))
    return found


def libvirt_words(printed: str) -> list[str]:
    """The words after the emulator of what `domxml-to-native` prints, environment left out."""
    words = shlex.split(printed)
    first = next(place for place, word in enumerate(words) if word.startswith("/") and "=" not in word)
    return words[first + 1:]


def drives_of(options: Lists) -> dict[str, Flat]:
    """What each drive says, by the name that a device's `drive=` uses."""
    drives = options.pop("drive", [])
    found = {drive["id"]: _our_drive(drive) for drive in drives if "id" in drive}
    for drive in drives:
        if drive.get("if") == "pflash":
            found[f"pflash{drive['unit']}"] = _our_drive({key: drive[key] for key in drive if key != "unit"})
    nodes = {node["node-name"]: node for node in options.pop("blockdev", [])}
    for name in nodes:
        found[name] = _node(name, nodes)
    return found


def _our_drive(drive: Flat) -> Flat:
    out: Flat = {}
    renamed = {"file.filename": "file", "throttling.group": "-"}
    for key, value in drive.items():
        out[renamed.get(key, key)] = value
    for key in ("if", "id", "media", "werror", "rerror", "auto-read-only", "file.auto-read-only", "-"):
        out.pop(key, None)
    cache = out.pop("cache", "writeback")
    out["direct"] = value_text(cache in ("none", "directsync"))
    out["no-flush"] = value_text(cache == "unsafe")
    out.setdefault("readonly", "off")
    return {key: value for key, value in out.items() if not key.startswith("throttling.")}


def _node(name: str, nodes: dict[str, Flat]) -> Flat:
    node = dict(nodes[name])
    if node.get("driver") == "copy-on-read":
        return {**_node(node["file"], nodes), "copy-on-read": "on"}
    below = nodes.get(node.get("file", ""), {})
    out: Flat = {"format": node.get("driver", "")}
    storage = {key: value for key, value in below.items() if not key.startswith("cache.")}
    kind = storage.pop("driver", "")
    for key in ("node-name", "auto-read-only", "discard", "read-only"):
        storage.pop(key, None)
    if kind in ("file", "host_device", "host_cdrom"):
        out["file"] = storage.pop("filename", "")
        out |= {key: value for key, value in storage.items() if key == "aio"}
    else:
        out |= {"file.driver": kind, **{f"file.{key}": value for key, value in storage.items()}}
    out["readonly"] = node.get("read-only", "off")
    out["direct"] = node.get("cache.direct", "off")
    out["no-flush"] = node.get("cache.no-flush", "off")
    for key in ("discard", "detect-zeroes", "offset", "size", "cache-size"):
        if key in node:
            out[key] = node[key]
    if "backing" in node:
        backing = node["backing"]
        out |= {"backing": ""} if backing in ("None", "") else {
            BACKING.get(key, f"backing.{key}"): value for key, value in _node(backing, nodes).items()
            if key.startswith(("file", "format", "backing"))}
    return out


def normal(words: Iterable[str]) -> tuple[dict[str, dict[str, Flat]], list[str]]:
    """Options by name and identity, and the order of the devices."""
    options = read_options(words)
    for name in OURS_ONLY:
        options.pop(name, None)
    drives = drives_of(options)
    for device in options["device"]:
        _settle_device(device, drives)
    _settle_machine(options, drives)
    _settle_misc(options)
    order = [f"{device.get('driver')}:{device.get('id', '')}" for device in options["device"]]
    return {name: dict(_identified(name, entries)) for name, entries in options.items() if entries}, order


def _settle_device(device: Flat, drives: dict[str, Flat]) -> None:
    drive = drives.get(device.get("drive", ""), {})
    for key in ("write-cache", "werror", "rerror", "vhostfd"):
        device.pop(key, None)
    if "netdev" in device:
        for key in [key for key in device if key not in NET_KEYS]:
            del device[key]
    for key, word in (("file.tls-creds", "tls"), ("file.cookie-secret", "cookies")):
        if key in drive:
            drive[key] = word
    if device.pop("drive", None) is not None and drive.keys() & {"file", "file.driver"}:
        device |= {f"drive.{key}": value for key, value in drive.items()}


def _settle_machine(options: Lists, drives: dict[str, Flat]) -> None:
    machine = options["machine"][0]
    for extra in options["machine"][1:]:
        machine |= extra
    options["machine"] = [machine]
    for unit in ("pflash0", "pflash1"):
        drive = drives.get(machine.pop(unit, unit))
        if drive is not None:
            if "/qemu/nvram/" in drive.get("file", ""):
                drive["file"] = drive["file"].rpartition("/")[2]
            machine |= {f"{unit}.{key}": value for key, value in drive.items()}


def _settle_misc(options: Lists) -> None:
    for entry in options["m"]:
        text = entry["size"]
        unit = text.lstrip("0123456789")
        entry["size"] = str(int(text.removesuffix(unit) or "0") * SIZE_UNITS[unit])
    options.pop("netdev", None)
    _settle_objects(options)
    _settle_places(options)
    if options.pop("full-screen", None):
        options["display"][0]["full-screen"] = "on"
    watchdog = [one["watchdog"] for one in options.pop("action", []) if "watchdog" in one]
    if watchdog:
        options["watchdog-action"] = [{"watchdog": watchdog[0]}]


def _settle_objects(options: Lists) -> None:
    kept = []
    for one in options["object"]:
        if one.get("id") == "masterKey0" or "cookie" in one.get("id", ""):
            continue
        one["id"] = TLS_ID.sub(r"tls", one["id"])
        if re.search("/qemu/ram|/libvirt/qemu", one.get("mem-path", "")):
            one["mem-path"] = "."
        kept.append(one)
    options["object"] = kept


def _settle_places(options: Lists) -> None:
    for spice in options["spice"]:
        spice["port"] = spice.get("port", "").replace("5900", "5901")
    for entry in (*options["spice"], *options["vnc"]):
        for key in ("addr", "vnc"):
            if RUNTIME.search(entry.get(key, "")):
                entry[key] = entry[key].rpartition("/")[2]
    options["chardev"] = [one for one in options["chardev"] if one.get("id") not in MONITORS]
    for chardev in options["chardev"]:
        for key in ("path", "logfile"):
            chardev[key] = _place(chardev.get(key, ""))


def _place(path: str) -> str:
    if path.startswith("/dev/fdset/"):
        return "fdset"
    return "." if path and (not path.startswith("/") or RUNTIME.search(path)) else path


def _identified(name: str, entries: list[Flat]) -> Iterator[tuple[str, Flat]]:
    for number, entry in enumerate(entries):
        yield entry.get("id") or f"{name}{number}", entry


def differences(ours: Iterable[str], theirs: Iterable[str]) -> list[str]:
    """What differs between two command lines (without the emulator), a line each."""
    here, order = normal(ours)
    there, their_order = normal(theirs)
    found = []
    for name in sorted(here.keys() | there.keys()):
        mine, other = here.get(name, {}), there.get(name, {})
        for key in [*other, *(key for key in mine if key not in other)]:
            found += _compare(f"-{name} {key}", mine.get(key), other.get(key))
    if not found and order != their_order:
        found.append(f"order of devices: ours {order}, libvirt's {their_order}")
    return found


def _compare(where: str, mine: Flat | None, other: Flat | None) -> list[str]:
    if mine is None or other is None:
        return [f"{where}: only {'libvirt' if mine is None else 'ours'} {mine or other}"]
    out = []
    for key in sorted(mine.keys() | other.keys()):
        if mine.get(key) != other.get(key):
            out.append(f"{where}: {key}: ours {mine.get(key)!r}, libvirt's {other.get(key)!r}")
    return out


def our_words(document: bytes, root: Path) -> list[str]:
    """The command line that we would start, without the emulator."""
    from virtctl.domain.pipeline import complete
    from virtctl.paths import Paths
    from virtctl.qemu.build import build_argv
    from virtctl.qemu.context import Context
    from virtctl.qemu.startup import dry_plan

    context = Context(Paths.under(root))
    plan = dry_plan(context, complete(document, context.host))
    plan.hugetlbfs = plan.hugetlbfs or {2048: "/run/hp/libvirt/qemu", 1048576: "/run/hp1/libvirt/qemu"}
    return build_argv(plan)[1:]


def main(words: list[str]) -> None:
    """Prints the differences of the documents of a folder."""
    from virtctl.errors import VirtctlError

    documents, printed = Path(words[0]), Path(words[1])
    alike = 0
    for args in sorted(printed.glob("*.args")):
        name = args.stem
        if (words[2:] and name not in words[2:]) or args.stat().st_size < 10:
            continue
        document = next(path for path in (documents / f"{name}.xml", documents / f"{name}.out.xml") if path.exists())
        try:
            found = differences(our_words(document.read_bytes(), Path("/tmp/virtctl-argv")),
                                libvirt_words(args.read_text()))
        except VirtctlError as error:
            found = [f"refused: {error}"]
        alike += not found
        if found:
            print(f"== {name}", *(f"   {line}" for line in found), sep="\n")
    print(f"{alike} alike")


if __name__ == "__main__":
    main(sys.argv[1:])
