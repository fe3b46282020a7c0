"""`qemu-monitor-command`."""

from __future__ import annotations

from virtctl.cli.operands import Flag, Text, command, domain, exclusive
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError


@command(
    domain(),
    Flag("hmp", "the command is for the human monitor"),
    Flag("pretty", "lay the answer out for people"),
    Flag("return-value", "print only what the answer's 'return' holds"),
    Text("pass-fds", "open descriptors for the command, N,M,...", by_name=True),
    Text("cmd", "the command", required=True, many=True),
    reports=True,
)
def qemu_monitor_command(
    session: Session, domain: str, hmp: bool, pretty: bool, return_value: bool, pass_fds: str | None, cmd: list[str]
) -> None:
    """Gives a command to QEMU's monitor and prints the answer: JSON, or with --hmp what a person would type."""
    session.domain(domain)
    exclusive(hmp=hmp, pretty=pretty)
    exclusive(hmp=hmp, return_value=return_value)
    if pass_fds is not None:
        raise VirtctlError("Unable to pass file descriptors to QEMU")
    words = " ".join(cmd)
    driver = session.changing("virDomainQemuMonitorCommand")
    if hmp:
        answer = driver.monitor_hmp(domain, words)
        text = "".join(f"{line}\r\n" for line in answer.splitlines())
        session.show({"answer": answer}, f"{text}\n" if text else "\n")
    else:
        show_json(session, driver.monitor_qmp(domain, words), pretty, return_value)


def show_json(session: Session, answer: str, pretty: bool, return_value: bool) -> None:
    """Prints the answer of the machine monitor. Raises VirtctlError."""
    import json

    data = json.loads(answer)
    if return_value and "return" not in data:
        raise VirtctlError("'return' member missing")
    data = data["return"] if return_value else data
    if pretty:
        session.show(data, json.dumps(data, indent=2))
    else:
        text = json.dumps(data, separators=(",", ":"))
        session.show(data, text if return_value else f"{text}\n")
