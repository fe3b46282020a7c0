"""Keys, buttons and the screen: send-key, inject-nmi, dompmwakeup, screenshot; and what needs an agent in the guest."""

from __future__ import annotations

import os
import time
from pathlib import Path

from virtctl.cli.keycodes import CODESETS, number_of
from virtctl.cli.operands import Flag, Number, Text, command, domain, exclusive
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError, attempting


@command(
    domain(),
    Text("codeset", "whose numbers of keys these are; linux's when left out", by_name=True),
    Number("holdtime", "how long they are held down, in milliseconds", by_name=True),
    Text("keycode", "a key: its name, such as KEY_ENTER, or its number", required=True, many=True),
)
def send_key(session: Session, domain: str, codeset: str | None, holdtime: int | None, keycode: list[str]) -> None:
    """Presses keys of the guest's keyboard, all together."""
    session.domain(domain)
    chosen = codeset or "linux"
    if chosen not in CODESETS:
        raise VirtctlError(f"unknown codeset: '{chosen}'")
    codes = []
    for word in keycode:
        number = number_of(word, chosen)
        if number is None:
            raise VirtctlError(f"invalid keycode: '{word}'")
        codes.append(number)
    session.changing("virDomainSendKey").send_keys(domain, codes, chosen, holdtime or 0)


@command(domain())
def inject_nmi(session: Session, domain: str) -> None:
    """Sends the guest a non-maskable interrupt."""
    session.domain(domain)
    session.changing("virDomainInjectNMI").inject_nmi(domain)


@command(domain())
def dompmwakeup(session: Session, domain: str) -> None:
    """Wakes a guest that went to sleep."""
    name = session.domain(domain).name
    with attempting(f"Domain '{name}' could not be woken up"):
        session.changing("virDomainPMWakeup").wake_up(domain)
    session.extra(f"Domain '{name}' successfully woken up")


@command(
    domain(),
    Text("file", "where to put the picture", source="file"),
    Number("screen", "which screen, the first is 0"),
)
def screenshot(session: Session, domain: str, file: str | None, screen: int | None) -> None:
    """Writes what the guest shows to a picture, which only its owner can read."""
    name = session.domain(domain).name
    with attempting(f"could not take a screenshot of {name}"):
        data, kind = session.changing("virDomainScreenshot").screenshot(domain, screen or 0)
    stamp = time.strftime("%Y-%m-%d-%H:%M:%S")
    path = Path(file if file is not None else f"{name}-{stamp}.{kind.rpartition('/')[2]}")
    _write(path, data)
    session.extra(f"Screenshot saved to {path if file is None else file}, with type of {kind}")


def _write(path: Path, data: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise VirtctlError(f"cannot create file {path}") from error
    try:
        with open(descriptor, "wb") as out:  # noqa: PTH123 - of a descriptor
            out.write(data)
    except OSError as error:
        raise VirtctlError(f"cannot write file {path}: {error.strerror}") from error


@command(
    domain(),
    Flag("now", "set it to this host's time"),
    Flag("pretty", "print it for people"),
    Flag("sync", "set it from the guest's hardware clock"),
    Number("time", "set it to this, in seconds since 1970"),
)
def domtime(session: Session, domain: str, now: bool, pretty: bool, sync: bool, time: int | None) -> None:
    """Prints or sets the guest's clock. That needs an agent in the guest, which no guest here has."""
    exclusive(time=time, now=now)
    exclusive(time=time, sync=sync)
    exclusive(now=now, sync=sync)
    session.domain(domain)
    session.driver.need_agent(domain)


@command(domain())
def domfsinfo(session: Session, domain: str) -> None:
    """Prints the guest's mounted file systems. That needs an agent in the guest, which no guest here has."""
    session.domain(domain)
    with attempting("Unable to get filesystem information"):
        session.driver.need_agent(domain)
