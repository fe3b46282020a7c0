"""QEMU's machine-readable monitor, on the unix socket `qmp.sock` in a guest's runtime folder.

For what the human monitor has no command for, or where a file's name must come back exactly as it is.
"""

from __future__ import annotations

import json
import os
import select
import socket
import time
from collections import deque
from pathlib import Path
from typing import Any

from virtctl.errors import MonitorError, MonitorGone, MonitorTimeout, SystemFault

SOCKET = "qmp.sock"
DEADLINE = 2.5  # seconds for one command, where the caller names none
_MAX_REPLY = 64 << 20


class QmpRefusal(MonitorError):
    """QEMU refused a command; `kind` is QMP's error class, `DeviceNotFound` for example."""

    def __init__(self, command: str, kind: str, description: str) -> None:
        super().__init__(f"unable to execute QEMU command '{command}': {description}")
        self.kind = kind
        self.description = description


class Qmp:
    """One connection; events that arrive meanwhile are kept until they are asked for.

    QEMU serves one client at a time: another's is waited for, up to the deadline of `connect`.
    """

    def __init__(self, channel: socket.socket, name: str) -> None:
        self._channel = channel
        self._name = name
        self._pending = b""
        self._number = 0
        self._events: deque[dict[str, Any]] = deque()

    @classmethod
    def connect(cls, folder: Path, *, name: str, deadline: float = DEADLINE, file: str = SOCKET) -> Qmp:
        """Connects to the socket `file` in the runtime folder of guest `name`.

        Raises MonitorGone when nobody listens there, MonitorTimeout when QEMU does not greet.
        """
        limit = time.monotonic() + deadline
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            channel.settimeout(deadline)
            _dial(channel, folder, file, name)
            channel.setblocking(False)
            client = cls(channel, name)
            if "QMP" not in client._read("greeting", limit):
                raise MonitorError(f"unexpected greeting from the QMP monitor of domain '{name}'")
            client.execute("qmp_capabilities", deadline=limit - time.monotonic())
        except BaseException:
            channel.close()
            raise
        return client

    def __enter__(self) -> Qmp:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets the next client in."""
        self._channel.close()

    def execute(self, command: str, deadline: float = DEADLINE, **arguments: object) -> Any:  # noqa: ANN401 - JSON
        """Runs a command and returns its value; an underscore in an argument's name stands for QMP's dash.

        Raises QmpRefusal when QEMU refuses it.
        """
        named = {key.replace("_", "-"): value for key, value in arguments.items() if value is not None}
        reply = self.send({"execute": command, "arguments": named}, deadline)
        if "error" in reply:
            error = reply["error"]
            raise QmpRefusal(command, str(error.get("class")), str(error.get("desc")))
        if "return" not in reply:
            raise MonitorError(f"unexpected reply of the QMP monitor of domain '{self._name}' to '{command}'")
        return reply["return"]

    def send(self, request: dict[str, Any], deadline: float = DEADLINE) -> dict[str, Any]:
        """Sends a whole request as it is and returns the whole reply, an error too; an id is added where none is."""
        limit = time.monotonic() + deadline
        command = str(request.get("execute", request.get("exec-oob", "")))
        self._number += 1
        mark = f"virtctl-{self._number}"
        self._write(json.dumps({**request, "id": mark}).encode() + b"\n", command, limit)
        while True:
            reply = self._read(command, limit)
            if reply.get("id") == mark:
                own = {key: value for key, value in reply.items() if key != "id"}
                return {**own, "id": request["id"]} if "id" in request else own
            if "event" not in reply and "id" not in reply and "error" in reply:
                raise QmpRefusal(command, str(reply["error"].get("class")), str(reply["error"].get("desc")))

    def pass_fd(self, name: str, fd: int) -> None:
        """Gives QEMU an open file under a name, for the next commands of this connection."""
        import array

        self._number += 1
        mark = f"virtctl-{self._number}"
        request = json.dumps({"execute": "getfd", "arguments": {"fdname": name}, "id": mark}).encode() + b"\n"
        limit = time.monotonic() + DEADLINE
        self._await(select.POLLOUT, "getfd", limit)
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]).tobytes())]
        rest = request[self._channel.sendmsg([request], passed) :]
        self._write(rest, "getfd", limit)
        reply = self._read("getfd", limit)
        if reply.get("id") != mark or "error" in reply:
            raise MonitorError(f"the QMP monitor of domain '{self._name}' did not take an open file: {reply}")

    def events(self) -> list[dict[str, Any]]:
        """The events that have arrived since the last call; does not wait."""
        while select.select([self._channel], [], [], 0)[0] and self._fill("events"):
            pass
        while (line := self._line()) is not None:
            self._keep(line)
        found = list(self._events)
        self._events.clear()
        return found

    def wait_event(self, *names: str, deadline: float = DEADLINE) -> dict[str, Any]:
        """The next event of one of these names; others before it are dropped."""
        limit = time.monotonic() + deadline
        while True:
            while self._events:
                event = self._events.popleft()
                if event["event"] in names:
                    return event
            self._keep(self._next_line(" or ".join(names), limit))

    def set_password(self, protocol: str, password: str) -> None:
        """Sets the password of `vnc` or `spice` without leaving it in a line history."""
        self.execute("set_password", protocol=protocol, password=password)

    def _keep(self, line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line)
        except ValueError as cause:
            raise MonitorError(f"the QMP monitor of domain '{self._name}' sent what is not JSON") from cause
        if not isinstance(message, dict):
            raise MonitorError(f"the QMP monitor of domain '{self._name}' sent what is not a message")
        if "event" in message:
            self._events.append(message)
        return message

    def _read(self, command: str, limit: float) -> dict[str, Any]:
        """The next message that is no event."""
        while True:
            message = self._keep(self._next_line(command, limit))
            if "event" not in message:
                return message

    def _next_line(self, command: str, limit: float) -> bytes:
        while (line := self._line()) is None:
            self._await(select.POLLIN, command, limit)
            self._fill(command)
        return line

    def _line(self) -> bytes | None:
        line, ended, rest = self._pending.partition(b"\n")
        if not ended:
            return None
        self._pending = rest
        return line

    def _fill(self, command: str) -> bool:
        try:
            data = self._channel.recv(1 << 20)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            raise MonitorGone(f"End of file from QMP monitor of domain '{self._name}' during '{command}'")
        self._pending += data
        if len(self._pending) > _MAX_REPLY:
            raise MonitorError(f"the QMP monitor of domain '{self._name}' sent too long an answer to '{command}'")
        return True

    def _write(self, data: bytes, command: str, limit: float) -> None:
        while data:
            self._await(select.POLLOUT, command, limit)
            try:
                data = data[self._channel.send(data) :]
            except BlockingIOError:
                continue
            except OSError as cause:
                raise MonitorGone(f"End of file from QMP monitor of domain '{self._name}' at '{command}'") from cause

    def _await(self, event: int, command: str, limit: float) -> None:
        poller = select.poll()
        poller.register(self._channel, event)
        if not poller.poll(max(0.0, limit - time.monotonic()) * 1000):
            raise MonitorTimeout(f"QMP monitor of domain '{self._name}' did not answer '{command}' in time")


def _dial(channel: socket.socket, folder: Path, file: str, name: str) -> None:
    """Connects by way of the open folder, since a socket's address holds no more than 107 bytes."""
    try:
        handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            channel.connect(f"/proc/self/fd/{handle}/{file}")
        finally:
            os.close(handle)
    except TimeoutError as cause:
        raise MonitorTimeout(f"QMP monitor of domain '{name}' is in use") from cause
    except (FileNotFoundError, ConnectionRefusedError) as cause:
        raise MonitorGone(f"the QMP monitor of domain '{name}' is not there") from cause
    except OSError as cause:
        raise SystemFault(f"cannot connect to '{folder / file}'", cause) from cause
