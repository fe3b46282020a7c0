"""The machine on QEMU's command line: type, memory, processors, clock, boot, firmware, sandbox, monitors."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, opt, props
from virtctl.domain.devices import Devices
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.devices.memory import MemoryDevice
from virtctl.domain.domain import Domain
from virtctl.domain.os import Os
from virtctl.qemu.board import is_q35, machine_name
from virtctl.qemu.clock_options import clock_options
from virtctl.qemu.firmware_options import NVRAM_SET, firmware_options, table_options
from virtctl.qemu.memory_options import memory_options
from virtctl.qemu.numa_options import has_hmat, numa_options
from virtctl.qemu.plan import Plan
from virtctl.qemu.processor import cpu_option
from virtctl.qemu.sounds import pc_speaker
from virtctl.state.status import WITNESS

SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
PIDFILE = "qemu.pid"
QMP_SOCKET = "qmp.sock"
_COMPAT = {"omit": "deprecated-output=hide", "reject": "deprecated-output=hide,deprecated-input=reject",
           "crash": "deprecated-output=hide,deprecated-input=crash"}


def machine_options(plan: Plan) -> list[Opt]:
    """What stands before the devices."""
    domain = plan.domain
    return [
        opt("name", None, guest=domain.name, debug_threads=True),
        Opt("S"),
        *_machine(plan),
        Opt("accel", _accelerator(domain)),
        cpu_option(domain),
        *firmware_options(plan),
        *memory_options(plan),
        _smp(domain),
        *_iothreads(domain),
        *numa_options(plan),
        Opt("uuid", domain.uuid),
        *table_options(domain),
        *([Opt("display", "none")] if _headless(domain) else []),
        Opt("no-user-config"),
        Opt("nodefaults"),
        *_monitors(plan),
        *clock_options(domain),
        *_power(domain),
        *_actions(domain),
        *_boot(domain),
        *_extras(domain),
        *(Opt("add-fd", f"fd={fd},set={number}") for number, fd in plan.fd_sets.items()),
        *(Opt("add-fd", f"fd={fd},set={NVRAM_SET}") for fd in plan.nvram_fds),
    ]


def closing_options(plan: Plan) -> list[Opt]:
    """What stands after the devices."""
    domain = plan.domain
    options = [Opt("sandbox", SANDBOX), opt("msg", None, timestamp=True)]
    behaviour = domain.deprecation.behavior if domain.deprecation else None
    if behaviour in _COMPAT:
        options.append(Opt("compat", _COMPAT[behaviour]))
    if plan.incoming is not None:
        options.append(Opt("incoming", plan.incoming))
    return options


def passthrough_words(domain: Domain) -> list[str]:
    """The arguments of `<qemu:commandline>`, as they stand."""
    return [arg.value for arg in domain.commandline.args] if domain.commandline else []


def _machine(plan: Plan) -> Iterator[Opt]:
    domain = plan.domain
    features = domain.features
    pairs: list[tuple[str, Value]] = [("usb", False)]
    if features is not None:
        pairs += [("vmport", features.vmport), ("smm", features.smm),
                  ("kernel_irqchip", {"kvm": "on", "qemu": "split"}.get(features.ioapic or ""))]
    pairs.append(("dump-guest-core", bool(domain.dump_core)))
    backing = domain.memory_backing
    pairs.append(("mem-merge", False if backing is not None and backing.nosharepages else None))
    modules = domain.devices.all(MemoryDevice) if domain.devices else []
    pairs.append(("nvdimm", True if any(module.model == "nvdimm" for module in modules) else None))
    numa = domain.cpu.numa if domain.cpu else None
    pairs.append(("hmat", True if numa is not None and has_hmat(numa) else None))
    if numa is None or not numa.cells:
        pairs.append(("memory-backend", "pc.ram"))
    pairs += [("pcspk-audiodev", pc_speaker(plan)),
              ("graphics", False if domain.os is not None and domain.os.use_serial else None)]
    yield Opt("machine", props(machine_name(domain), pairs))
    if features is None or not features.acpi:
        yield Opt("no-acpi")
    if features is not None and features.smm and features.tseg:
        yield Opt("global", f"mch.extended-tseg-mbytes={features.tseg >> 20}")


def _extras(domain: Domain) -> Iterator[Opt]:
    """The device that stands for the guest's generation; before all others, as libvirt has it."""
    if domain.genid is not None and domain.genid.value:
        yield Opt("device", props("vmgenid", [("guid", domain.genid.value), ("id", "vmgenid0")]))


