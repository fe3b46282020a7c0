"""`capabilities`: what this host and its QEMU programs offer, as a document."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from virtctl.qemu import caps
from virtctl.qemu.context import Context
from virtctl.qemu.nodememory import cells, total
from virtctl.schema.node import Node, to_text

CPUS = Path("/sys/devices/system/cpu")
WORDS = {"i686": "32", "x86_64": "64"}
VENDORS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD", "HygonGenuine": "Hygon"}
# The newest model of each vendor whose instructions the processor has: what a guest can be given on hosts like it.
MODELS = {
    "Intel": (("Skylake-Server-noTSX-IBRS", "avx512f avx512dq avx512bw avx512cd avx512vl clwb"),
              ("Skylake-Client-noTSX-IBRS", "adx rdseed smap xsavec clflushopt"),
              ("Broadwell-noTSX", "adx rdseed smap"), ("Haswell-noTSX", "avx2 fma bmi1 bmi2 movbe"),
              ("IvyBridge", "f16c rdrand avx"),
              ("SandyBridge", "avx xsave aes"), ("Westmere", "aes pclmulqdq"), ("Nehalem", "sse4_2 popcnt"),
              ("Penryn", "sse4_1 cx16"), ("Conroe", "ssse3")),
    "AMD": (("EPYC-Rome", "clwb rdpid wbnoinvd avx2"), ("EPYC", "avx2 adx sha_ni clflushopt"),
            ("Opteron_G5", "fma f16c tbm"), ("Opteron_G4", "avx xop fma4"), ("Opteron_G3", "popcnt sse4a abm"),
            ("Opteron_G2", "cx16 svm"), ("Opteron_G1", "lm")),
}


def capabilities(context: Context) -> str:
    """The document, laid out as libvirt does it."""
    parts = [host(context), *guests(context)]
    return "<capabilities>\n\n" + "".join(f"{to_text(part, 2)}\n" for part in parts) + "</capabilities>\n"


def host(context: Context) -> Node:
    """The machine: processor, memory and processors by cell."""
    node = Node("host")
    node.add("uuid", text=host_uuid())
    _processor(node.add("cpu"))
    node.add("power_management")
    node.add("iommu", {"support": "yes" if any(Path("/sys/class/iommu").glob("*")) else "no"})
    _topology(node.add("topology"))
    model = node.add("secmodel")
    model.add("model", text=context.host.security_model)
    model.add("doi", text="0")
    return node


def host_uuid() -> str:
    """The firmware's identity of the machine, else the system's."""
    for path in ("/sys/class/dmi/id/product_uuid", "/etc/machine-id"):
        try:
            found = Path(path).read_text(encoding="ascii").strip().replace("-", "").lower()
        except (OSError, UnicodeDecodeError):
            continue
        if re.fullmatch("[0-9a-f]{32}", found) and len(set(found)) > 1:
            return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"
    return "00000000-0000-0000-0000-000000000000"


def processor_facts() -> dict[str, str]:
    """The first processor's part of /proc/cpuinfo."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    return dict(re.findall(r"^(.*?)\s*:[ \t]*(.*)$", text, re.MULTILINE))


def processor_model() -> tuple[str, str]:
    """QEMU's name of the model that comes nearest, and its vendor."""
    facts = processor_facts()
    vendor = VENDORS.get(facts.get("vendor_id", ""), "")
    flags = set(facts.get("flags", "").split())
    for name, needed in MODELS.get(vendor, ()):
        if flags.issuperset(needed.split()):
            return name, vendor
    return "qemu64", vendor


def _processor(node: Node) -> None:
    facts = processor_facts()
    model, vendor = processor_model()
    node.add("arch", text=os.uname().machine)
    node.add("model", text=model)
    if vendor:
        node.add("vendor", text=vendor)
    if "microcode" in facts:
        node.add("microcode", {"version": str(int(facts["microcode"], 0))})
    if "cpu family" in facts:
        node.add("signature", {"family": facts["cpu family"], "model": facts.get("model"),
                               "stepping": facts.get("stepping")})
    from virtctl.qemu.node import nodeinfo

    found = nodeinfo()
    node.add("topology", {"sockets": str(found.sockets), "dies": "1", "cores": str(found.cores),
                          "threads": str(found.threads)})
    for size in page_sizes():
        node.add("pages", {"unit": "KiB", "size": str(size)})


def page_sizes() -> list[int]:
    """The sizes of memory pages, in KiB."""
    huge = [int(path.name.removeprefix("hugepages-")[:-2]) for path in
            Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB")]
    return sorted([os.sysconf("SC_PAGE_SIZE") // 1024, *huge])


def _topology(node: Node) -> None:
    found = cells()
    holder = node.add("cells", {"num": str(len(found))})
    for cell in found:
        one = holder.add("cell", {"id": str(cell)})
        memory = total(cell)
        one.add("memory", {"unit": "KiB"}, str(memory))
        small = page_sizes()[0]
        one.add("pages", {"unit": "KiB", "size": str(small)}, str(memory // small))
        numbers = _processors_of(cell)
        processors = one.add("cpus", {"num": str(len(numbers))})
        for number in numbers:
            processors.add("cpu", {
                "id": str(number), "socket_id": _fact(number, "physical_package_id"),
                "die_id": _fact(number, "die_id"), "core_id": _fact(number, "core_id"),
                "siblings": _fact(number, "thread_siblings_list", str(number)),
            })


def _processors_of(cell: int) -> list[int]:
    folder = Path(f"/sys/devices/system/node/node{cell}")
    place = folder if folder.is_dir() else CPUS
    return sorted(int(path.name[3:]) for path in place.glob("cpu[0-9]*") if (CPUS / path.name / "topology").is_dir())


def _fact(number: int, name: str, default: str = "0") -> str:
    try:
        found = (CPUS / f"cpu{number}" / "topology" / name).read_text(encoding="ascii").strip()
    except OSError:
        return default
    return default if found == "-1" else found


def load(context: Context, emulator: str) -> caps.Capabilities:
    """What a QEMU program can do. Raises VirtctlError."""
    return caps.load(Path(emulator), context.paths.lib / "qemu" / "capabilities")


def guests(context: Context) -> Iterator[Node]:
    """The guests that can be run: one part for each architecture."""
    for arch in WORDS:
        emulator = context.host.emulator(arch)
        if emulator is None:
            continue
        node = Node("guest")
        node.add("os_type", text="hvm")
        one = node.add("arch", {"name": arch})
        one.add("wordsize", text=WORDS[arch])
        one.add("emulator", text=emulator)
        _machines(one, load(context, emulator))
        for kind in ("qemu", *(["kvm"] if context.host.kvm else [])):
            one.add("domain", {"type": kind})
        features = node.add("features")
        for name in ("pae", "nonpae") if arch == "i686" else ():
            features.add(name)
        features.add("acpi", {"default": "on", "toggle": "yes"})
        features.add("apic", {"default": "on", "toggle": "no"})
        for name in ("cpuselection", "deviceboot"):
            features.add(name)
        features.add("disksnapshot", {"default": "on", "toggle": "no"})
        yield node


def _machines(node: Node, found: caps.Capabilities) -> None:
    """The default machine first, each alias behind what it stands for."""
    machines = sorted(found.machines.values(), key=lambda machine: not machine.default)
    for machine in machines:
        if machine.name == "none":
            continue
        facts = {"maxCpus": str(machine.max_cpus), "deprecated": "yes" if machine.deprecated else None}
        node.add("machine", facts, machine.name)
        if machine.alias:
            node.add("machine", {"canonical": machine.name, **facts}, machine.alias)
