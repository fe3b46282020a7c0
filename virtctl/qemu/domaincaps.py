"""`domcapabilities`: what a guest of one machine type can be given by one QEMU program."""

from __future__ import annotations

from collections.abc import Iterable

from virtctl.errors import InvalidArgument, SystemFault, UnsupportedConfig
from virtctl.qemu.caps import Capabilities
from virtctl.qemu.context import Context
from virtctl.qemu.hostcaps import load, processor_model
from virtctl.schema.node import Node, to_text
from virtctl.values import WantedCapabilities

# Architectures that libvirt knows by name; another word is none.
ARCHES = frozenset(("aarch64", "armv7l", "i686", "loongarch64", "mips", "mipsel", "ppc64", "ppc64le", "riscv32",
                    "riscv64", "s390x", "sparc", "sparc64", "x86_64"))
VIDEO = (("vga", "VGA"), ("cirrus", "cirrus-vga"), ("vmvga", "vmware-svga"), ("qxl", "qxl-vga"),
         ("virtio", "virtio-gpu-pci"), ("none", ""), ("bochs", "bochs-display"), ("ramfb", "ramfb"))
TRANSITIONAL = ("virtio", "virtio-transitional", "virtio-non-transitional")
YES = {"supported": "yes"}
NO = {"supported": "no"}


def domain_capabilities(context: Context, wanted: WantedCapabilities) -> str:
    """The document. Raises VirtctlError for what is not there."""
    arch, emulator = _emulator(context, wanted)
    found = load(context, emulator)
    kind = wanted.virttype or ("kvm" if context.host.kvm else "qemu")
    if kind not in ("qemu", "kvm") or (kind == "kvm" and not context.host.kvm):
        raise InvalidArgument(f"Emulator '{emulator}' does not support virt type '{kind}'")
    machine = found.aliases.get(wanted.machine or "", wanted.machine) or found.default_machine
    if machine not in found.machines:
        raise InvalidArgument(f"the machine '{wanted.machine}' is not supported by emulator '{emulator}'")
    node = Node("domainCapabilities")
    for tag, text in (("path", emulator), ("domain", kind), ("machine", machine), ("arch", arch)):
        node.add(tag, text=text)
    node.add("vcpu", {"max": str(found.machines[machine].max_cpus)})
    node.add("iothreads", YES)
    _os(node.add("os", YES), context, arch, machine)
    _processors(node.add("cpu"), found, kind)
    _enums(node.add("memoryBacking", YES), sourceType=("file", "anonymous", "memfd"))
    _devices(node.add("devices"), context, found)
    features = node.add("features")
    features.add("gic", NO)
    for tag in ("vmcoreinfo", "genid", "backingStoreInput"):
        features.add(tag, YES)
    for tag in ("backup", "sev", "sgx"):
        features.add(tag, NO)
    return to_text(node)


def _emulator(context: Context, wanted: WantedCapabilities) -> tuple[str, str]:
    if wanted.arch is not None and wanted.arch not in ARCHES:
        raise InvalidArgument(f"unknown architecture: {wanted.arch}")
    if wanted.emulator is not None:
        arches = context.host.arches_of(wanted.emulator)
        if arches is None:
            missing = FileNotFoundError(2, "No such file or directory")
            raise SystemFault(f"Cannot check QEMU binary {wanted.emulator}", missing)
        return wanted.arch or arches[0], wanted.emulator
    arch = wanted.arch or context.host.arch
    emulator = context.host.emulator(arch)
    if emulator is None:
        raise UnsupportedConfig(f"unable to find any emulator to serve '{arch}' architecture")
    return arch, emulator


def _enums(node: Node, **enums: Iterable[str]) -> None:
    for name, values in enums.items():
        holder = node.add("enum", {"name": name})
        for value in values:
            holder.add("value", text=value)


def _os(node: Node, context: Context, arch: str, machine: str) -> None:
    """The UEFI images whose descriptors speak of this machine type."""
    from fnmatch import fnmatchcase

    fitting = [one for one in context.host.firmware if "uefi" in one.interfaces and one.device == "flash"
               and any(name == arch and any(fnmatchcase(machine, form) for form in forms)
                       for name, forms in one.targets)]
    _enums(node, firmware=("efi",) if fitting else ())
    loader = node.add("loader", YES)
    for path in dict.fromkeys(one.executable for one in fitting):
        loader.add("value", text=path)
    secure = any("requires-smm" in one.features for one in fitting)
    _enums(loader, type=("rom", "pflash"), readonly=("yes", "no"), secure=("yes", "no") if secure else ("no",))


def _processors(node: Node, found: Capabilities, kind: str) -> None:
    passed = node.add("mode", {"name": "host-passthrough", **(YES if kind == "kvm" else NO)})
    if kind == "kvm":
        _enums(passed, hostPassthroughMigratable=("on", "off"))
    _enums(node.add("mode", {"name": "maximum", **YES}), maximumMigratable=("on", "off"))
    model, vendor = processor_model()
    like = node.add("mode", {"name": "host-model", **YES})
    like.add("model", {"fallback": "forbid"}, model)
    if vendor:
        like.add("vendor", text=vendor)
    custom = node.add("mode", {"name": "custom", **YES})
    for name in sorted(found.cpu_models - {"host", "max", "base"}, key=str.lower):
        if "-v" not in name:
            custom.add("model", {"usable": "unknown", "vendor": "unknown"}, name)


def _devices(node: Node, context: Context, found: Capabilities) -> None:
    has = found.devices.__contains__
    spice = "spicevmc" in found.chardevs
    buses = ["ide", "fdc", "scsi", "virtio", *(["usb"] if has("usb-storage") else []), "sata"]
    _enums(node.add("disk", YES), diskDevice=("disk", "cdrom", "floppy", "lun"), bus=buses, model=TRANSITIONAL)
    _enums(node.add("graphics", YES), type=("vnc", *(["spice"] if spice else [])))
    _enums(node.add("video", YES), modelType=[name for name, device in VIDEO if not device or has(device)])
    _enums(node.add("hostdev", YES), mode=("subsystem",),
           startupPolicy=("default", "mandatory", "requisite", "optional"), subsysType=("usb", "pci"), capsType=(),
           pciBackend=("vfio",) if has("vfio-pci") else ())
    backends = [name for name, object in (("random", "rng-random"), ("egd", "rng-egd"), ("builtin", "rng-builtin"))
                if object in found.objects]
    _enums(node.add("rng", YES), model=TRANSITIONAL, backendModel=backends)
    _enums(node.add("filesystem", YES), driverType=("path", "virtiofs"))
    tpms = context.host.tpm_versions
    tpm = node.add("tpm", YES if has("tpm-tis") else NO)
    if has("tpm-tis"):
        _enums(tpm, model=[name for name in ("tpm-tis", "tpm-crb") if has(name)],
               backendModel=("passthrough", *(["emulator"] if tpms else []), "external"), backendVersion=tpms)
    _enums(node.add("redirdev", YES), bus=("usb",))
    _enums(node.add("channel", YES), type=("pty", "unix", *(["spicevmc"] if spice else [])))
