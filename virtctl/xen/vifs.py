"""Network interfaces: the words of a vif, the same in s-expressions and in xm's and xl's strings."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from virtctl.errors import UnsupportedConfig
from virtctl.schema.types import Mac
from virtctl.xen.guest import Vif

BRIDGE_SCRIPT = "vif-bridge"
MOST_ADDRESSES = 64
_PARAVIRTUAL = "netfront"
_HERE = ("", "0", "Domain-0", "dom0")
_RATE = re.compile(r"([0-9]{1,18})([GMK]?)([Bb])/s(?:@[0-9]+[mu]?s)?\Z")
_KIB = {"G": 1024 * 1024, "M": 1024, "K": 1}
_WITHOUT_MEANING = ("uuid", "backend", "type", "devid", "handle", "state", "backend-id")


def parse_rate(text: str) -> int:
    """KiB a second, from `10240KB/s`, `1Gb/s` and the like."""
    match = _RATE.match(text.strip())
    if not match:
        raise UnsupportedConfig(f"rate '{text}' of a vif: expected NUMBER[G|M|K](B|b)/s")
    number, unit, what = int(match[1]), match[2], match[3]
    kib = number * _KIB[unit] if unit else number // 1024
    return kib // 8 if what == "b" else kib


def format_rate(kib: int) -> str:
    """KiB a second as Xen writes it."""
    return f"{kib}KB/s"


def parse_mac(text: str) -> str:
    """The address in lower case."""
    try:
        return Mac().parse(text)
    except ValueError:
        raise UnsupportedConfig(f"malformed mac address '{text}'") from None


def _bridge(text: str, script: str | None) -> tuple[str, tuple[int, ...], bool, bool]:
    """(name, vlans, trunk, openvswitch): Open vSwitch's script takes `br0.42` and `br0:1:2`."""
    if "openvswitch" not in (script or ""):
        return text, (), False, False
    mark = next((character for character in text if character in ".:"), "")
    if not mark:
        return text, (), False, True
    name, _, tags = text.partition(mark)
    parts = tags.split(":") if mark == ":" else [tags]
    if not all(re.fullmatch(r"[0-9]{1,4}", part) and int(part) < 4096 for part in parts):
        raise UnsupportedConfig(f"vlan in bridge '{text}' of a vif: expected a number below 4096")
    return name, tuple(int(part) for part in parts), mark == ":", True


def vif_of(words: Mapping[str, str], notes: list[str]) -> Vif:
    """The interface that the words of a vif describe; words without a place in a domain document go to `notes`."""
    script = words.get("script") or None
    model = words.get("model") or None
    if model is None and words.get("type") in (_PARAVIRTUAL, "vif"):
        model = _PARAVIRTUAL
    bridge, vlans, trunk, switch = _bridge(words.get("bridge") or "", script)
    backend, ips = words.get("backend", ""), tuple(words.get("ip", "").split())
    if len(ips) > MOST_ADDRESSES:
        raise UnsupportedConfig(f"a vif of {len(ips)} addresses: more than {MOST_ADDRESSES}")
    for word, value in words.items():
        if word not in _WITHOUT_MEANING and word not in ("mac", "bridge", "script", "model", "vifname", "ip", "rate"):
            notes.append(f"vif: {word}={value} has no place in a domain document")
    kind = "bridge" if bridge or script == BRIDGE_SCRIPT else "ethernet"
    return Vif(mac=parse_mac(words["mac"]) if words.get("mac") else None, bridge=bridge or None, script=script,
               model=model, ifname=words.get("vifname") or None, ips=ips,
               rate=parse_rate(words["rate"]) if words.get("rate") else None,
               backend=None if backend in _HERE else backend, vlans=vlans, trunk=trunk, openvswitch=switch, kind=kind,
               emulated=words.get("type") == "ioemu")


def parse_vif(text: str, notes: list[str]) -> Vif:
    """The interface of xm's or xl's `mac=...,bridge=...`."""
    words: dict[str, str] = {}
    for part in text.split(","):
        word, mark, value = part.strip().partition("=")
        if part.strip() and not mark:
            raise UnsupportedConfig(f"vif '{text}': '{part.strip()}' is not NAME=VALUE")
        if word:
            words[word.strip()] = value.strip()
    return vif_of(words, notes)


def bridge_name(vif: Vif) -> str | None:
    """The bridge with its vlans, as Open vSwitch's script takes it."""
    if not vif.vlans or vif.bridge is None:
        return vif.bridge
    mark = ":" if vif.trunk else "."
    return vif.bridge + "".join(f"{mark}{vlan}" for vlan in vif.vlans)


def vif_words(vif: Vif, hvm: bool, paravirtual_type: str) -> list[tuple[str, str]]:
    """The words of a vif in libvirt's order. `paravirtual_type` is what the dialect calls a netfront device."""
    words: list[tuple[str, str | None]] = [("mac", vif.mac), ("bridge", bridge_name(vif)),
                                           ("ip", " ".join(vif.ips) or None), ("script", vif.script)]
    if hvm and vif.model == _PARAVIRTUAL:
        words.append(("type", paravirtual_type))
    else:
        words.append(("model", vif.model))
    words += [("vifname", vif.ifname), ("rate", None if vif.rate is None else format_rate(vif.rate)),
              ("backend", vif.backend)]
    return [(word, value) for word, value in words if value is not None]


def format_vif(vif: Vif, hvm: bool, paravirtual_type: str) -> str:
    """The string of xm and xl."""
    words = vif_words(vif, hvm, paravirtual_type)
    for word, value in words:
        if "," in value:
            raise UnsupportedConfig(f"the {word} '{value}' of an interface holds a comma")
    return ",".join(f"{word}={value}" for word, value in words)


def family(address: str) -> str:
    """`ipv4` or `ipv6`."""
    try:
        return f"ipv{ipaddress.ip_address(address).version}"
    except ValueError:
        return "ipv6" if ":" in address else "ipv4"
