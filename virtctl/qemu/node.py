"""The host itself: its processors and memory, its name, its QEMU."""

from __future__ import annotations

import os
import re
from pathlib import Path

from virtctl.values import NodeInfo

_CPUS = Path("/sys/devices/system/cpu")
_NODES = Path("/sys/devices/system/node")


def hostname() -> str:
    """The host's name, with its domain where the resolver knows it."""
    import socket

    short = os.uname().nodename
    try:
        found = socket.getaddrinfo(short, None, flags=socket.AI_CANONNAME)[0][3]
    except OSError:
        return short
    return found if found and not found.startswith("localhost") else short


def nodeinfo() -> NodeInfo:
    """Processors, topology and memory, from /proc and /sys."""
    cpus = _online()
    packages = {_topology(cpu, "physical_package_id") for cpu in cpus}
    cores = {(_topology(cpu, "physical_package_id"), _topology(cpu, "core_id")) for cpu in cpus}
    sockets = max(len(packages), 1)
    nodes = len([path for path in _NODES.glob("node[0-9]*")]) or 1
    per_socket = max(len(cores) // sockets, 1)
    threads = max(len(cpus) // max(len(cores), 1), 1)
    return NodeInfo(model=os.uname().machine, cpus=len(cpus), mhz=_mhz(), sockets=max(sockets // nodes, 1),
                    cores=per_socket, threads=threads, nodes=nodes, memory=_memory())


def _online() -> list[int]:
    return sorted(int(path.name[3:]) for path in _CPUS.glob("cpu[0-9]*") if _is_online(path))


def _is_online(path: Path) -> bool:
    try:
        return (path / "online").read_text().strip() == "1"
    except OSError:
        return True  # the first processor cannot be taken away and has no such file


def _topology(cpu: int, name: str) -> str:
    try:
        return (_CPUS / f"cpu{cpu}" / "topology" / name).read_text().strip()
    except OSError:
        return "0"


def _mhz() -> int:
    found = re.search(r"^cpu MHz\s*:\s*(\d+)", _read("/proc/cpuinfo"), re.MULTILINE)
    return int(found[1]) if found else 0


def _memory() -> int:
    found = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    return int(found[1]) if found else 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
