"""What libvirt leaves out of a document for another host: what every version of it makes by itself."""

from __future__ import annotations

from virtctl.schema.node import Node, to_text


def trim(devices: Node) -> None:
    """Takes out of a written `<devices>` what is always there: PS/2 keyboard, first controllers, default sound."""
    gone = [child for child in devices.children if _implied_input(child)]
    pci = [child for child in devices.children if child.tag == "controller" and child.attrs.get("type") == "pci"]
    usb = [child for child in devices.children if child.tag == "controller" and child.attrs.get("type") == "usb"]
    conventional = any(child.attrs.get("model") == "pci-root" for child in pci)
    if len(usb) == 1 and conventional and usb[0].attrs["index"] == "0" \
            and usb[0].attrs.get("model", "piix3-uhci") == "piix3-uhci":
        gone += usb
    if len(pci) == 1 and conventional and not pci[0].children:
        gone += pci
    audio = [child for child in devices.children if child.tag == "audio"]
    if len(audio) == 1 and audio[0].attrs in ({"id": "1", "type": "none"}, {"id": "1", "type": "spice"}) \
            and not audio[0].children:
        gone += audio
    for display in devices.all("graphics"):
        _trim_listens(display)
    names = {id(node) for node in gone}
    devices.children = [child for child in devices.children if id(child) not in names]
    _sort_controllers(devices)


def _sort_controllers(devices: Node) -> None:
    """libvirt reads the document once more to trim it, and reading sorts controllers by type and index."""
    found = list(devices.all("controller"))
    kinds = list(dict.fromkeys(node.attrs.get("type") for node in found))
    ordered = iter(sorted(found, key=lambda node: (kinds.index(node.attrs.get("type")),
                                                   int(node.attrs.get("index", "0")), node.find("master") is not None)))
    devices.children = [next(ordered) if child.tag == "controller" else child for child in devices.children]


def _implied_input(node: Node) -> bool:
    return node.tag == "input" and node.attrs.get("type") == "keyboard" and node.attrs.get("bus") == "ps2"


def _trim_listens(display: Node) -> None:
    """Kinds of listening that were told by attributes once."""
    listens = list(display.all("listen"))
    if display.attrs.get("type") == "spice" and [one.attrs.get("type") for one in listens] == ["none"]:
        display.attrs.setdefault("autoport", "no")
        display.children = [child for child in display.children if child.tag != "listen"]
    if display.attrs.get("type") == "vnc" and "socket" in display.attrs:
        display.children = [child for child in display.children
                            if child.tag != "listen" or child.attrs.get("type") != "socket"]
        if not display.children:
            display.raw = to_text(display).replace("/>\n", ">\n    </graphics>")
