"""Media of drives and cables of network cards: change-media, domif-getlink, domif-setlink."""

from __future__ import annotations

from virtctl.cli.commands.describing import affected
from virtctl.cli.operands import Choice, Flag, Text, command, domain, exclusive
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError, attempting
from virtctl.schema.node import Node, to_text
from virtctl.values import BlockRow, DumpOptions


def devices_in(session: Session, ref: str, tag: str, options: DumpOptions) -> list[Node]:
    """The devices of one kind in a domain's document."""
    from virtctl.schema.xmlio import read

    devices = read(session.driver.dumpxml(ref, options)).find("devices")
    return [] if devices is None else list(devices.all(tag))


def device_xml(session: Session, ref: str, tag: str, options: DumpOptions, wanted: tuple[str, ...]) -> Node:
    """A device of the document; `wanted` are its target, source or address."""
    for device in devices_in(session, ref, tag, options):
        names = {value for node in (device, *device.children) for value in node.attrs.values()}
        if names.issuperset(wanted):
            return device
    raise VirtctlError(f"{tag} {' '.join(wanted)} not found")


def printed(node: Node) -> str:
    """A device as it stands in a document, in virsh's quotes."""
    return to_text(node, 4).strip().replace("'", '"')


@command(
    domain(),
    Text("path", "the drive, by target or by what is in it", required=True, source="disk"),
    Text("source", "image that goes in", source="file"),
    Flag("eject", "take out what is in it"),
    Flag("insert", "put something into an empty drive"),
    Flag("update", "put something in instead of what is there"),
    Flag("current", "of what there is now"),
    Flag("live", "of the running guest"),
    Flag("config", "of the definition"),
    Flag("force", "even when the guest has locked the drive"),
    Flag("print-xml", "print the new XML of the drive, and change nothing", "print_xml"),
    Flag("block", "the source is a device, not a file"),
)
def change_media(session: Session, domain: str, path: str, source: str | None, **given: bool) -> None:
    """Changes what is in a CD or floppy drive."""
    for one, other in (("eject", "insert"), ("eject", "update"), ("insert", "update")):
        exclusive(**{one: given[one], other: given[other]})
    affect = affected(given["live"], given["config"], given["current"])
    session.domain(domain)
    action = "eject" if given["eject"] else "insert" if given["insert"] else "update"
    drive = _drive(session, domain, path, inactive=given["config"] and not given["live"])
    _check(drive, action, source, explicit=given["update"])
    new = None if action == "eject" else source
    if given["print_xml"]:
        session.say(_changed(session, domain, drive, new, block=given["block"], inactive=given["config"]))
        return
    with attempting(f"Failed to complete action {action} on media"):
        driver = session.changing("virDomainUpdateDeviceFlags")
        driver.change_media(domain, drive.target, new, affect, force=given["force"])
    session.extra(f"Successfully {action.removesuffix('e')}ed media.")


def _drive(session: Session, ref: str, path: str, *, inactive: bool) -> BlockRow:
    for row in session.driver.block_rows(ref, inactive=inactive):
        if row.device in ("cdrom", "floppy") and path in (row.target, row.source):
            return row
    raise VirtctlError(f"No disk found whose source path or target is {path}")


def _check(drive: BlockRow, action: str, source: str | None, *, explicit: bool) -> None:
    if drive.source is None and (action == "eject" or (explicit and source is None)):
        raise VirtctlError(f"The disk device '{drive.target}' doesn't have media")
    if action != "eject" and source is None:
        raise VirtctlError("New disk media source was not specified")
    if action == "insert" and drive.source is not None:
        raise VirtctlError(f"The disk device '{drive.target}' already has media")


def _changed(session: Session, ref: str, drive: BlockRow, source: str | None, *, block: bool, inactive: bool) -> str:
    node = device_xml(session, ref, "disk", DumpOptions(inactive=inactive), (drive.target,))
    node.children = [child for child in node.children if child.tag != "source"]
    if source is not None:
        node.attrs["type"] = "block" if block else "file"
        place = next(at for at, child in enumerate(node.children) if child.tag == "target")
        node.children.insert(place, Node("source", {"dev" if block else "file": source}))
    return printed(node)


@command(
    domain(),
    Text("interface", "the network card, by its address or its name on the host", required=True),
    Flag("config", "of the definition"),
    reports=True,
)
def domif_getlink(session: Session, domain: str, interface: str, config: bool) -> None:
    """Prints whether the cable of a network card is plugged in."""
    session.domain(domain)
    state = session.driver.link_state(domain, interface, inactive=config)
    if state is None:
        raise VirtctlError(f"Interface (dev: {interface}) not found.")
    session.show({"interface": interface, "state": state}, f"{interface} {state}")


@command(
    domain(),
    Text("interface", "the network card, by its address or its name on the host", required=True),
    Choice("state", "up or down", ("up", "down"), required=True),
    Flag("config", "of the definition"),
    Flag("print-xml", "print the new XML of the card, and change nothing", "print_xml"),
)
def domif_setlink(
    session: Session, domain: str, interface: str, state: str, config: bool, print_xml: bool
) -> None:
    """Plugs the cable of a network card in or out."""
    session.domain(domain)
    if state not in ("up", "down"):
        raise VirtctlError(f"invalid link state '{state}'")
    driver = session.driver
    if driver.link_state(domain, interface, inactive=config) is None:
        raise VirtctlError(f"interface '{interface}' not found")
    if print_xml:
        node = device_xml(session, domain, "interface", DumpOptions(inactive=config), (interface,))
        node.children = [child for child in node.children if child.tag != "link"]
        place = next((at for at, one in enumerate(node.children) if one.tag in ("alias", "address")), None)
        node.children.insert(len(node.children) if place is None else place, Node("link", {"state": state}))
        session.say(printed(node))
        return
    with attempting("Failed to update interface link state"):
        affect = affected(live=False, config=config, current=False)
        session.changing("virDomainUpdateDeviceFlags").set_link(domain, interface, state, affect)
    session.extra("Device updated successfully\n")
