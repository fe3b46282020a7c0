"""Figures of disks, cards and processors: domblkstat, domblkerror, domifstat, domcontrol, vcpucount, setvcpus."""

from __future__ import annotations

from virtctl.cli.commands.describing import affected
from virtctl.cli.operands import Flag, Number, Text, command, domain, exclusive
from virtctl.cli.session import Session
from virtctl.errors import InvalidArgument, InvalidOperation, VirtctlError, attempting
from virtctl.values import DumpOptions

# virsh's names, the ends of libvirt's figures, and what they mean to people
_BLOCK = (("rd_req", "rd.reqs", "number of read operations:"), ("rd_bytes", "rd.bytes", "number of bytes read:"),
          ("wr_req", "wr.reqs", "number of write operations:"), ("wr_bytes", "wr.bytes", "number of bytes written:"),
          ("flush_operations", "fl.reqs", "number of flush operations:"),
          ("rd_total_times", "rd.times", "total duration of reads (ns):"),
          ("wr_total_times", "wr.times", "total duration of writes (ns):"),
          ("flush_total_times", "fl.times", "total duration of flushes (ns):"))
_NET = (("rx_bytes", "rx.bytes"), ("rx_packets", "rx.pkts"), ("rx_errs", "rx.errs"), ("rx_drop", "rx.drop"),
        ("tx_bytes", "tx.bytes"), ("tx_packets", "tx.pkts"), ("tx_errs", "tx.errs"), ("tx_drop", "tx.drop"))


def need_running(session: Session, ref: str) -> None:
    """Raises InvalidOperation when nothing runs."""
    if session.driver.id_of(ref) is None:
        raise InvalidOperation("domain is not running")


def one_of(figures: dict[str, object], kind: str, names: tuple[str, ...]) -> list[dict[str, int]]:
    """The figures of each device of a kind, or of the one called one of `names`; keys are without the number."""
    found = []
    for number in range(int(str(figures.get(f"{kind}.count", 0)))):
        start = f"{kind}.{number}."
        own = {key.removeprefix(start): value for key, value in figures.items() if key.startswith(start)}
        if not names or {own.get("name"), own.get("path")} & set(names):
            found.append({key: value for key, value in own.items() if isinstance(value, int)})
    return found


@command(
    domain(),
    Text("device", "the disk; all of them together when it is left out", source="disk"),
    Flag("human", "in words"),
    reports=True,
)
def domblkstat(session: Session, domain: str, device: str | None, human: bool) -> None:
    """Prints how much a running guest has read from a disk and written to it."""
    session.domain(domain)
    need_running(session, domain)
    found = one_of(session.driver.statistics(domain, frozenset({"block"})), "block", (device,) if device else ())
    if device is not None and not found:
        raise InvalidArgument(f"invalid path: {device}")
    figures = [(name, words, sum(one.get(key, 0) for one in found)) for name, key, words in _BLOCK]
    if human:
        text = f"Device: {device or ''}\n" + "".join(f" {words:<31} {value}\n" for _, words, value in figures)
    else:
        text = "".join(f"{device or ''} {name} {value}\n" for name, _, value in figures)
    session.show({name: value for name, _, value in figures}, text)


@command(
    domain(),
    Text("interface", "the network card, by its name on the host or its address", required=True),
    reports=True,
)
def domifstat(session: Session, domain: str, interface: str) -> None:
    """Prints the traffic of a network card of a running guest."""
    session.domain(domain)
    with attempting(f"Failed to get interface stats {domain} {interface}"):
        need_running(session, domain)
        rows = session.driver.interface_rows(domain)
        card = next((row for row in rows if interface.lower() in (row.interface, row.mac)), None)
        if card is None:
            raise InvalidArgument(f"'{interface}' is not a known interface")
        figures = session.driver.statistics(domain, frozenset({"interface"}))
        found = one_of(figures, "net", (card.interface,)) if card.interface else []
        if not found:
            raise VirtctlError(f"nothing is counted of interface '{interface}': it has no device on the host")
    told = {name: found[0][key] for name, key in _NET}
    session.show(told, "".join(f"{interface} {name} {value}\n" for name, value in told.items()))


@command(domain(), reports=True)
def domblkerror(session: Session, domain: str) -> None:
    """Prints which disks of a guest have failed, and how."""
    session.domain(domain)
    need_running(session, domain)
    errors = session.driver.block_errors(domain)
    session.show(errors, "".join(f"{name}: {why}\n" for name, why in errors.items()) or "No errors found\n")


@command(domain(), reports=True)
def domcontrol(session: Session, domain: str) -> None:
    """Prints whether the monitor of a guest is free."""
    session.domain(domain)
    need_running(session, domain)
    stale = session.driver.state(domain).stale
    session.show({"control": "error" if stale else "ok"}, "error: monitor failure\n" if stale else "ok\n")


# Processors

@command(
    domain(),
    Flag("maximum", "how many there can be"),
    Flag("active", "how many there are"),
    Flag("live", "in the running guest"),
    Flag("config", "in the definition"),
    Flag("current", "in the guest if it runs, else in the definition"),
    reports=True,
)
def vcpucount(session: Session, domain: str, maximum: bool, active: bool, **where: bool) -> None:
    """Prints how many processors a guest has."""
    session.domain(domain)
    exclusive(live=where["live"], config=where["config"])
    exclusive(current=where["current"], live=where["live"])
    exclusive(current=where["current"], config=where["config"])
    exclusive(active=active, maximum=maximum)
    if any(where.values()) or maximum or active:
        live = where["live"] or (not where["config"] and session.driver.id_of(domain) is not None)
        number = processors(session, domain, live=live)[int(maximum)]
        session.show(number, f"{number}\n")
        return
    runs = session.driver.id_of(domain) is not None
    told = {(word, place): processors(session, domain, live=place == "live")[word == "maximum"]
            for word in ("maximum", "current") for place in ("config", "live") if place == "config" or runs}
    session.show({f"{word} {place}": number for (word, place), number in told.items()},
                 "".join(f"{word:<12} {place:<12} {number:>3}\n" for (word, place), number in told.items()))


def processors(session: Session, ref: str, *, live: bool) -> tuple[int, int]:
    """How many there are and how many there can be. Raises InvalidOperation."""
    from virtctl.schema.xmlio import read

    if live:
        need_running(session, ref)
    node = read(session.driver.dumpxml(ref, DumpOptions(inactive=not live))).find("vcpu")
    most = int((node.text if node is not None else None) or 1)
    return int(node.attrs.get("current", most)) if node is not None else most, most


@command(
    domain(),
    Number("count", "how many", required=True),
    Flag("maximum", "set how many there can be, at the next start"),
    Flag("config", "at the next start"),
    Flag("live", "in the running guest"),
    Flag("current", "in the guest if it runs, else at the next start"),
)
def setvcpus(
    session: Session, domain: str, count: int, maximum: bool, config: bool, live: bool, current: bool
) -> None:
    """Sets how many processors a guest has."""
    affect = affected(live, config, current)
    session.domain(domain)
    if count < 1:
        raise VirtctlError("Can't set 0 processors for a VM")
    driver = session.changing("virDomainSetVcpusFlags")
    if maximum:
        if not config:
            raise VirtctlError("Option --config is required by option --maximum")
        driver.set_max_vcpus(domain, count)
        return
    driver.set_vcpus(domain, count, affect)
