"""Domain documents to guests. What a Xen configuration cannot say is refused by its path."""

from __future__ import annotations

import re

from virtctl.errors import UnsupportedConfig, XmlError
from virtctl.schema.node import Node
from virtctl.schema.types import unit_bytes
from virtctl.xen.guest import MOST_PROCESSORS, Cell, Guest, Timer
from virtctl.xen.ledger import Cursor
from virtctl.xen.mapping import BOOT, MOST_NODES, check_action, check_count, number, parse_cpuset, parse_uuid
from virtctl.xen.reading_devices import read_devices

_KINDS = {"linux": "linux", "xen": "linux", "hvm": "hvm", "xenpvh": "xenpvh"}
_ARCHES = (None, "x86_64", "i686")
_FEATURES = ("acpi", "apic", "pae", "hap", "viridian")
_SHOWN = 8


def read_document(node: Node, what: str) -> Guest:
    """The guest of a document; `what` names the native form, for the refusal."""
    root = Cursor(node)
    if root.tag != "domain":
        raise XmlError(f"unexpected root element <{root.tag}>, expecting <domain>")
    if root.attr("type") != "xen":
        raise UnsupportedConfig(f"domain type '{root.attr('type')}' cannot be expressed in {what}: expected 'xen'")
    guest = Guest()
    _read_general(root, guest)
    _read_os(root, guest)
    _read_features(root, guest)
    _read_cpu(root, guest)
    _read_clock(root, guest)
    for action in ("on_poweroff", "on_reboot", "on_crash"):
        text = root.text_of(action)
        if text:
            setattr(guest, action, check_action(action, text))
    devices = root.child("devices")
    if devices is not None:
        read_devices(devices, guest)
    line = root.child("xen:commandline")
    if line is not None:
        guest.device_model_args = [word.attr("value") or "" for word in line.children("xen:arg")]
    _refuse_rest(root, what)
    return guest


def _refuse_rest(root: Cursor, what: str) -> None:
    left = root.leftovers()
    if left:
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        raise UnsupportedConfig(f"{', '.join(left[:_SHOWN])}{more} cannot be expressed in {what}")


