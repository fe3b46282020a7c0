"""Devices put into guests and taken out: attach-device, attach-disk, attach-interface, and their opposites."""

from __future__ import annotations

import re

from virtctl.cli.commands.describing import affected
from virtctl.cli.commands.media import devices_in, printed
from virtctl.cli.files import read_file
from virtctl.cli.operands import Flag, Text, command, domain, exclusive
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError, attempting
from virtctl.schema.node import Node, to_text
from virtctl.values import Affect, DumpOptions

WHERE = (
    Flag("persistent", "in the definition, and in the guest if it runs"),
    Flag("config", "in the definition"),
    Flag("live", "in the running guest"),
    Flag("current", "in the guest if it runs, else in the definition"),
)
RUNNING = Affect(live=True)
PRINT = Flag("print-xml", "print the XML of the device, and change nothing", "print_xml")
_PCI = re.compile(r"(?:pci:)?([0-9a-fA-F]{1,4})[.:]([0-9a-fA-F]{1,2})[.:]([0-9a-fA-F]{1,2})[.:]([0-7])")
_DRIVE = re.compile(r"(scsi|ide|sata):(\d+)\.(\d+)\.(\d+)")
_USB = re.compile(r"usb:(\d+)\.(\d+)")


def wanted(session: Session, ref: str, given: dict[str, bool], *, usual: Affect = RUNNING) -> Affect:
    """Where the change goes; with none of the flags where virsh makes it, into the running guest mostly."""
    exclusive(persistent=given.get("persistent", False), current=given["current"])
    affect = affected(given["live"], given["config"], given["current"])
    if given.get("persistent"):
        return Affect(affect.live or session.driver.id_of(ref) is not None, True)
    return affect if given["current"] or any(affect) else usual


@command(domain(), Text("file", "file with the XML of the device", required=True, source="file"), *WHERE)
def attach_device(session: Session, domain: str, file: str, **given: bool) -> None:
    """Adds a device to a guest."""
    session.domain(domain)
    affect = wanted(session, domain, given)
    text = read_file(file)
    with attempting(f"Failed to attach device from {file}"):
        session.changing("virDomainAttachDeviceFlags").attach_device(domain, text, affect)
    session.extra("Device attached successfully\n")


@command(domain(), Text("file", "file with XML that tells which device", required=True, source="file"), *WHERE)
def detach_device(session: Session, domain: str, file: str, **given: bool) -> None:
    """Takes a device out of a guest."""
    session.domain(domain)
    affect = wanted(session, domain, given)
    text = read_file(file)
    with attempting(f"Failed to detach device from {file}"):
        session.changing("virDomainDetachDeviceFlags").detach_device(domain, text, affect)
    session.extra("Device detached successfully\n")


@command(
    domain(),
    Text("file", "file with the XML of the device as it shall be", required=True, source="file"),
    *WHERE,
    Flag("force", "even when the guest has locked the drive"),
)
def update_device(session: Session, domain: str, file: str, force: bool, **given: bool) -> None:
    """Changes a device of a guest."""
    session.domain(domain)
    affect = wanted(session, domain, given, usual=Affect())
    text = read_file(file)
    with attempting(f"Failed to update device from {file}"):
        session.changing("virDomainUpdateDeviceFlags").update_device(domain, text, affect, force=force)
    session.extra("Device updated successfully\n")


@command(domain(), Text("alias", "the device, by its alias", required=True), *WHERE[1:])
def detach_device_alias(session: Session, domain: str, alias: str, **given: bool) -> None:
    """Takes the device of that alias out of a guest."""
    session.domain(domain)
    affect = wanted(session, domain, given)
    with attempting(f"Failed to detach device with alias {alias}"):
        session.changing("virDomainDetachDeviceAlias").detach_alias(domain, alias, affect)
    session.extra("Device detach request sent successfully\n")


# Disks


@command(
    domain(),
    Text("source", "image or device", required=True, source="file"),
    Text("target", "name of the disk, such as vdb", required=True),
    Text("targetbus", "bus of the disk"),
    Text("driver", "name of the driver"),
    Text("subdriver", "format of the image"),
    Text("iothread", "thread that serves the disk"),
    Text("cache", "how the host caches it"),
    Text("io", "how the host reads and writes it"),
    Text("type", "disk, cdrom, lun or floppy"),
    Text("mode", "readonly or shareable"),
    Text("sourcetype", "file or block"),
    Text("serial", "serial number that the guest sees"),
    Text("wwn", "world wide name that the guest sees"),
    Text("alias", "alias of your own, ua-..."),
    Flag("rawio", "give the guest the raw device"),
    Text("address", "its place: pci:0000.00.05.0, scsi:0.0.1, usb:0.1"),
    Flag("multifunction", "other functions of that PCI slot are used as well"),
    PRINT,
    *WHERE,
)
def attach_disk(session: Session, domain: str, source: str, target: str, print_xml: bool, **given: str | bool) -> None:
    """Adds a disk to a guest."""
    texts = {name: value for name, value in given.items() if isinstance(value, str)}
    flags = {name: bool(given[name]) for name in ("persistent", "config", "live", "current")}
    node = disk_node(source, target, texts, rawio=bool(given["rawio"]), multifunction=bool(given["multifunction"]))
    if print_xml:
        session.say(to_text(node))
        return
    session.domain(domain)
    affect = wanted(session, domain, flags)
    with attempting("Failed to attach disk"):
        session.changing("virDomainAttachDeviceFlags").attach_device(domain, to_text(node), affect)
    session.extra("Disk attached successfully\n")


