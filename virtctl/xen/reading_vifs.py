"""The network interfaces of a domain document."""

from __future__ import annotations

from virtctl.errors import UnsupportedConfig
from virtctl.xen.guest import Vif
from virtctl.xen.ledger import Cursor
from virtctl.xen.mapping import number
from virtctl.xen.vifs import parse_mac


def read_vif(cursor: Cursor, domid: int | None) -> Vif:
    """The interface of one element."""
    kind = cursor.attr("type") or ""
    cursor.skip("alias")
    if kind not in ("bridge", "ethernet"):
        raise UnsupportedConfig(f"unsupported interface type {kind}",
                                hint="name the host's bridge: <interface type='bridge'><source bridge='...'/>")
    mac = cursor.get("mac", "address")
    vlans, trunk = _vlans(cursor)
    return Vif(mac=parse_mac(mac) if mac else None, bridge=cursor.get("source", "bridge"),
               script=cursor.get("script", "path"), model=cursor.get("model", "type"), ifname=_name(cursor, domid),
               ips=tuple(_address(ip) for ip in cursor.children("ip")), rate=_rate(cursor),
               backend=cursor.get("backenddomain", "name"), vlans=vlans, trunk=trunk,
               openvswitch=_is_openvswitch(cursor), kind=kind)


def _address(ip: Cursor) -> str:
    ip.attr("family")
    return ip.attr("address") or ""


def _name(cursor: Cursor, domid: int | None) -> str | None:
    """The device name, unless it is one that xend made of a running domain's number."""
    name = cursor.get("target", "dev")
    return None if domid is not None and name is not None and name.startswith(f"vif{domid}.") else name


def _rate(cursor: Cursor) -> int | None:
    bandwidth = cursor.child("bandwidth")
    average = None if bandwidth is None else bandwidth.get("outbound", "average")
    return None if average is None else number(average, "bandwidth average")


def _vlans(cursor: Cursor) -> tuple[tuple[int, ...], bool]:
    vlan = cursor.child("vlan")
    if vlan is None:
        return (), False
    tags = tuple(number(tag.attr("id") or "", "vlan tag") for tag in vlan.children("tag"))
    return tags, vlan.attr("trunk") == "yes" or len(tags) > 1


def _is_openvswitch(cursor: Cursor) -> bool:
    port = cursor.child("virtualport")
    if port is None:
        return False
    if port.attr("type") != "openvswitch":
        raise UnsupportedConfig(f"virtualport of type '{port.attr('type')}' cannot be expressed")
    return True
