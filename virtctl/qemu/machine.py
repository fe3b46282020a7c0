"""The machine on QEMU's command line: type, memory, processors, clock, boot, firmware, sandbox, monitors."""

from __future__ import annotations

import time
from collections.abc import Iterator

from virtctl.argv import Opt, Value, opt, props
from virtctl.domain.clock import Clock, Timer
from virtctl.domain.devices import Devices
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.domain import Domain
from virtctl.domain.os import Os
from virtctl.qemu.board import is_q35, machine_name
from virtctl.qemu.firmware_options import firmware_options
from virtctl.qemu.memory_options import memory_options
from virtctl.qemu.plan import Plan
from virtctl.qemu.processor import cpu_option

SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
PIDFILE = "qemu.pid"
QMP_SOCKET = "qmp.sock"


def machine_options(plan: Plan) -> list[Opt]:
    """What stands before the devices."""
    domain = plan.domain
    return [
        opt("name", None, guest=domain.name, debug_threads=True),
        Opt("S"),
        *_machine(domain),
        Opt("accel", "kvm" if domain.type == "kvm" else _tcg(domain)),
        cpu_option(domain),
        *firmware_options(plan),
        *memory_options(domain),
        _smp(domain),
        *_iothreads(domain),
        Opt("uuid", domain.uuid),
        *([Opt("display", "none")] if _headless(domain) else []),
        Opt("no-user-config"),
        Opt("nodefaults"),
        *_monitors(),
        *_clock(domain),
        *_power(domain),
        *_actions(domain),
        *_boot(domain),
        *(Opt("add-fd", f"fd={fd},set={number}") for number, fd in plan.fd_sets.items()),
    ]


def closing_options(plan: Plan) -> list[Opt]:
    """What stands after the devices."""
    domain = plan.domain
    options = [Opt("sandbox", SANDBOX), opt("msg", None, timestamp=True)]
    if domain.genid is not None and domain.genid.value:
        options.append(Opt("device", props("vmgenid", [("guid", domain.genid.value), ("id", "vmgenid0")])))
    if plan.incoming is not None:
        options.append(Opt("incoming", plan.incoming))
    return options


def passthrough_words(domain: Domain) -> list[str]:
    """The arguments of `<qemu:commandline>`, as they stand."""
    return [arg.value for arg in domain.commandline.args] if domain.commandline else []


def _machine(domain: Domain) -> Iterator[Opt]:
    features = domain.features
    pairs: list[tuple[str, Value]] = [("usb", False)]
    if features is not None:
        pairs += [("vmport", features.vmport), ("smm", features.smm),
                  ("kernel_irqchip", {"kvm": "on", "qemu": "split"}.get(features.ioapic or ""))]
    pairs.append(("dump-guest-core", bool(domain.dump_core)))
    backing = domain.memory_backing
    if backing is not None and backing.nosharepages:
        pairs.append(("mem-merge", False))
    if domain.cpu is None or domain.cpu.numa is None or not domain.cpu.numa.cells:
        pairs.append(("memory-backend", "pc.ram"))
    yield Opt("machine", props(machine_name(domain), pairs))
    if features is None or not features.acpi:
        yield Opt("no-acpi")
    if features is not None and features.smm and features.tseg:
        yield Opt("global", f"mch.extended-tseg-mbytes={features.tseg // 1024}")
    if features is not None and features.vmcoreinfo:
        yield Opt("device", "vmcoreinfo")


