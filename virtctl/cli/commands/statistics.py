"""`domstats`."""

from __future__ import annotations

from virtctl.cli.operands import Flag, Text, command
from virtctl.cli.session import Session
from virtctl.values import ListFilter

GROUPS = ("state", "cpu-total", "balloon", "vcpu", "interface", "block", "perf", "iothread", "memory", "dirtyrate",
          "vm")
OTHER = frozenset(("no state", "idle", "in shutdown", "crashed", "pmsuspended"))


def flag(name: str, doc: str) -> Flag:
    """An option with a dash in its name."""
    return Flag(name, doc, name.replace("-", "_"))


@command(
    Flag("state", "what the guest does"),
    flag("cpu-total", "processor time of the guest"),
    Flag("balloon", "memory of the guest"),
    Flag("vcpu", "processors of the guest"),
    Flag("interface", "traffic of its network interfaces"),
    Flag("block", "transfers and sizes of its disks"),
    Flag("perf", "counters of the host; there are none"),
    Flag("iothread", "I/O threads; nothing is told of them"),
    Flag("memory", "bandwidth of the memory; nothing is told of it"),
    Flag("dirtyrate", "how fast the guest changes its memory; it is not measured"),
    Flag("vm", "counters of the hypervisor; there are none"),
    flag("list-active", "only running guests"),
    flag("list-inactive", "only domains that do not run"),
    flag("list-persistent", "only defined domains"),
    flag("list-transient", "only guests without a definition"),
    flag("list-running", "only guests that run"),
    flag("list-paused", "only suspended guests"),
    flag("list-shutoff", "only domains that are shut off"),
    flag("list-other", "only guests in another state"),
    Flag("raw", "figures as they are, which they always are"),
    Flag("enforce", "refuse what is not told"),
    Flag("backing", "also of the images below a disk"),
    Flag("nowait", "do not wait for a guest that is busy"),
    Text("domain", "the domains; all when none is named", many=True, anonymous=True, source="domain"),
    reports=True,
)
def domstats(session: Session, domain: list[str], **given: object) -> None:
    """Prints figures about domains, one `key=value` on a line, for programs that watch them."""
    groups = frozenset(name for name in GROUPS if given[name.replace("-", "_")])
    names = [session.domain(one).name for one in domain] or [row.name for row in session.driver.rows(wanted(given))]
    found = {name: session.driver.statistics(name, groups) for name in names}
    parts = [f"Domain: '{name}'\n" + "".join(f"  {key}={value}\n" for key, value in figures.items())
             for name, figures in found.items()]
    session.show(found, "\n".join(parts))


def wanted(given: dict[str, object]) -> ListFilter:
    """Which domains the `--list-` options select; two that exclude each other select both."""
    active, inactive = bool(given["list_active"]), bool(given["list_inactive"])
    persistent, transient = bool(given["list_persistent"]), bool(given["list_transient"])
    states = {word for word in ("running", "paused") if given[f"list_{word}"]}
    states |= {"shut off"} if given["list_shutoff"] else set()
    states |= OTHER if given["list_other"] else set()
    return ListFilter(active=active or not inactive, inactive=inactive or not active,
                      persistent=None if persistent == transient else persistent, states=frozenset(states))
