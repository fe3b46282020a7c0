"""A QEMU that is none: it speaks HMP on a pty of its own and has the faults that it is told to have.

`install(folder, **script)` makes an executable to be named as `<emulator>`; its script is the JSON file beside it
(`NAME.json`) and may be rewritten between two starts. What a script may say:

  fail: TEXT            print TEXT on stderr and exit with `code` (1) before anything else
  fail_late: TEXT       the same, after the monitor's pty was announced
  mute: true            never announce the pty
  banners: N            print the banner N times when somebody connects (1)
  wiped: TEXT           the first time that TEXT stands on the line, the banner comes and wipes it away
  half_typed: TEXT      what a killed process left on the line before anybody connects
  chunk: N, delay: S    write output N bytes at a time, S seconds apart
  status: TEXT          what `info status` says after "VM status: " ("running", or "paused (prelaunch)" with -S)
  replies: {LINE: TEXT or [TEXT, ...]}     answers of commands; of a list each is used once, the last one stays
  faults: [{on: LINE or its beginning, nth: N (0: always), do: WHAT, ...}]   when the N-th such command arrives:
      die       print `text` and be killed by SIGKILL        exit      print `text` and exit with `code`
      hang      answer nothing, nor anything after           late      answer after `seconds`
      before    print `text` before the answer               typed     somebody types `text` before each Enter
  stream: N             bytes of the stream that `migrate` sends (65536); stream_fail: N: break off after N bytes
  log: PATH             append every command line that was executed, one a line
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import sys
import termios
import threading
import time
from pathlib import Path
from typing import Any

from tests.fakes.fake_readline import Readline

ROOT = Path(__file__).parent.parent.parent
VERSION = "7.2.22"
BANNER = f"QEMU {VERSION} monitor - type 'help' for more information\r\n".encode()
SILENT = """chardev-remove system_powerdown system_reset system_wakeup nmi sendkey screendump balloon eject change
    block_job_set_speed migrate_set_parameter migrate_set_capability migrate_cancel set_password expire_password
    device_add device_del netdev_add netdev_del set_link savevm loadvm delvm block_resize block_stream"""
NO_MIGRATION = "globals:\nstore-global-state: on\n"


def install(folder: Path, name: str = "fake-qemu", **script: object) -> Path:
    """Makes the executable `folder/name` with this script; returns its path."""
    program = folder / name
    program.write_text(
        f"#!{sys.executable} -IS\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.fakes.fake_qemu import main\nmain(__file__)\n"
    )
    program.chmod(0o755)
    rewrite(program, **script)
    return program


def rewrite(program: Path, **script: object) -> None:
    """Gives an installed fake another script, for its next start."""
    program.with_name(f"{program.name}.json").write_text(json.dumps(script))


class Arguments:
    """The options of a QEMU command line that matter here."""

    def __init__(self, argv: list[str]) -> None:
        self.words = argv
        self.chardevs = [self.split(value) for value in self.all("-chardev")]
        self.drives = {drive["id"]: drive for drive in map(self.split, self.all("-drive")) if "id" in drive}

    def all(self, option: str) -> list[str]:
        pairs = zip(self.words, self.words[1:], strict=False)
        return [value for word, value in pairs if word == option]

    @staticmethod
    def split(text: str) -> dict[str, str]:
        parts = text.replace(",,", "\0").split(",")
        pairs = [part.replace("\0", ",").partition("=") for part in parts]
        return {"": pairs[0][0]} | {key: value for key, _, value in pairs}


class FakeQemu:
    """One run of the fake."""

    def __init__(self, argv: list[str], script: dict[str, Any]) -> None:
        self.script = script
        self.arguments = Arguments(argv)
        self.counts: dict[str, int] = {}
        self.used: dict[str, int] = {}
        self.jobs: dict[str, tuple[str, str]] = {}
        self.migration = NO_MIGRATION
        self.status = script.get("status", "paused (prelaunch)" if "-S" in argv else "running")
        self.silent = False
        self.masters: dict[str, int] = {}
        self.held: list[int] = []
        self.readline = Readline(self.write, self.enter)

    # Start and end

    def run(self) -> int:
        if "fail" in self.script:
            return self.fail(self.script["fail"])
        self.write_pidfile()
        signal.signal(signal.SIGTERM, lambda *_: self.leave(0))
        for chardev in self.arguments.chardevs:
            self.open_chardev(chardev)
        if "fail_late" in self.script:
            return self.fail(self.script["fail_late"])
        for source in self.arguments.all("-incoming"):
            if not source.startswith("fd:") or not self.load(int(source[3:])):
                return self.fail("load of migration failed: Invalid argument")
        for byte in self.script.get("half_typed", "").encode():
            self.readline.line.append(byte)
            self.readline.cursor += 1
        self.serve(self.masters["charmonitor"])
        return 0

    def load(self, fd: int) -> bool:
        """Reads a memory stream; like QEMU it looks at little more than the first bytes."""
        with os.fdopen(fd, "rb") as stream:
            return stream.read(8) == b"QEVM\0\0\0\3" and stream.read() is not None

    def fail(self, text: str) -> int:
        print(f"qemu-system-x86_64: {text}", file=sys.stderr, flush=True)
        return int(self.script.get("code", 1))

    def write_pidfile(self) -> None:
        for name in self.arguments.all("-pidfile"):
            fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sys.exit(self.fail("cannot create PID file: Cannot lock pid file: Resource temporarily unavailable"))
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())
            self.held.append(fd)

    def leave(self, code: int) -> None:
        for name in self.arguments.all("-pidfile"):
            Path(name).unlink(missing_ok=True)
        os._exit(code)

    def open_chardev(self, chardev: dict[str, str]) -> None:
        if chardev[""] == "pty":
            self.open_pty(chardev["id"])
        elif chardev[""] == "socket" and "abstract" in chardev:
            gate = socket.socket(socket.AF_UNIX)
            gate.connect("\0" + chardev["path"])
        elif chardev[""] == "socket" and chardev.get("server") in ("on", ""):
            threading.Thread(target=serve_qmp, args=(self, chardev), daemon=True).start()

    def open_pty(self, label: str) -> None:
        master, slave = os.openpty()
        mode = termios.tcgetattr(slave)
        mode[0] = mode[1] = mode[3] = 0
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        name = os.ttyname(slave)
        os.close(slave)
        # Like QEMU, the master must be an open of /dev/ptmx, which os.openpty makes it.
        self.masters[label] = master
        if not self.script.get("mute"):
            print(f"char device redirected to {name} (label {label})", flush=True)

    # The monitor

    def serve(self, master: int) -> None:
        poller = select.poll()
        poller.register(master, select.POLLIN)
        connected = False
        while True:
            ready = poller.poll(1000)
            hung_up = any(event & select.POLLHUP for _, event in ready)
            if hung_up:
                connected = False
                time.sleep(0.002)  # like QEMU, which looks once a second
                continue
            if not connected:
                connected = True
                self.greet()
            if ready and not self.silent:
                for byte in os.read(master, 4096):
                    self.type(byte)
                    if self.readline.line == self.script.get("wiped", "").encode() != b"":
                        del self.script["wiped"]
                        self.greet()
            elif self.silent:
                time.sleep(0.05)

    def type(self, byte: int) -> None:
        line = self.readline.line.decode(errors="replace")
        for fault in self.script.get("faults", []) if byte == 0x0A else []:
            if fault["do"] == "typed" and line.startswith(fault["on"]):
                for other in fault["text"].encode():
                    self.readline.feed(other)
        self.readline.feed(byte)

    def greet(self) -> None:
        for _ in range(self.script.get("banners", 1)):
            self.write(BANNER)
            if not self.script.get("half_typed"):
                self.readline.restart()
            self.readline.prompt()

    def write(self, data: bytes) -> None:
        step = self.script.get("chunk", len(data) or 1)
        for start in range(0, len(data), step):
            rest = data[start : start + step]
            while rest:
                rest = rest[os.write(self.masters["charmonitor"], rest) :]
            if "delay" in self.script:
                time.sleep(self.script["delay"])

    def enter(self, line: bytes) -> None:
        command = line.decode(errors="surrogateescape").strip()
        fault = self.fault(command)
        self.prelude(fault)
        if "log" in self.script and command:
            with Path(self.script["log"]).open("a", errors="surrogateescape") as log:
                log.write(command + "\n")
        self.write(self.answer(command).replace("\n", "\r\n").encode(errors="surrogateescape"))
        if not self.silent:
            self.readline.prompt()

    def fault(self, command: str) -> dict[str, Any]:
        for number, fault in enumerate(self.script.get("faults", [])):
            if command.startswith(fault["on"]):
                key = str(number)
                self.counts[key] = self.counts.get(key, 0) + 1
                if fault.get("nth", 1) in (0, self.counts[key]):
                    return dict(fault)
        return {}

    def prelude(self, fault: dict[str, Any]) -> None:
        """What happens before the answer."""
        kind = fault.get("do")
        if kind in ("die", "exit", "before"):
            self.write(fault.get("text", "").replace("\n", "\r\n").encode())
        if kind == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "exit":
            self.leave(fault.get("code", 1))
        if kind == "late":
            time.sleep(fault["seconds"])
        if kind == "hang":
            self.silent = True
            signal.pause()

    def answer(self, command: str) -> str:
        scripted = self.script.get("replies", {}).get(command)
        if isinstance(scripted, list):
            turn = self.used.get(command, 0)
            self.used[command] = turn + 1
            scripted = scripted[min(turn, len(scripted) - 1)]
        if scripted is not None:
            return str(scripted)
        word, _, rest = command.partition(" ")
        if command in self.informed:
            return self.informed[command](self)
        if word in self.commands:
            return self.commands[word](self, rest)
        return f"unknown command: '{command if word == 'info' else word}'\n" if word else ""

    # What it knows

    def info_block(self) -> str:
        entries = []
        for number, (name, drive) in enumerate(self.arguments.drives.items(), 100):
            if drive.get("file"):
                image = f"{drive['file']} ({drive.get('format', 'raw')})"
                entries.append(f"{name} (#block{number}): {image}\n    Cache mode:       writeback\n")
            else:
                entries.append(f"{name}: [not inserted]\n    Removable device: not locked, tray closed\n")
        return "\n".join(entries)

    def info_jobs(self) -> str:
        jobs = [
            f"Type mirror, device {name}: Completed 1024 of 1024 bytes, speed limit 0 bytes/s\n" for name in self.jobs
        ]
        return "".join(jobs) or "No active jobs\n"

    def chardev_add(self, rest: str) -> str:
        options = Arguments.split(rest.strip('"'))
        if options[""] == "serial":
            self.held.append(os.open(options["path"], os.O_RDWR | os.O_NOCTTY))
        return ""

    def mirror(self, rest: str) -> str:
        words = [word.strip('"') for word in rest.split() if not word.startswith("-")]
        self.jobs[words[0]] = (words[1], words[2] if len(words) > 2 else "raw")
        return ""

    def complete(self, rest: str) -> str:
        name = rest.strip('"')
        if name not in self.jobs:
            return f"Error: Block job '{name}' not found\n"
        file, form = self.jobs.pop(name)
        self.arguments.drives[name] |= {"file": file, "format": form}
        return ""

    def cancel(self, rest: str) -> str:
        name = rest.removeprefix("-f ").strip('"')
        return "" if self.jobs.pop(name, None) else f"Error: Block job '{name}' not found\n"

    def migrate(self, rest: str) -> str:
        path = rest.removeprefix("-d ").strip('"').removeprefix("unix:")
        self.migration = NO_MIGRATION + "Migration status: active\ntotal ram: 1024 kbytes\n"
        threading.Thread(target=self.send_stream, args=(path,), daemon=True).start()
        return ""

    def send_stream(self, path: str) -> None:
        length = self.script.get("stream", 65536)
        data = (b"QEVM\0\0\0\3" + bytes(length))[:length]
        try:
            with socket.socket(socket.AF_UNIX) as channel:
                channel.connect(path)
                channel.sendall(data[: self.script.get("stream_fail", length)])
        except OSError as error:
            self.migration = NO_MIGRATION + f"Migration status: failed (Unable to write to socket: {error.strerror})\n"
            return
        failed = "stream_fail" in self.script
        self.migration = NO_MIGRATION + f"Migration status: {'failed' if failed else 'completed'}\n"
        self.status = self.status if failed else "paused (postmigrate)"

    def set_status(self, status: str) -> str:
        self.status = status
        return ""

    informed = {
        "info status": lambda self: f"VM status: {self.status}\n",
        "info version": lambda self: f"{VERSION}Fake\n",
        "info uuid": lambda self: f"{(self.arguments.all('-uuid') or ['0' * 8])[0]}\n",
        "info name": lambda self: f"{(self.arguments.all('-name') or [''])[0].removeprefix('guest=')}\n",
        "info block": info_block,
        "info block-jobs": info_jobs,
        "info migrate": lambda self: self.migration,
        "info vnc": lambda self: "None\n",
        "info snapshots": lambda self: "There is no snapshot available.\n",
        "info balloon": lambda self: "balloon: actual=128\n",
        "info chardev": lambda self: "".join(
            f"{label}: filename=pty:/dev/pts/{label}\n"
            for label in self.masters  # the index is of no interest
        ),
    }
    commands = {
        "stop": lambda self, rest: self.set_status("paused"),
        "cont": lambda self, rest: self.set_status("running"),
        "quit": lambda self, rest: str(self.leave(0)),
        "chardev-add": chardev_add,
        "drive_mirror": mirror,
        "block_job_complete": complete,
        "block_job_cancel": cancel,
        "migrate": migrate,
        **dict.fromkeys(
            SILENT.split(),
            lambda self, rest: "",
        ),
    }


def serve_qmp(qemu: FakeQemu, chardev: dict[str, str]) -> None:
    """A QMP monitor that knows the state of the guest and how to quit; on a socket of its own or an inherited one."""
    inherited = int(chardev["fd"]) if "fd" in chardev else None
    with socket.socket(socket.AF_UNIX, fileno=inherited) as door:
        if inherited is None:
            door.bind(chardev["path"])
            door.listen(1)
        while True:
            client, _ = door.accept()
            with client, contextlib.suppress(OSError), client.makefile("rwb", buffering=0) as channel:
                channel.write(b'{"QMP": {"version": {}, "capabilities": []}}\n')
                for line in channel:
                    channel.write(json.dumps(qmp_reply(qemu, json.loads(line))).encode() + b"\n")


def qmp_reply(qemu: FakeQemu, request: dict[str, Any]) -> dict[str, Any]:
    mark = {"id": request["id"]} if "id" in request else {}
    match request["execute"]:
        case "qmp_capabilities":
            return {"return": {}, **mark}
        case "query-status":
            running = qemu.status == "running"
            return {"return": {"running": running, "status": "running" if running else "paused"}, **mark}
        case "quit":
            qemu.leave(0)
    return {"error": {"class": "CommandNotFound", "desc": "The command has not been found"}, **mark}


def main(program: str) -> None:
    """Runs the fake that was installed as `program`."""
    script = json.loads(Path(f"{program}.json").read_text())
    sys.exit(FakeQemu(sys.argv[1:], script).run())