def _tcg(domain: Domain) -> str:
    cache = domain.features.tcg.tb_cache if domain.features and domain.features.tcg else None
    return props("tcg", [("tb-size", cache // 1024 if cache else None)])


def _smp(domain: Domain) -> Opt:
    most = domain.vcpu or 1
    now = domain.vcpu_current or most
    topology = domain.cpu.topology if domain.cpu else None
    shape: list[tuple[str, Value]] = [("sockets", most), ("cores", 1), ("threads", 1)]
    if topology is not None:
        dies = topology.dies if topology.dies != 1 else None
        shape = [("sockets", topology.sockets), ("dies", dies), ("cores", topology.cores),
                 ("threads", topology.threads)]
    return Opt("smp", props(str(now), [("maxcpus", most if now != most else None), *shape]))


def _iothreads(domain: Domain) -> Iterator[Opt]:
    for thread in domain.iothread_ids or ():
        pool: list[tuple[str, Value]] = [("thread-pool-min", thread.pool_min), ("thread-pool-max", thread.pool_max)]
        yield Opt("object", props("iothread", [("id", f"iothread{thread.id}"), *pool]))
    if not domain.iothread_ids:
        for number in range(1, (domain.iothreads or 0) + 1):
            yield Opt("object", f"iothread,id=iothread{number}")


def _headless(domain: Domain) -> bool:
    shown = (domain.devices or Devices()).all(Graphics)
    return not any(one.type in ("sdl", "spice", "egl-headless", "dbus") for one in shown)


def _monitors() -> Iterator[Opt]:
    """The human monitor on a pty, and the machine-readable one for what the human one has no command for."""
    yield Opt("pidfile", PIDFILE)
    yield Opt("chardev", "pty,id=charmonitor")
    yield Opt("mon", "chardev=charmonitor,id=monitor,mode=readline")
    yield Opt("chardev", f"socket,id=charqmp,path={QMP_SOCKET},server=on,wait=off")
    yield Opt("mon", "chardev=charqmp,id=qmp,mode=control")


def _rtc_base(clock: Clock) -> str:
    if clock.offset == "absolute" and clock.start is not None:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(clock.start))
    if clock.offset == "localtime":
        return "localtime"
    shift = int(clock.adjustment) if clock.adjustment and clock.adjustment.lstrip("+-").isdecimal() else 0
    if clock.offset == "variable" and (shift or clock.basis == "localtime"):
        now = time.time() + shift
        local = time.localtime(now) if clock.basis == "localtime" else time.gmtime(now)
        return time.strftime("%Y-%m-%dT%H:%M:%S", local)
    if clock.offset == "timezone" and clock.timezone:
        from datetime import datetime
        from zoneinfo import ZoneInfo

        return datetime.now(ZoneInfo(clock.timezone)).strftime("%Y-%m-%dT%H:%M:%S")
    return "utc"


def _clock(domain: Domain) -> Iterator[Opt]:
    clock = domain.clock
    timers = {timer.name: timer for timer in clock.timers} if clock else {}
    rtc = timers.get("rtc")
    track = {"boot": "vm", "guest": "vm", "wall": "host", "realtime": "rt"}.get((rtc.track if rtc else None) or "")
    slew = "slew" if rtc is not None and rtc.tickpolicy == "catchup" else None
    base = _rtc_base(clock) if clock else "utc"
    yield Opt("rtc", props(None, [("base", base), ("clock", track), ("driftfix", slew)]))
    yield from _pit(timers.get("pit"))
    hpet = timers.get("hpet")
    if hpet is not None and hpet.present is False:
        yield Opt("no-hpet")


def _pit(pit: Timer | None) -> Iterator[Opt]:
    policy = pit.tickpolicy if pit is not None else None
    if policy in ("delay", "discard"):
        yield Opt("global", f"kvm-pit.lost_tick_policy={policy}")


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
    panic = {"preserve": "pause", "restart": "shutdown", "destroy": "shutdown"}.get(domain.on_crash or "destroy")
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
    for name in ("kernel", "initrd"):
        if getattr(os, name):
            yield Opt(name, getattr(os, name))
    if os.cmdline:
        yield Opt("append", os.cmdline)
    if os.use_serial:
        yield Opt("device", "sga")
    for table in os.acpi_tables:
        yield Opt("acpitable", props(None, [("sig", (table.type or "slic").upper()), ("file", table.path)]))