_DRIVER = {"name": "driver", "type": "subdriver", "iothread": "iothread", "cache": "cache", "io": "io"}


def disk_node(source: str, target: str, texts: dict[str, str], *, rawio: bool, multifunction: bool) -> Node:
    """The XML of a disk. Raises VirtctlError for what is no mode, type or address."""
    mode, kind = texts.get("mode"), texts.get("sourcetype") or _kind_of(source)
    if mode not in (None, "readonly", "shareable"):
        raise VirtctlError(f"No support for {mode} in command 'attach-disk'")
    if kind not in ("file", "block"):
        raise VirtctlError(f"Unknown source type: '{kind}'")
    node = Node("disk", {"type": kind})
    more = {"device": texts.get("type"), "rawio": "yes" if rawio else None}
    node.attrs |= {name: value for name, value in more.items() if value}
    driver = {key: texts.get(option) for key, option in _DRIVER.items()}
    if any(driver.values()):
        node.add("driver", driver)
    node.add("source", {"dev" if kind == "block" else "file": source})
    node.add("target", {"dev": target, "bus": texts.get("targetbus")})
    if mode:
        node.add(mode)
    node.children += [Node(name, *_identity(name, texts[name])) for name in ("serial", "alias", "wwn") if name in texts]
    if "address" in texts:
        place = address(texts["address"], multifunction=multifunction)
        allowed, words = _PLACES.get(target[:2], ((place["type"] or "",), ""))
        if texts["address"].partition(":")[0] not in allowed and place["type"] not in allowed:
            raise VirtctlError(f"expecting {words} address.")
        node.add("address", place)
    return node


_PLACES = {"vd": (("pci",), "a pci:0000.00.00.00 or ccw:00.0.0000"), "hd": (("ide",), "an ide:00.00.00"),
           "sd": (("scsi", "usb", "sata"), "a scsi:00.00.00 or usb:00.00 or sata:00.00.00")}


def _identity(name: str, value: str) -> tuple[dict[str, str], str | None]:
    """Attributes and text of what tells the disk from others."""
    return ({"name": value}, None) if name == "alias" else ({}, value)


def _kind_of(source: str) -> str:
    """A device is a block source where the command line does not say."""
    from pathlib import Path

    return "block" if Path(source).is_block_device() else "file"


def address(text: str, *, multifunction: bool = False) -> dict[str, str | None]:
    """The attributes of an address as the command line spells it. Raises VirtctlError."""
    pci, drive, usb = _PCI.fullmatch(text), _DRIVE.fullmatch(text), _USB.fullmatch(text)
    if pci is not None:
        domain, bus, slot, function = (int(part, 16) for part in pci.groups())
        return {"type": "pci", "domain": f"0x{domain:04x}", "bus": f"0x{bus:02x}", "slot": f"0x{slot:02x}",
                "function": f"0x{function:x}", "multifunction": "on" if multifunction else None}
    if drive is not None:
        return {"type": "drive", "controller": drive[2], "bus": drive[3], "unit": drive[4]}
    if usb is not None:
        return {"type": "usb", "bus": usb[1], "port": usb[2]}
    raise VirtctlError("Invalid address.")


@command(domain(), Text("target", "the disk", required=True, source="disk"), *WHERE, PRINT)
def detach_disk(session: Session, domain: str, target: str, print_xml: bool, **given: bool) -> None:
    """Takes a disk out of a guest."""
    session.domain(domain)
    affect = wanted(session, domain, given)
    node = _present(session, domain, "disk", affect, target)
    if node is None:
        raise VirtctlError(f"No disk found whose source path or target is {target}")
    if print_xml:
        session.say(printed(node))
        return
    with attempting("Failed to detach disk"):
        session.changing("virDomainDetachDeviceFlags").detach_device(domain, to_text(node), affect)
    session.extra("Disk detached successfully\n")


def _present(session: Session, ref: str, tag: str, affect: Affect, name: str) -> Node | None:
    """The device of the document that is changed which names `name`: its target, its source or its address."""
    options = DumpOptions(inactive=affect.config and not affect.live, security_info=True)
    paths = ("target/@dev", "source/@file", "source/@dev", "mac/@address")
    devices = devices_in(session, ref, tag, options)
    return next((one for one in devices if name in [one.get(path) for path in paths]), None)


# Network cards


