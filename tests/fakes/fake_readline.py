"""QEMU's line editor as its human monitor has it (util/readline.c): what it echoes, and what control bytes do."""

from __future__ import annotations

from collections.abc import Callable

PROMPT = b"(qemu) "
MAX_LINE = 4095


class Readline:
    """One line being typed. `write` gets the echo, `enter` each finished line."""

    def __init__(self, write: Callable[[bytes], None], enter: Callable[[bytes], None]) -> None:
        self.write = write
        self.enter = enter
        self.line = bytearray()
        self.cursor = 0
        self.escape = ""
        self.shown = b""
        self.shown_cursor = 0
        self.keys: dict[int, Callable[[], None]] = {
            0x01: self._home,
            0x04: self._delete,
            0x05: self._end,
            0x08: self._backspace,
            0x7F: self._backspace,
            0x0A: self._enter,
            0x0D: self._enter,
        }

    def prompt(self) -> None:
        self.write(PROMPT)
        self.shown, self.shown_cursor = b"", 0

    def restart(self) -> None:
        self.line.clear()
        self.cursor = 0

    def feed(self, byte: int) -> None:
        if self.escape:
            self._escaped(byte)
        elif byte == 0x1B:
            self.escape = "esc"
        elif byte == 0x9B:
            self.escape = "csi"
        elif byte in self.keys:
            self.keys[byte]()
        elif byte >= 0x20 and len(self.line) < MAX_LINE:
            self.line.insert(self.cursor, byte)
            self.cursor += 1
        self._update()

    def _escaped(self, byte: int) -> None:
        if self.escape == "esc":
            self.escape = "csi" if byte in b"[O" else ""
            return
        if byte in b"0123456789":
            return
        if byte == ord("D"):
            self.cursor = max(0, self.cursor - 1)
        elif byte == ord("C"):
            self.cursor = min(len(self.line), self.cursor + 1)
        self.escape = ""

    def _home(self) -> None:
        self.cursor = 0

    def _end(self) -> None:
        self.cursor = len(self.line)

    def _delete(self) -> None:
        del self.line[self.cursor : self.cursor + 1]

    def _backspace(self) -> None:
        if self.cursor:
            self.cursor -= 1
            self._delete()

    def _enter(self) -> None:
        line = bytes(self.line)
        self.restart()
        self.write(b"\r\n")
        self.shown, self.shown_cursor = b"", 0
        self.enter(line)

    def _update(self) -> None:
        if bytes(self.line) != self.shown:
            self.write(b"\x1b[D" * self.shown_cursor + bytes(self.line) + b"\x1b[K")
            self.shown, self.shown_cursor = bytes(self.line), len(self.line)
        step = self.cursor - self.shown_cursor
        self.write((b"\x1b[C" if step > 0 else b"\x1b[D") * abs(step))
        self.shown_cursor = self.cursor
