"""What a domain's defaults and rules need to know of the host, as a value. Made by the driver from QEMU's answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple


class Firmware(NamedTuple):
    """One descriptor of /usr/share/qemu/firmware, in the order of its file name."""

    name: str
    interfaces: tuple[str, ...]
    device: str
    executable: str
    executable_format: str
    nvram_template: str | None
    nvram_format: str | None
    targets: tuple[tuple[str, tuple[str, ...]], ...]
    features: frozenset[str]
    stateless: bool = False


class Host(NamedTuple):
    """The host as the document sees it."""

    arch: str = "x86_64"
    emulators: tuple[tuple[str, str], ...] = (("x86_64", "/usr/bin/qemu-system-x86_64"),
                                              ("i686", "/usr/bin/qemu-system-i386"))
    machine_aliases: tuple[tuple[str, str], ...] = (("pc", "pc-i440fx-7.2"), ("q35", "pc-q35-7.2"))
    qemu_version: tuple[int, int, int] = (7, 2, 0)
    firmware: tuple[Firmware, ...] = ()
    node_count: int = 1
    cpu_count: int = 2
    page_size: int = 4096
    kvm: bool = True
    tpm_versions: tuple[str, ...] = ()  # that swtpm can emulate
    cpu_limits: tuple[tuple[str, int], ...] = ()  # every machine type, and how many processors it takes at most
    security_model: str = "none"
    nvram_dir: str = "/var/lib/libvirt/qemu/nvram"
    runs: Callable[[str], bool] = lambda path: os.access(path, os.X_OK)  # whether a program is there
    is_file: Callable[[str], bool] = os.path.isfile  # whether there is a file, a program or not

    def emulator(self, arch: str) -> str | None:
        """The QEMU program for an architecture, None when there is none."""
        return dict(self.emulators).get(arch)

    def arches_of(self, emulator: str) -> tuple[str, ...] | None:
        """The architectures that a QEMU program emulates, None when there is no such program."""
        for arch, path in self.emulators:
            if path == emulator:
                return (arch, "i686") if arch == "x86_64" else (arch,)
        if not self.runs(emulator):
            return None
        named = emulator.rpartition("/")[2].removeprefix("qemu-system-")
        return ("i686",) if named == "i386" else (named,) if named == "aarch64" else ("x86_64", "i686")

    def max_cpus(self, machine: str) -> int | None:
        """How many processors a machine type takes at most, None where QEMU did not say."""
        return dict(self.cpu_limits).get(machine)

    def has_machine(self, name: str) -> bool:
        """Whether QEMU knows a machine type; True where its list is not known."""
        return not self.cpu_limits or any(name == known for known, _ in self.cpu_limits)

    def default_cpu(self, emulator: str | None, machine: str) -> str | None:
        """The processor model that a QEMU program emulates by default on a machine type."""
        if machine in ("none", "x-remote"):
            return None
        if machine == "isapc":
            return "486"
        arches = self.arches_of(emulator or "") or ()
        return "qemu64" if "x86_64" in arches else "qemu32" if "i686" in arches else None

    def machine(self, name: str | None) -> str:
        """The full name behind a machine type's alias; the default machine for None."""
        return dict(self.machine_aliases).get(name or "pc", name or "pc")