@command(
    domain(),
    Text("type", "bridge, user, ethernet, ...", required=True),
    Text("source", "bridge or network", required=True),
    Text("target", "name of the device on the host"),
    Text("mac", "its address"),
    Text("script", "script that connects it"),
    Text("model", "emulated card"),
    Text("alias", "alias of your own, ua-..."),
    Text("inbound", "limit of incoming traffic: average,peak,burst,floor"),
    Text("outbound", "limit of outgoing traffic: average,peak,burst"),
    *WHERE,
    PRINT,
    Flag("managed", "take a host's device from the host, and give it back"),
    Text("source-mode", "server or client, of a vhostuser card", "source_mode"),
)
def attach_interface(
    session: Session, domain: str, type: str, source: str, print_xml: bool, **given: str | bool
) -> None:
    """Adds a network card to a guest."""
    texts = {name: value for name, value in given.items() if isinstance(value, str)}
    flags = {name: bool(given[name]) for name in ("persistent", "config", "live", "current")}
    node = card_node(type, source, texts, managed=bool(given["managed"]))
    if print_xml:
        session.say(to_text(node))
        return
    session.domain(domain)
    affect = wanted(session, domain, flags)
    with attempting("Failed to attach interface"):
        session.changing("virDomainAttachDeviceFlags").attach_device(domain, to_text(node), affect)
    session.extra("Interface attached successfully\n")


_SOURCES = {"network": "network", "bridge": "bridge", "direct": "dev", "vdpa": "dev", "user": None, "ethernet": None}


def card_node(kind: str, source: str, texts: dict[str, str], *, managed: bool) -> Node:
    """The XML of a network card. Raises VirtctlError for a type or a rate that is none."""
    node = Node("interface", {"type": kind, **({"managed": "yes"} if managed else {})})
    _card_source(node, kind, source, texts)
    for name, tag, key in _PARTS:
        if name in texts:
            node.add(tag, {key: texts[name]})
    rates = [(name, texts[name]) for name in ("inbound", "outbound") if name in texts]
    bandwidth = node.add("bandwidth") if rates else node
    for name, text in rates:
        bandwidth.add(name, _rate(name, text))
    return node


_PARTS = (("target", "target", "dev"), ("mac", "mac", "address"), ("script", "script", "path"),
          ("model", "model", "type"), ("alias", "alias", "name"))


def _card_source(node: Node, kind: str, source: str, texts: dict[str, str]) -> None:
    mode = texts.get("source_mode")
    if mode not in (None, "server", "client"):
        raise VirtctlError(f"Invalid source mode: {mode}")
    if kind == "vhostuser":
        node.add("source", {"type": "unix", "path": source, "mode": mode})
        return
    if kind == "hostdev":
        node.add("source").add("address", address(source))
        return
    if kind not in _SOURCES:
        raise VirtctlError(f"No support for {kind} in command 'attach-interface'")
    name = _SOURCES[kind]
    if name is not None:
        node.add("source", {name: source})


_RATES = ("average", "peak", "burst", "floor")


def _rate(name: str, text: str) -> dict[str, str]:
    """The attributes of a limit. Raises VirtctlError with virsh's words."""
    parts = text.split(",")
    if len(parts) > len(_RATES):
        raise VirtctlError(f"Rate string '{text}' has too many fields")
    rate = {key: part for key, part in zip(_RATES, parts, strict=False) if part}
    for key, part in rate.items():
        if not (part.isascii() and part.isdigit()):
            raise VirtctlError(f"field '{key}' is malformed")
    if name == "outbound" and "floor" in rate:
        raise VirtctlError("outbound floor is unsupported yet")
    if "average" not in rate and not (name == "inbound" and "floor" in rate):
        either = "either inbound average or floor" if name == "inbound" else "outbound average"
        raise VirtctlError(f"{either} is mandatory")
    return rate


@command(
    domain(),
    Text("type", "type of the network card", required=True),
    Text("mac", "its address; needed where there are several of the type"),
    *WHERE,
    PRINT,
)
def detach_interface(session: Session, domain: str, type: str, mac: str | None, print_xml: bool, **given: bool) -> None:
    """Takes a network card out of a guest."""
    session.domain(domain)
    affect = wanted(session, domain, given)
    try:
        node = _card(session, domain, type, mac, affect)
    except VirtctlError as error:
        session.fail(error)
        raise VirtctlError("Failed to detach interface") from None
    if print_xml:
        session.say(printed(node))
        return
    with attempting("Failed to detach interface"):
        session.changing("virDomainDetachDeviceFlags").detach_device(domain, to_text(node), affect)
    session.extra("Interface detached successfully\n")


def _card(session: Session, ref: str, kind: str, mac: str | None, affect: Affect) -> Node:
    options = DumpOptions(inactive=affect.config and not affect.live)
    found = [one for one in devices_in(session, ref, "interface", options) if one.attrs.get("type") == kind]
    if not found:
        raise VirtctlError(f"No interface found whose type is {kind}")
    if mac is None and len(found) > 1:
        raise VirtctlError(f"Domain has {len(found)} interfaces. Please specify which one to detach using --mac")
    for one in found:
        if mac is None or (one.get("mac/@address") or "").lower() == mac.lower():
            return one
    raise VirtctlError(f"No interface with MAC address {mac} was found")
