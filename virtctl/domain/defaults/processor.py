"""The processor's model, how many processors there are and where they run, and the threads for I/O."""

from __future__ import annotations

from virtctl.domain import resctrl
from virtctl.domain.cpu import Cpu, CpuModel
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.machine import machine_of
from virtctl.domain.memory import NumaTune
from virtctl.domain.tuning import CpuTune, IoThread, IoThreadSched, Scheduler, VcpuSched, VcpuState
from virtctl.errors import InternalError, UnsupportedConfig, XmlDetail, XmlError


def vcpus(domain: Domain, host: Host) -> None:
    """One processor where none is told; each that is told by itself gets its state."""
    count = domain.vcpu = 1 if domain.vcpu is None else domain.vcpu
    if count == 0:
        raise InternalError("CPU IDs in <numa> exceed the <vcpu> count")
    current = count if domain.vcpu_current is None else domain.vcpu_current
    if current > count:
        raise UnsupportedConfig("maximum vCPU count must not be less than current vCPU count")
    if domain.vcpus:
        domain.vcpus = _states(domain.vcpus, count)
        current = sum(1 for state in domain.vcpus if state.enabled)
    domain.vcpu_current = None if current == count else current


def _states(given: list[VcpuState], count: int) -> list[VcpuState]:
    found: dict[int, VcpuState] = {}
    for state in given:
        if state.id >= count:
            raise XmlError(f"vcpu id '{state.id}' is out of range of maximum vcpu count")
        found[state.id] = state
    states = [found.get(number) or VcpuState(id=number, enabled=False) for number in range(count)]
    for state in states:
        if state.hotpluggable is None:
            state.hotpluggable = not state.enabled
        state.order = state.order or None
    return states


def placement(domain: Domain, host: Host) -> None:
    """Who chooses the host's CPUs and memory nodes: each follows from the other."""
    auto = domain.vcpu_placement == "auto"
    if auto:
        domain.vcpu_cpuset = None
    tune = domain.numatune
    if tune is None and auto:
        tune = domain.numatune = NumaTune()
    if tune is not None:
        _numatune(tune, auto)
    pins = domain.cputune
    pinned = pins is not None and bool(pins.vcpu_pins or pins.emulator_pins or pins.iothread_pins)
    if tune is not None and tune.placement == "auto" and domain.vcpu_cpuset is None and not pinned:
        auto = True
    domain.vcpu_placement = "auto" if auto else "static"


def _numatune(tune: NumaTune, auto: bool) -> None:
    if tune.placement is None and tune.nodeset is None and auto:
        tune.placement = "auto"
    if tune.mode is None and tune.nodeset is None and tune.placement is None:
        return
    tune.mode = tune.mode or "strict"
    if tune.placement != "auto":
        tune.placement = "static"
        if tune.nodeset is None:
            raise UnsupportedConfig("nodeset for NUMA memory tuning must be set if 'placement' is 'static'")
    else:
        tune.nodeset = None
        if tune.nodes:
            raise UnsupportedConfig("Per-node binding is not compatible with automatic NUMA placement.")


def iothreads(domain: Domain, host: Host) -> None:
    """Threads that are counted but not named get the lowest free numbers."""
    named = domain.iothread_ids
    taken = {thread.id for thread in named}
    if len(taken) < len(named):
        twice = next(thread.id for place, thread in enumerate(named) if thread.id in [one.id for one in named[:place]])
        raise XmlError(f"duplicate iothread id '{twice}' found")
    while named and len(named) < (domain.iothreads or 0):
        number = next(candidate for candidate in range(1, len(taken) + 2) if candidate not in taken)
        named.append(IoThread(id=number))
        taken.add(number)
    if named:
        domain.iothreads = len(named)
    domain.iothreads = domain.iothreads or None


def tuning(domain: Domain, host: Host) -> None:
    """Pins and schedulers are told of each thread by itself, and only of those that there are."""
    tune = domain.cputune
    if tune is None:
        return
    count = domain.vcpu or 1
    tune.vcpu_pins = [pin for pin in tune.vcpu_pins if pin.vcpu < count]
    numbers = domain.iothread_numbers()
    for pin in tune.iothread_pins:
        if pin.iothread not in numbers:
            raise UnsupportedConfig(f"Cannot find 'iothread' : {pin.iothread}")
    tune.iothread_pins.sort(key=lambda pin: numbers.index(pin.iothread))
    tune.cache_tunes = resctrl.complete(tune.cache_tunes, count)
    tune.memory_tunes = resctrl.complete(tune.memory_tunes, count)
    resctrl.check_overlap(tune.cache_tunes, tune.memory_tunes)
    _split_vcpu_scheds(tune, count)
    _split_iothread_scheds(tune, numbers)


def _split_vcpu_scheds(tune: CpuTune, count: int) -> None:
    found: dict[int, Scheduler] = {}
    for given in tune.vcpu_scheds:
        for number in sorted(given.vcpus):
            if number >= count:
                raise UnsupportedConfig(f"vCPU '{number}' is not present in domain definition")
            if number in found:
                raise XmlDetail("'vcpusched' attributes 'vcpus' must not overlap")
            found[number] = given
    tune.vcpu_scheds = [VcpuSched(vcpus=frozenset((number,)), scheduler=found[number].scheduler,
                                  priority=found[number].priority) for number in sorted(found)]


def _split_iothread_scheds(tune: CpuTune, numbers: list[int]) -> None:
    found: dict[int, Scheduler] = {}
    for given in tune.iothread_scheds:
        for number in sorted(given.iothreads):
            if number not in numbers:
                raise UnsupportedConfig(f"Cannot find 'iothread' : {number}")
            if number in found:
                raise XmlDetail("'iothreadsched' attributes 'iothreads' must not overlap")
            found[number] = given
    tune.iothread_scheds = [IoThreadSched(iothreads=frozenset((number,)), scheduler=found[number].scheduler,
                                          priority=found[number].priority) for number in numbers if number in found]


def model(domain: Domain, host: Host) -> None:
    """The processor that QEMU emulates by default, and how it is checked at start."""
    cpu = domain.cpu
    if cpu is None or ((cpu.mode or "custom") == "custom" and (cpu.model is None or cpu.model.name is None)):
        name = host.default_cpu(domain.devices.emulator if domain.devices else None, machine_of(domain))
        if name is None:
            return
        cpu = domain.cpu = cpu or Cpu()
        cpu.mode, cpu.match, cpu.checking = "custom", "exact", "none"
        cpu.model = CpuModel(fallback="forbid", name=name)
    if cpu.mode == "host-passthrough" and cpu.migratable is None:
        cpu.migratable = True
    if cpu.checking is None:
        cpu.checking = _checking(cpu.mode, domain.type)


def _checking(mode: str | None, kind: str) -> str:
    if mode in ("host-passthrough", "maximum"):
        return "none"
    return "none" if mode == "custom" and kind == "qemu" else "partial"