def _accelerator(domain: Domain) -> str:
    features = domain.features
    if domain.type == "kvm":
        ring = features.kvm.dirty_ring_size if features and features.kvm and features.kvm.dirty_ring else None
        return props("kvm", [("dirty-ring-size", ring)])
    cache = features.tcg.tb_cache if features and features.tcg else None
    return props("tcg", [("tb-size", cache // 1024 if cache else None)])


def cold_processors(domain: Domain) -> int:
    """How many processors QEMU starts with; those that the document calls hot-pluggable are added afterwards."""
    if domain.vcpus:
        return sum(1 for one in domain.vcpus if one.enabled and not one.hotpluggable)
    return domain.vcpu_current or domain.vcpu or 1


def _smp(domain: Domain) -> Opt:
    most = domain.vcpu or 1
    now = cold_processors(domain)
    topology = domain.cpu.topology if domain.cpu else None
    shape: list[tuple[str, Value]] = [("sockets", most), ("cores", 1), ("threads", 1)]
    if topology is not None:
        shape = [("sockets", topology.sockets), ("dies", topology.dies), ("cores", topology.cores),
                 ("threads", topology.threads)]
    return Opt("smp", props(str(now), [("maxcpus", most if now != most else None), *shape]))


def _iothreads(domain: Domain) -> Iterator[Opt]:
    for thread in domain.iothread_ids or ():
        pool: list[tuple[str, Value]] = [("thread-pool-min", thread.pool_min), ("thread-pool-max", thread.pool_max)]
        yield Opt("object", props("iothread", [("id", f"iothread{thread.id}"), *pool]))
    if not domain.iothread_ids:
        for number in range(1, (domain.iothreads or 0) + 1):
            yield Opt("object", f"iothread,id=iothread{number}")
    least, most = domain.default_pool_min, domain.default_pool_max
    if least is not None or most is not None:
        yield Opt("object", props("main-loop", [("id", "main-loop"), ("thread-pool-min", least),
                                                ("thread-pool-max", most)]))


def _headless(domain: Domain) -> bool:
    shown = (domain.devices or Devices()).all(Graphics)
    return all(one.type == "desktop" for one in shown)


def _monitors(plan: Plan) -> Iterator[Opt]:
    """The human monitor on a pty, and the machine-readable one for what the human one has no command for."""
    if plan.account is None:
        yield Opt("pidfile", PIDFILE)
    else:  # QEMU would not find out where that is; a socket, too, is removed at an end in good order only
        yield Opt("chardev", f"socket,id=charwitness,path={WITNESS},server=on,wait=off")
    yield Opt("chardev", "pty,id=charmonitor")
    yield Opt("mon", "chardev=charmonitor,id=monitor,mode=readline")
    door = f"path={QMP_SOCKET}" if plan.qmp is None else f"fd={plan.qmp}"
    yield Opt("chardev", f"socket,id=charqmp,{door},server=on,wait=off")
    yield Opt("mon", "chardev=charqmp,id=qmp,mode=control")


def _power(domain: Domain) -> Iterator[Opt]:
    chip = "ICH9-LPC" if is_q35(domain) else "PIIX4_PM"
    if domain.pm is not None:
        for name, allowed in (("disable_s3", domain.pm.suspend_to_mem), ("disable_s4", domain.pm.suspend_to_disk)):
            if allowed is not None:
                yield Opt("global", f"{chip}.{name}={int(not allowed)}")


def _actions(domain: Domain) -> Iterator[Opt]:
    """What the guest's own power off, reboot and crash lead to, as far as QEMU alone can carry it."""
    reboot = "shutdown" if domain.on_reboot == "destroy" else None
    shutdown = "pause" if domain.on_poweroff == "preserve" else None
    kept = ("preserve", "coredump-destroy", "coredump-restart")
    panic = "pause" if domain.on_crash in kept else "shutdown"
    chosen = props(None, [("reboot", reboot), ("shutdown", shutdown), ("panic", panic)])
    yield Opt("action", chosen)


def _boot(domain: Domain) -> Iterator[Opt]:
    os = domain.os
    pairs: list[tuple[str, Value]] = []
    if os is not None and os.bootmenu is not None:
        pairs += [("menu", os.bootmenu.enable), ("splash-time", os.bootmenu.timeout)]
    if os is not None:
        pairs.append(("reboot-timeout", os.reboot_timeout))
    yield Opt("boot", props(None, [*pairs, ("strict", True)]))
    if os is not None:
        yield from _direct(os)


def _direct(os: Os) -> Iterator[Opt]:
    """Kernel, initrd, and what else the firmware is handed."""
    for name in ("kernel", "initrd", "dtb"):
        if getattr(os, name):
            yield Opt(name, getattr(os, name))
    if os.cmdline:
        yield Opt("append", os.cmdline)
    for table in os.acpi_tables:
        yield Opt("acpitable", props(None, [("sig", (table.type or "slic").upper()), ("file", table.path)]))
