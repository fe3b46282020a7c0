"""The facts of this host that decide what a document means: emulators, machine types, firmware, processors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from virtctl.domain.host import Firmware, Host
from virtctl.errors import VirtctlError
from virtctl.paths import Paths
from virtctl.qemu import caps

EMULATORS = {"x86_64": "qemu-system-x86_64", "i686": "qemu-system-i386"}
FIRMWARE = (Path("/etc/qemu/firmware"), Path("/usr/share/qemu/firmware"))  # the first that has a name wins
NODES = Path("/sys/devices/system/node")
CPUS = Path("/sys/devices/system/cpu/possible")
SWTPM = ("swtpm", "swtpm_setup")


def host_facts(paths: Paths) -> Host:
    """The host as a value, in about a millisecond: what QEMU can do is remembered from one command to the next."""
    found = emulators()
    capabilities = _capabilities(found, paths)
    facts = Host(
        emulators=found,
        firmware=tuple(firmware_descriptors()),
        node_count=len([one for one in _names(NODES) if one.startswith("node") and one[4:].isdecimal()]) or 1,
        cpu_count=_cpu_count(),
        page_size=os.sysconf("SC_PAGE_SIZE"),
        kvm=os.access("/dev/kvm", os.R_OK | os.W_OK),
        nvram_dir=str(paths.nvram),
        tpm_versions=("1.2", "2.0") if all(_program(name) for name in SWTPM) else (),
    )
    if capabilities is None:
        return facts
    return facts._replace(
        machine_aliases=tuple(sorted(capabilities.aliases.items())),
        cpu_limits=tuple((machine.name, machine.max_cpus) for machine in capabilities.machines.values()),
        qemu_version=capabilities.version,
    )


def emulators() -> tuple[tuple[str, str], ...]:
    """The QEMU programs for the architectures that we know; the 64-bit one serves for both."""
    wide = _program(EMULATORS["x86_64"])
    narrow = _program(EMULATORS["i686"]) or wide
    return tuple((arch, path) for arch, path in (("x86_64", wide), ("i686", narrow)) if path)


def _program(name: str) -> str | None:
    for folder in ("/usr/bin", "/usr/local/bin"):
        if os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    return None


def _capabilities(found: tuple[tuple[str, str], ...], paths: Paths) -> caps.Capabilities | None:
    if not found:
        return None
    with suppress(VirtctlError):  # a QEMU that does not start is told of when a guest is started
        return caps.load(Path(found[0][1]), paths.lib / "qemu" / "capabilities")
    return None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names are wanted, a hundred Path objects are not
    except OSError:
        return []


def _cpu_count() -> int:
    with suppress(OSError, ValueError):
        return int(CPUS.read_text(encoding="ascii").strip().rpartition("-")[2]) + 1
    return os.cpu_count() or 1


def firmware_descriptors(folders: Iterable[Path] = FIRMWARE) -> list[Firmware]:
    """Every descriptor of the host by file name; an empty one in the first folder hides its namesake."""
    chosen: dict[str, Path] = {}
    for folder in folders:
        for name in _names(folder):
            if name.endswith(".json"):
                chosen.setdefault(name, folder / name)
    found = []
    for name in sorted(chosen):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            text = chosen[name].read_bytes()
            if text.strip():
                found.append(_descriptor(name, json.loads(text)))
    return found


def _descriptor(name: str, told: dict[str, Any]) -> Firmware:
    mapping = told["mapping"]
    executable = mapping["executable"] if mapping["device"] == "flash" else mapping
    template = mapping.get("nvram-template") or {}
    return Firmware(
        name=name,
        interfaces=tuple(told["interface-types"]),
        device=mapping["device"],
        executable=executable["filename"],
        executable_format=executable.get("format", "raw"),
        nvram_template=template.get("filename"),
        nvram_format=template.get("format"),
        targets=tuple((target["architecture"], tuple(target["machines"])) for target in told["targets"]),
        features=frozenset(told.get("features", ())),
        stateless=mapping.get("mode", "split") == "stateless",
    )