def _kib(cursor: Cursor | None) -> int | None:
    if cursor is None:
        return None
    amount, unit = (cursor.text() or "").strip(), cursor.attr("unit", "KiB") or "KiB"
    try:
        size = number(amount, cursor.tag) * unit_bytes(unit)
    except ValueError as error:
        raise XmlError(f"{cursor.tag}: {error}") from error
    return -(-size // 1024)


def _read_general(root: Cursor, guest: Guest) -> None:
    domid = root.attr("id")
    guest.domid = int(domid) if domid is not None and re.fullmatch(r"[0-9]{1,9}", domid) else None
    name = root.text_of("name")
    if not name:
        raise XmlError("missing domain name information")
    guest.name = name
    guest.uuid = parse_uuid(root.text_of("uuid"))
    guest.description = root.text_of("description")
    for tag in ("title", "metadata"):
        if root.has(tag):
            root.skip(tag)
            guest.notes.append(f"domain/{tag} is not carried over")
    memory = _kib(root.child("memory"))
    if memory is None:
        raise XmlError("missing memory element")
    current = _kib(root.child("currentMemory"))
    guest.memory = memory
    guest.current_memory = memory if current is None else min(current, memory)
    _read_vcpus(root, guest)
    guest.bootloader = (root.text_of("bootloader") or "") if root.has("bootloader") else None
    guest.bootloader_args = root.text_of("bootloader_args")


def _read_vcpus(root: Cursor, guest: Guest) -> None:
    vcpu = root.child("vcpu")
    if vcpu is not None:
        if vcpu.attr("placement", "static") != "static":
            raise UnsupportedConfig("domain/vcpu/@placement: only 'static' can be expressed")
        guest.vcpus = check_count(number((vcpu.text() or "1").strip(), "vcpu"), "vcpus", MOST_PROCESSORS)
        online = vcpu.attr("current")
        guest.online = number(online, "vcpu/@current") if online is not None else None
        if guest.online == guest.vcpus:
            guest.online = None
        cpuset = vcpu.attr("cpuset")
        guest.cpuset = parse_cpuset(cpuset) if cpuset else None
    tune = root.child("cputune")
    if tune is not None:
        pins = {number(pin.attr("vcpu") or "", "vcpupin/@vcpu"): pin.attr("cpuset") or ""
                for pin in tune.children("vcpupin")}
        last = max(pins, default=-1)
        if last >= max(guest.vcpus, 1):
            raise XmlError(f"vcpupin for vcpu {last}, which the domain does not have")
        guest.pins = [parse_cpuset(pins[index]) if pins.get(index) else None for index in range(last + 1)]


def _read_os(root: Cursor, guest: Guest) -> None:
    os = root.child("os")
    if os is None:
        if guest.bootloader is None:
            raise XmlError("an os <type> must be specified")
        return
    kind = os.child("type")
    if kind is None:
        raise XmlError("an os <type> must be specified")
    word = (kind.text() or "").strip()
    if word not in _KINDS or kind.attr("arch") not in _ARCHES:
        raise UnsupportedConfig(f"os type '{word}' of arch '{kind.attr('arch')}' is not one that Xen has")
    kind.attr("machine")
    guest.kind = _KINDS[word]
    _read_loader(os, guest)
    guest.kernel, guest.initrd = os.text_of("kernel") or None, os.text_of("initrd") or None
    guest.cmdline, guest.root = os.text_of("cmdline") or None, os.text_of("root") or None
    _read_boot(os, guest)


def _read_boot(os: Cursor, guest: Guest) -> None:
    acpi = os.child("acpi")
    table = None if acpi is None else acpi.child("table")
    if table is not None:
        if table.attr("type") != "slic":
            raise UnsupportedConfig(f"acpi table of type '{table.attr('type')}' cannot be expressed")
        guest.acpi_table = table.text()
    for boot in os.children("boot"):
        device = boot.attr("dev") or ""
        if device not in BOOT.values():
            raise UnsupportedConfig(f"unknown boot device '{device}': expected fd, hd, cdrom or network")
        guest.boot.append(device)
    if guest.hvm and not guest.boot:
        guest.boot = ["hd"]


def _read_loader(os: Cursor, guest: Guest) -> None:
    if os.attr("firmware") == "efi":
        guest.flash = True
    loader = os.child("loader")
    if loader is None:
        return
    loader.attr("readonly")
    guest.flash = guest.flash or loader.attr("type") == "pflash"
    guest.loader = loader.text()


def _read_features(root: Cursor, guest: Guest) -> None:
    features = root.child("features")
    if features is None:
        return
    for name in _FEATURES:
        feature = features.child(name)
        if feature is None:
            continue
        if not guest.hvm and name in ("hap", "viridian"):
            raise UnsupportedConfig(f"domain/features/{name} cannot be expressed for a paravirtual guest")
        if not guest.hvm:
            guest.notes.append(f"domain/features/{name} is not carried over: a paravirtual guest has no such hardware")
            continue
        guest.features[name] = (feature.attr("state") if name == "hap" else None) != "off"
    xen = features.child("xen")
    if xen is None:
        return
    host = xen.get("e820_host", "state")
    guest.e820_host = None if host is None else host == "on"
    passthrough = xen.child("passthrough")
    if passthrough is not None:
        on, mode = passthrough.attr("state") != "off", passthrough.attr("mode")
        guest.passthrough = (mode or "enabled") if on else "disabled"


def _read_cpu(root: Cursor, guest: Guest) -> None:
    cpu = root.child("cpu")
    if cpu is None:
        return
    mode = cpu.attr("mode")
    if mode not in (None, "host-passthrough"):
        raise UnsupportedConfig(f"domain/cpu/@mode '{mode}' cannot be expressed: only host-passthrough can")
    for name in ("check", "migratable"):
        cpu.attr(name)
    guest.host_cpu = mode is not None
    if guest.host_cpu:
        guest.cpu_features = [(feature.attr("policy") or "require", feature.attr("name") or "")
                              for feature in cpu.children("feature")]
    numa = cpu.child("numa")
    if numa is not None:
        found = [(number(cell.attr("id") or str(index), "cell/@id"), _cell(cell))
                 for index, cell in enumerate(numa.children("cell"))]
        if len(found) > MOST_NODES:
            raise UnsupportedConfig(f"domain/cpu/numa: {len(found)} cells, of which a guest can have {MOST_NODES}")
        guest.cells = [cell for _, cell in sorted(found, key=lambda pair: pair[0])]


def _cell(cell: Cursor) -> Cell:
    size = number(cell.attr("memory") or "", "cell/@memory") * unit_bytes(cell.attr("unit") or "KiB")
    distances = cell.child("distances")
    siblings = [] if distances is None else distances.children("sibling")
    return Cell(parse_cpuset(cell.attr("cpus") or ""), size // 1024,
                tuple((number(sibling.attr("id") or "", "sibling/@id"),
                       number(sibling.attr("value") or "", "sibling/@value")) for sibling in siblings))


def _read_clock(root: Cursor, guest: Guest) -> None:
    clock = root.child("clock")
    if clock is None:
        return
    offset = clock.attr("offset") or clock.attr("sync") or "utc"
    adjustment, basis = clock.attr("adjustment"), clock.attr("basis") or "utc"
    allowed = ("utc", "localtime", "variable") if guest.hvm else ("utc", "localtime")
    if offset not in allowed:
        raise UnsupportedConfig(f"unsupported clock offset='{offset}'")
    if adjustment is not None and (adjustment == "reset") == guest.hvm:
        raise UnsupportedConfig(f"unsupported clock adjustment='{adjustment}'")
    guest.localtime = (basis if offset == "variable" else offset) == "localtime"
    if guest.hvm and adjustment is not None:
        digits = adjustment.lstrip("+-")
        guest.clock_offset = number(digits, "clock/@adjustment") * (-1 if adjustment.startswith("-") else 1)
    for timer in clock.children("timer"):
        present = timer.attr("present")
        guest.timers.append(Timer(timer.attr("name") or "", None if present is None else present == "yes",
                                  timer.attr("mode")))
