"""Network interfaces: the host's side made ready (taps, bridges), and both sides on QEMU's command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

from virtctl.argv import Opt, Value, props
from virtctl.domain.devices import Devices
from virtctl.domain.devices.interface import Interface
from virtctl.errors import InternalError, OperationFailed, UnsupportedConfig
from virtctl.network import tap
from virtctl.qemu.build import builds, device_opt
from virtctl.qemu.context import Context
from virtctl.qemu.controllers import virtio_name, virtio_props
from virtctl.qemu.plan import Plan

Pairs = list[tuple[str, Value]]
VHOST = "/dev/vhost-net"
_OFFLOADS = ("csum", "gso", "tso4", "tso6", "ecn", "ufo")


def prepare_nics(context: Context, plan: Plan, devices: Devices, undo: ExitStack) -> None:
    """Makes the taps that the interfaces need. Raises SystemFault where the host does not let us."""
    for interface in devices.all(Interface):
        if interface.type == "bridge":
            _bridge(plan, interface, undo)
        elif interface.type == "ethernet":
            _ethernet(plan, interface, undo)
        elif interface.type == "network":
            network = interface.source.network if interface.source else ""
            raise OperationFailed(f"network '{network}' is not there: virtual networks are not run by virtctl",
                                  hint="use <interface type='bridge'> with a bridge of the host, or type='user'")


def _bridge(plan: Plan, interface: Interface, undo: ExitStack) -> None:
    bridge = interface.source.bridge if interface.source else None
    if bridge is None or not tap.exists(bridge):
        raise OperationFailed(f"Cannot get interface MTU on '{bridge}': No such device",
                              hint=f"make the bridge first: ip link add {bridge} type bridge")
    if not tap.is_bridge(bridge):
        raise OperationFailed(f"Unable to add bridge {bridge} port: '{bridge}' is not a bridge")
    name = _open(plan, interface, undo)
    tap.join_bridge(name, bridge)
    tap.set_up(name, mtu=interface.mtu)


def _ethernet(plan: Plan, interface: Interface, undo: ExitStack) -> None:
    if interface.script or interface.downscript:
        raise UnsupportedConfig("scripts are not supported on interfaces of type ethernet",
                                hint="set the tap up beforehand and name it: <target dev='tap0' managed='no'/>")
    if interface.target_managed is False and not (interface.target and tap.exists(interface.target)):
        raise OperationFailed(f"target device '{interface.target}' does not exist (managed='no')")
    name = _open(plan, interface, undo)
    tap.set_up(name, mtu=interface.mtu)


def _open(plan: Plan, interface: Interface, undo: ExitStack) -> str:
    name, fds = tap.open_tap(interface.target or "vnet%d", queues=interface.queues or 1, vnet_header=interface.virtio)
    for fd in fds:
        undo.callback(os.close, fd)
    plan.taps[interface.id] = fds
    _vhost(plan, interface, len(fds), undo)
    interface.target = name
    return name


def _vhost(plan: Plan, interface: Interface, queues: int, undo: ExitStack) -> None:
    """The kernel's own end of a virtio card, for guests whose processors the kernel runs too."""
    wanted = interface.driver_name == "vhost"
    if not interface.virtio or interface.driver_name == "qemu" or not (wanted or plan.domain.type == "kvm"):
        return
    for _ in range(queues):
        try:
            fd = os.open(interface.backend_vhost or VHOST, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            if not wanted:
                return
            raise UnsupportedConfig("vhost-net was requested for an interface, but is unavailable: "
                                    f"{interface.backend_vhost or VHOST}: {error.strerror}") from error
        undo.callback(os.close, fd)
        plan.vhost.setdefault(interface.id, []).append(fd)


def _user(interface: Interface) -> Pairs:
    pairs: Pairs = []
    for address in interface.ips:
        prefix = address.prefix or (24 if address.family != "ipv6" else 64)
        if address.family == "ipv6":
            pairs += [("ipv6-prefix", address.address), ("ipv6-prefixlen", prefix)]
        else:
            pairs.append(("net", f"{address.address}/{prefix}"))
    return pairs


def _socket(interface: Interface) -> Pairs:
    source = interface.source
    if source is None:
        raise InternalError(f"interface '{interface.id}' has no source")
    place = f"{source.address or ''}:{source.port}"
    if interface.type == "udp":
        local = source.to_node().find("local")
        bound = f"{local.attrs.get('address', '')}:{local.attrs.get('port', '')}" if local is not None else None
        return [("udp", place), ("localaddr", bound)]
    return [({"server": "listen", "client": "connect", "mcast": "mcast"}[interface.type], place)]


def netdev_opt(interface: Interface, plan: Plan) -> Opt:
    """`-netdev KIND,id=hostnetN,...`."""
    name: Pairs = [("id", f"host{interface.id}")]
    if interface.type == "user":
        return Opt("netdev", props("user", [*name, *_user(interface)]))
    if interface.type in ("bridge", "ethernet"):
        fds = plan.taps.get(interface.id)
        if fds is None:  # only printed, not run
            return Opt("netdev", props("tap", [*name, ("ifname", interface.target), ("script", "no"),
                                               ("downscript", "no")]))
        where: Pairs = [("fd", fds[0])] if len(fds) == 1 else [("fds", ":".join(map(str, fds)))]
        vhost = plan.vhost.get(interface.id, [])
        if vhost:
            where += [("vhost", True), ("vhostfd" if len(vhost) == 1 else "vhostfds", ":".join(map(str, vhost)))]
        return Opt("netdev", props("tap", [*name, *where, ("sndbuf", interface.sndbuf)]))
    if interface.type in ("server", "client", "mcast", "udp"):
        return Opt("netdev", props("socket", [*name, *_socket(interface)]))
    if interface.type == "vhostuser":
        return Opt("netdev", props("vhost-user", [("chardev", f"char{interface.id}"), ("queues", interface.queues),
                                                  *name]))
    if interface.type == "vdpa" and interface.source is not None:
        return Opt("netdev", props("vhost-vdpa", [*name, ("vhostdev", interface.source.dev)]))
    raise UnsupportedConfig(f"interface type '{interface.type}' is not supported at start")


def _virtio(interface: Interface) -> Pairs:
    host, guest = interface.host_offloads, interface.guest_offloads
    pairs: Pairs = [("tx", {"iothread": "bh", "timer": "timer"}.get(interface.txmode or "")),
                    ("ioeventfd", interface.ioeventfd), ("event_idx", interface.event_idx)]
    pairs += [(name, getattr(host, name)) for name in _OFFLOADS if host is not None and name in ("csum", "gso")]
    pairs += [(f"host_{name}", getattr(host, name)) for name in _OFFLOADS[2:] if host is not None]
    pairs.append(("mrg_rxbuf", host.mrg_rxbuf if host else None))
    pairs += [(f"guest_{name}", getattr(guest, name)) for name in _OFFLOADS if guest is not None and name != "gso"]
    queues = interface.queues or 1
    if queues > 1:
        pairs += [("mq", True), ("vectors", 2 * queues + 2)]
    return [*pairs, ("rx_queue_size", interface.rx_queue_size), ("tx_queue_size", interface.tx_queue_size),
            ("failover", True if interface.teaming and interface.teaming.type == "persistent" else None),
            ("rss", interface.rss), ("hash", interface.rss_hash_report), ("host_mtu", interface.mtu),
            *virtio_props(interface)]


def _vhost_user(interface: Interface) -> Opt:
    """The socket of the switch that serves the card."""
    source = interface.source
    if source is None:
        raise InternalError(f"interface '{interface.id}' has no source")
    again = source.reconnect.timeout if source.reconnect and source.reconnect.enabled else None
    server = source.mode == "server"
    return Opt("chardev", props("socket", [("id", f"char{interface.id}"), ("path", source.path),
                                           ("server", True if server else None), ("reconnect", again)]))


@builds(Interface)
def build_interface(interface: Interface, plan: Plan) -> Iterator[Opt]:
    """The host's end and the guest's card."""
    if interface.type == "vhostuser":
        yield _vhost_user(interface)
    yield netdev_opt(interface, plan)
    model = interface.model or "rtl8139"
    driver = virtio_name("virtio-net", model) if interface.virtio else model
    mac = interface.mac.address if interface.mac else None
    yield device_opt(driver, interface, plan, [
        *(_virtio(interface) if interface.virtio else []), ("netdev", f"host{interface.id}"), ("mac", mac)])
