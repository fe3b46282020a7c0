"""What a daemon would do when the host starts."""

from __future__ import annotations

from virtctl.cli.operands import command
from virtctl.cli.session import Session
from virtctl.errors import OperationFailed, VirtctlError
from virtctl.values import ListFilter, StartOptions


@command()
def autostart_run(session: Session) -> None:
    """Starts every domain that is marked by `autostart` and does not run, for the host's own start-up: there is no
    daemon that would do it. One that cannot be started does not keep the others from it.
    """
    driver = session.changing("virDomainCreate")
    failed = []
    for row in driver.rows(ListFilter(active=False, inactive=True, autostart=True)):
        try:
            driver.start(row.uuid, StartOptions())
        except VirtctlError as error:
            error.attempt = f"Failed to start domain '{row.name}'"
            session.fail(error)
            failed.append(row.name)
        else:
            session.extra(f"Domain '{row.name}' started\n")
    if failed:
        raise OperationFailed(f"not started: {', '.join(failed)}")
