"""Tap devices: made for a guest's interface, put into a bridge, handed to QEMU as an open descriptor.

The kernel removes a tap that is not persistent when the last descriptor closes, so nothing has to be cleaned up.
Sources: linux/if_tun.h, linux/sockios.h.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from pathlib import Path

from virtctl.errors import InvalidArgument, SystemFault

_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR, _IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100
_SIOCBRADDIF, _SIOCGIFINDEX, _SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFMTU = 0x89A2, 0x8933, 0x8913, 0x8914, 0x8922
_IFF_UP = 1
_IFNAMSIZ = 16


def _name(name: str) -> bytes:
    encoded = name.encode()
    if len(encoded) >= _IFNAMSIZ:
        raise InvalidArgument(f"interface name '{name}' is too long: {_IFNAMSIZ - 1} bytes are allowed")
    return encoded


def open_tap(name: str, *, queues: int = 1, vnet_header: bool = False) -> tuple[str, list[int]]:
    """Makes (or opens) a tap; `vnet%d` takes the next free number. Returns its name and a descriptor a queue."""
    flags = _IFF_TAP | _IFF_NO_PI | (_IFF_VNET_HDR if vnet_header else 0) | (_IFF_MULTI_QUEUE if queues > 1 else 0)
    fds: list[int] = []
    try:
        for _ in range(queues):
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fds.append(fd)
            answer = fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", _name(name), flags))
            name = answer[:_IFNAMSIZ].rstrip(b"\0").decode()
    except OSError as error:
        for fd in fds:
            os.close(fd)
        raise SystemFault(f"Unable to create tap device {name}", error,
                          hint="taps need root or CAP_NET_ADMIN; <interface type='user'> needs neither") from error
    return name, fds


def exists(name: str) -> bool:
    """Whether the host has a network interface of that name."""
    return Path("/sys/class/net", name).exists()


def is_bridge(name: str) -> bool:
    """Whether that interface is a bridge."""
    return Path("/sys/class/net", name, "bridge").is_dir()


def join_bridge(tap: str, bridge: str) -> None:
    """Makes the tap a port of the bridge."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            found = fcntl.ioctl(control, _SIOCGIFINDEX, struct.pack("16s20x", _name(tap)))
            index = struct.unpack_from("i", found, 16)[0]
            fcntl.ioctl(control, _SIOCBRADDIF, struct.pack("16si16x", _name(bridge), index))
        except OSError as error:
            raise SystemFault(f"Unable to add bridge {bridge} port {tap}", error) from error


def set_up(tap: str, *, mtu: int | None = None) -> None:
    """Brings the tap up, with a maximum transfer unit in bytes if one is given."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            if mtu is not None:
                fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si16x", _name(tap), mtu))
            found = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16s20x", _name(tap)))
            flags = struct.unpack_from("h", found, 16)[0] | _IFF_UP
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh18x", _name(tap), flags))
        except OSError as error:
            raise SystemFault(f"cannot bring interface '{tap}' up", error) from error
