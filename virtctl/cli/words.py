"""Splits a command string into commands and words, as virsh does: quotes, backslash, `;`, newline and `#`."""

from __future__ import annotations

from virtctl.errors import UsageError

_BLANK = " \t"
_END = ";\n"


class _Splitter:
    """Reads one string. `words` is the command that is being read, None between commands' words."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def commands(self) -> list[list[str]]:
        found: list[list[str]] = []
        words: list[str] = []
        while self.peek():
            if self.peek() in _END:
                found.append(words)
                words = []
                self.at += 1
            elif self.peek() in _BLANK:
                self.at += 1
            elif self.peek() == "#":
                self.skip_comment()
            elif self.text.startswith("\\\n", self.at):
                self.at += 2
            else:
                words.append(self.word())
        return [words for words in [*found, words] if words]

    def skip_comment(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def word(self) -> str:
        parts: list[str] = []
        quote = ""
        while self.peek() and (quote or self.peek() not in _BLANK + _END):
            char = self.peek()
            self.at += 1
            if char == "\\" and quote != "'":
                parts.append(self.escaped())
            elif char in ("'", '"') and quote in ("", char):
                quote = "" if quote else char
            else:
                parts.append(char)
        if quote == '"':
            raise UsageError('missing "')
        return "".join(parts)

    def escaped(self) -> str:
        char = self.peek()
        if not char:
            raise UsageError("dangling \\")
        self.at += 1
        return "" if char == "\n" else char


def split_commands(text: str) -> list[list[str]]:
    """The commands of a string, each as its words; empty ones are left out. Raises UsageError.

    A single quote that is not closed reaches to the end, as in virsh; a double quote must be closed. A NUL, which no
    file name can hold, would be lost on the way of some and so name another file.
    """
    if "\0" in text:
        raise UsageError("a command cannot hold a NUL character")
    return _Splitter(text).commands()
