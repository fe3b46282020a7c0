"""Rules about the whole guest: life cycle, processors, topology, features that the machine cannot have."""

from __future__ import annotations

from virtctl.domain.defaults.numa import cells_of
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.machine import is_q35, machine_of
from virtctl.domain.tuning import VcpuState, check_pool
from virtctl.errors import UnsupportedConfig, XmlDetail, XmlError

KVM_HINT = ("/dev/kvm cannot be opened: load the module kvm_intel or kvm_amd, join the group kvm, "
            "or use <domain type='qemu'>")


def emulator(domain: Domain, host: Host) -> None:
    """The QEMU program must be able to run such a guest."""
    os, program = domain.os, domain.devices.emulator or "" if domain.devices else ""
    if os is None:
        return
    told = f"Emulator '{program}' does not support"
    if os.type != "hvm":
        raise UnsupportedConfig(f"{told} os type '{os.type}'")
    if os.arch not in (host.arches_of(program) or ()):
        raise UnsupportedConfig(f"{told} arch '{os.arch}'")
    if domain.type != "qemu" and not (domain.type == "kvm" and host.kvm):
        raise UnsupportedConfig(f"{told} virt type '{domain.type}'", hint=KVM_HINT if domain.type == "kvm" else None)
    if not host.has_machine(machine_of(domain)):
        raise UnsupportedConfig(f"{told} machine type '{machine_of(domain)}'")


def words(domain: Domain, host: Host) -> None:
    """The title is one line."""
    if domain.title and "\n" in domain.title:
        raise XmlError("Domain title can't contain newlines")


def life_cycle(domain: Domain, host: Host) -> None:
    """What QEMU can do after a power off, a reboot or a crash."""
    for event, action in (("poweroff", domain.on_poweroff), ("reboot", domain.on_reboot)):
        if action and action.startswith("coredump-"):
            raise UnsupportedConfig(f"Lifecycle event '{event}' doesn't support '{action}' action")
    actions = (domain.on_poweroff, domain.on_reboot, domain.on_crash)
    if "rename-restart" in actions:
        raise UnsupportedConfig("qemu driver doesn't support the 'rename-restart' action for "
                                "'on_reboot'/'on_poweroff'/'on_crash'")
    if "preserve" in actions[:2]:
        raise UnsupportedConfig("qemu driver doesn't support the 'preserve' action for 'on_reboot'/'on_poweroff'")
    if actions[:2] == ("restart", "destroy"):
        raise UnsupportedConfig("qemu driver doesn't support 'onReboot' set to 'destroy and 'onPoweroff' set to "
                                "'reboot'")


def processors(domain: Domain, host: Host) -> None:
    """Their number, the order in which they come, and how they are arranged."""
    count = domain.vcpu or 1
    topology = domain.cpu.topology if domain.cpu else None
    if topology is not None and topology.processors != count:
        raise UnsupportedConfig("CPU topology doesn't match maximum vcpu count")
    limit = host.max_cpus(machine_of(domain))
    if limit and count > limit:
        raise UnsupportedConfig(f"Maximum CPUs greater than specified machine type limit {limit}")
    check_pool(domain.default_pool_min, domain.default_pool_max)


def states(domain: Domain, host: Host) -> None:
    """The first processor is always there; one that is not there must be able to come."""
    if domain.vcpu_current == 0 or (domain.vcpus and not domain.vcpus[0].enabled):
        raise UnsupportedConfig("vcpu 0 can't be offline")
    if not domain.vcpus:
        return
    if domain.vcpus[0].hotpluggable:
        raise UnsupportedConfig("vcpu0 can't be hotpluggable")
    if domain.vcpus[0].order not in (None, 1):
        raise UnsupportedConfig("vcpu0 must be enabled first")
    for place, state in enumerate(domain.vcpus):
        if not state.hotpluggable:
            _check_fixed(state, domain.vcpus[:place])


def _check_fixed(state: VcpuState, before: list[VcpuState]) -> None:
    """A processor that cannot be taken away is there at start, and comes before those that can."""
    if not state.enabled:
        raise UnsupportedConfig(f"vcpu '{state.id}' is both offline and not hotpluggable")
    if any(other.hotpluggable for other in before):
        raise UnsupportedConfig("online non-hotpluggable vcpus need to be ordered prior to hotplugable vcpus")
    if before and (before[-1].order or 0) > (state.order or 0):
        raise UnsupportedConfig("online non-hotpluggable vcpus must be ordered in ascending order")


def vcpu_order(domain: Domain, host: Host) -> None:
    """Either every processor that is there at start has a place in the order, or none."""
    ordered = [state.order is not None for state in domain.vcpus if state.enabled]
    if any(ordered) and not all(ordered):
        raise UnsupportedConfig("all vcpus must have either set or unset order")


def hotplug(domain: Domain, host: Host) -> None:
    """Memory is added to cells."""
    if domain.max_memory_slots and not cells_of(domain):
        raise UnsupportedConfig("At least one numa node has to be configured when enabling memory hotplug")


FOREIGN = ("gic", "hpt", "htm", "nested-hv", "ccf-assist", "cfpc", "sbbc", "ibs")


def features(domain: Domain, host: Host) -> None:
    """Features of other architectures, and of other boards."""
    if domain.features is None:
        return
    written = {child.tag for child in domain.features.to_node().children}
    machine = machine_of(domain)
    arch = domain.os.arch if domain.os else ""
    for name in FOREIGN:
        if name in written:
            raise UnsupportedConfig(f"The '{name}' feature is not supported for architecture '{arch}' or machine type "
                                    f"'{machine}'")
    if domain.features.tcg is not None and domain.features.tcg.tb_cache is not None and domain.type == "kvm":
        raise UnsupportedConfig("TCG features are incompatible with domain type 'kvm'")
    if domain.features.tseg is not None and not is_q35(machine):
        raise UnsupportedConfig("SMM TSEG is only supported with q35 machine type")


def timers(domain: Domain, host: Host) -> None:
    """A timer of another architecture."""
    for timer in domain.clock.timers if domain.clock else ():
        if timer.name == "armvtimer":
            raise UnsupportedConfig(f"Configuring the 'armvtimer' timer is not supported for virtType={domain.type} "
                                    f"arch={domain.os.arch if domain.os else ''} machine={machine_of(domain)} guests")


def resource_control(domain: Domain, host: Host) -> None:
    """Host caches and bandwidth are held for KVM guests only."""
    tune = domain.cputune
    if tune and domain.type != "kvm" and (tune.cache_tunes or tune.memory_tunes):
        raise UnsupportedConfig("cachetune is only supported for KVM domains")


def launch(domain: Domain, host: Host) -> None:
    """The QEMU of this host must be able to start a confidential guest."""
    if domain.launch_security is not None:
        name = "SEV" if domain.launch_security.type == "sev" else "S390 PV"
        raise UnsupportedConfig(f"{name} launch security is not supported with this QEMU binary")


def identity(domain: Domain, host: Host) -> None:
    """The firmware's tables must tell the guest's own identity."""
    for table in domain.sysinfo:
        told = table.uuid
        if told is not None and told != domain.uuid:
            raise XmlDetail("UUID mismatch between <uuid> and <sysinfo>")
