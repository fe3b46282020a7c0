"""What the installed QEMU can do, asked of it once and remembered until it changes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from virtctl.errors import QemuFailed, SystemFault, UnsupportedConfig, VirtctlError
from virtctl.qemu.spawn import CLEAN_PATH, INSTALL_HINT, last_words
from virtctl.state.atomic import make_dir, write_file

_FORMAT = 2  # of the cache file
_PROBE = (
    {"execute": "qmp_capabilities"},
    {"execute": "query-version"},
    {"execute": "query-machines"},
    {"execute": "query-cpu-definitions"},
    {"execute": "qom-list-types", "arguments": {"implements": "device", "abstract": False}},
    {"execute": "qom-list-types", "arguments": {"implements": "user-creatable", "abstract": False}},
    {"execute": "query-chardev-backends"},
    {"execute": "query-kvm"},
    {"execute": "quit"},
)


class Machine(NamedTuple):
    """A machine type."""

    name: str
    alias: str | None
    default: bool
    max_cpus: int
    deprecated: bool


class Capabilities(NamedTuple):
    """What one emulator can do."""

    emulator: str
    version: tuple[int, int, int]
    package: str
    machines: dict[str, Machine]
    cpu_models: frozenset[str]
    devices: frozenset[str]
    objects: frozenset[str]
    chardevs: frozenset[str]
    kvm: bool  # built in; whether /dev/kvm can be used is another matter

    @property
    def aliases(self) -> dict[str, str]:
        """The short names of machine types: `pc` stands for pc-i440fx-7.2."""
        return {machine.alias: machine.name for machine in self.machines.values() if machine.alias}

    @property
    def default_machine(self) -> str:
        """The machine type of a domain that names none."""
        return next((machine.name for machine in self.machines.values() if machine.default), self.resolve_machine("pc"))

    def resolve_machine(self, name: str | None) -> str:
        """The full name of a machine type; None asks for the default. Raises UnsupportedConfig for an unknown one."""
        if name is None:
            return self.default_machine
        full = self.aliases.get(name, name)
        if full not in self.machines:
            raise UnsupportedConfig(f"Emulator '{self.emulator}' does not support machine type '{name}'")
        return full


def find_emulator(arch: str = "x86_64", path: str = CLEAN_PATH) -> Path:
    """Where QEMU for guests of `arch` is: libvirt's place, then `path`. Raises SystemFault, naming Debian's package."""
    names = [f"qemu-system-{arch}", *(["kvm", "qemu-kvm"] if arch == "x86_64" else [])]
    folders = ["/usr/bin", *(folder for folder in path.split(":") if folder.startswith("/"))]
    for folder in dict.fromkeys(folders):
        for name in names:
            candidate = Path(folder, name)
            if candidate.is_file() and os.access(candidate, os.X_OK):
                return candidate
    missing = FileNotFoundError(2, os.strerror(2))
    raise SystemFault(f"Cannot find QEMU emulator '{names[0]}'", missing, hint=INSTALL_HINT)


def load(binary: Path, cache_dir: Path) -> Capabilities:
    """The capabilities of `binary`, from the cache when neither it nor its modules have changed since.

    Raises SystemFault when it cannot be run, QemuFailed when it does not answer as a QEMU does.
    """
    mark = _mark(binary)
    cached = cache_dir / f"capabilities-{hashlib.sha256(os.fsencode(binary)).hexdigest()[:16]}.json"
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        found = json.loads(cached.read_bytes())
        if found["mark"] == mark:
            return _from_json(found["capabilities"])
    capabilities = probe(binary)
    with suppress(VirtctlError, OSError):  # a full or read-only disk costs time, nothing else
        make_dir(cache_dir)
        text = json.dumps({"mark": mark, "capabilities": _to_json(capabilities)}, indent=1, sort_keys=True)
        write_file(cached, text.encode() + b"\n", sync=False)
    return capabilities


def probe(binary: Path) -> Capabilities:
    """Asks QEMU itself, on a machine without anything (about 50 ms)."""
    import subprocess

    argv = [str(binary), "-machine", "none", "-nodefaults", "-no-user-config", "-display", "none", "-qmp", "stdio"]
    asked = "\n".join(map(json.dumps, _PROBE)) + "\n"
    environment = {"LC_ALL": "C", "PATH": CLEAN_PATH}
    try:
        with os.fdopen(os.memfd_create("probe"), "w+b") as script:  # all there at once: QEMU ends even if we die
            script.write(asked.encode())
            script.seek(0)
            done = subprocess.run(argv, stdin=script, capture_output=True, timeout=30, env=environment)
    except OSError as cause:
        raise SystemFault(f"Cannot run emulator '{binary}'", cause, hint=INSTALL_HINT) from cause
    except subprocess.TimeoutExpired as cause:
        raise QemuFailed(f"emulator '{binary}' did not say what it can do within 30 seconds") from cause
    try:
        return _understand(str(binary), _returns(done.stdout))
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        words = last_words(done.stderr) or f"exit status {done.returncode}"
        raise QemuFailed(f"emulator '{binary}' did not say what it can do: {words}") from cause


def _returns(output: bytes) -> list[Any]:
    messages = [json.loads(line) for line in output.splitlines() if line.strip()]
    returns = [message["return"] for message in messages if "return" in message]
    if len(returns) < len(_PROBE) - 1:  # the answer to quit may be missing
        raise ValueError("answers are missing")
    return returns


def _understand(binary: str, returns: Sequence[Any]) -> Capabilities:
    _, version, machines, cpus, devices, objects, chardevs, kvm, *_ = returns
    number = version["qemu"]
    return Capabilities(
        emulator=binary,
        version=(number["major"], number["minor"], number["micro"]),
        package=version["package"],
        machines={entry["name"]: _machine(entry) for entry in machines},
        cpu_models=_names(cpus),
        devices=_names(devices),
        objects=_names(objects),
        chardevs=_names(chardevs),
        kvm=bool(kvm["present"]),
    )


def _machine(entry: dict[str, Any]) -> Machine:
    return Machine(
        entry["name"], entry.get("alias"), bool(entry.get("is-default")), entry["cpu-max"], bool(entry["deprecated"])
    )


def _names(entries: Sequence[dict[str, Any]]) -> frozenset[str]:
    return frozenset(entry["name"] for entry in entries)


def _to_json(capabilities: Capabilities) -> dict[str, Any]:
    named = capabilities._asdict()
    plain = {key: sorted(value) if isinstance(value, frozenset) else value for key, value in named.items()}
    return {**plain, "machines": [list(machine) for machine in capabilities.machines.values()]}


def _from_json(found: dict[str, Any]) -> Capabilities:
    sets = {key: frozenset(found[key]) for key in ("cpu_models", "devices", "objects", "chardevs")}
    machines = {entry[0]: Machine(*entry) for entry in found["machines"]}
    major, minor, micro = found["version"]
    rest = {key: found[key] for key in ("emulator", "package", "kvm")}
    return Capabilities(**{**rest, **sets, "machines": machines, "version": (major, minor, micro)})


def _mark(binary: Path) -> list[Any]:
    """What changes when QEMU or one of its modules is installed, replaced or removed."""
    try:
        status = binary.stat()
    except OSError as cause:
        raise SystemFault(f"Cannot check QEMU binary {binary}", cause, hint=INSTALL_HINT) from cause
    modules = [folder.stat().st_mtime_ns for folder in sorted(Path("/usr/lib").glob("*/qemu"))]
    return [_FORMAT, str(binary), status.st_mtime_ns, status.st_size, modules]
