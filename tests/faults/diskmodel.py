"""A disk that knows what of each file was synced, and which names of each folder."""

from __future__ import annotations

import copy
import os
import random
import stat
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.disktrace import Call

POLICIES = ("strict", "names", "data", "all", "torn")
Write = tuple[int, bytes] | int  # where and what; or a new length
Names = dict[bytes, int | None]  # what changes at once: a name gets a node, or goes


@dataclass
class Node:
    """A file, a folder or a link: what is safe on the disk, and in their order the changes that are not yet."""

    mode: int
    data: bytes = b""
    names: dict[bytes, int] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    changes: list[Names] = field(default_factory=list)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def content(self, count: int | None = None) -> bytes:
        """With the first `count` writes that are not safe yet."""
        data = bytearray(self.data)
        for write in self.writes[:count]:
            if isinstance(write, int):
                data = data[:write].ljust(write, b"\0")
            else:
                where, what = write
                data = data.ljust(where, b"\0")
                data[where : where + len(what)] = what
        return bytes(data)

    def listing(self, count: int | None = None) -> dict[bytes, int]:
        """With the first `count` changes of names that are not safe yet."""
        names = dict(self.names)
        for change in self.changes[:count]:
            for name, node in change.items():
                if node is None:
                    names.pop(name, None)
                else:
                    names[name] = node
        return names

    def sync(self) -> None:
        """Everything is safe."""
        self.data, self.writes = self.content(), []
        self.names, self.changes = self.listing(), []


@dataclass
class Disk:
    """All below one folder. `open` has the node and the place in it of each descriptor."""

    root: bytes
    all: dict[int, Node]
    open: dict[int, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> Disk:
        """As it is now, all of it safe."""
        disk = cls(os.fsencode(root), {0: Node(root.stat().st_mode)})
        disk._take_in(root, disk.all[0])
        return disk

    def _take_in(self, folder: Path, node: Node) -> None:
        for path in sorted(folder.iterdir()):
            mode = path.lstat().st_mode
            made = Node(mode)
            if stat.S_ISREG(mode):
                made.data = path.read_bytes()
            elif stat.S_ISLNK(mode):
                made.data = os.fsencode(path.readlink())
            elif stat.S_ISDIR(mode):
                self._take_in(path, made)
            else:
                continue  # sockets end with their process
            node.names[os.fsencode(path.name)] = self._add(made)

    def _add(self, node: Node) -> int:
        self.all[max(self.all) + 1] = node
        return max(self.all)

    def copy(self) -> Disk:
        """Another that goes its own way."""
        return copy.deepcopy(self)

    # Playing back

    def _find(self, path: bytes) -> tuple[Node | None, bytes, int | None]:
        """The folder of a path as it is now, the last name in it, and what bears that name."""
        relative = os.path.relpath(path, self.root)
        if relative.startswith(b".."):
            return None, b"", None
        here = 0
        *folders, name = relative.split(b"/")
        for folder in folders:
            found = self.all[here].listing().get(folder)
            if found is None or not self.all[found].is_folder:
                return None, name, None
            here = found
        if relative == b".":
            return None, b"", 0
        return self.all[here], name, self.all[here].listing().get(name)

    def apply(self, call: Call) -> None:
        """One call more."""
        step = getattr(self, f"_{call.name.removesuffix('at').removesuffix('64')}", None)
        if step is not None:
            step(call)

    def _open(self, call: Call) -> None:
        folder, name, node = self._find(call.path)
        if node is None and folder is not None and "O_CREAT" in call.text:
            node = self._add(Node(stat.S_IFREG | 0o600))
            folder.changes.append({name: node})
        if node is not None:
            self.open[call.result] = [node, 0]
            if "O_TRUNC" in call.text:
                self.all[node].writes.append(0)
            if "O_APPEND" in call.text:
                self.open[call.result][1] = -1

    def _close(self, call: Call) -> None:
        self.open.pop(call.fd, None)

    def _write(self, call: Call) -> None:
        if call.fd in self.open:
            node, place = self.open[call.fd]
            where = len(self.all[node].content()) if place < 0 else place
            self.all[node].writes.append((where, call.strings[0][: call.result]))
            if place >= 0:
                self.open[call.fd][1] += call.result

    def _pwrite(self, call: Call) -> None:
        if call.fd in self.open:
            self.all[self.open[call.fd][0]].writes.append((call.last, call.strings[0][: call.result]))

    def _ftruncate(self, call: Call) -> None:
        if call.fd in self.open:
            self.all[self.open[call.fd][0]].writes.append(call.last)

    def _fchmod(self, call: Call) -> None:
        if call.fd in self.open:
            node = self.all[self.open[call.fd][0]]
            node.mode = stat.S_IFMT(node.mode) | call.last

    def _fsync(self, call: Call) -> None:
        if call.fd in self.open:
            self.all[self.open[call.fd][0]].sync()

    _fdatasync = _fsync

    def _mkdir(self, call: Call) -> None:
        folder, name, _ = self._find(call.strings[0])
        if folder is not None:
            folder.changes.append({name: self._add(Node(stat.S_IFDIR | 0o700))})

    def _symlink(self, call: Call) -> None:
        folder, name, _ = self._find(call.strings[1])
        if folder is not None:
            folder.changes.append({name: self._add(Node(stat.S_IFLNK | 0o777, call.strings[0]))})

    def _link(self, call: Call) -> None:
        folder, name, _ = self._find(call.strings[1])
        node = self._find(call.strings[0])[2]
        if folder is not None and node is not None:
            folder.changes.append({name: node})

    def _unlink(self, call: Call) -> None:
        folder, name, _ = self._find(call.strings[0])
        if folder is not None:
            folder.changes.append({name: None})

    _rmdir = _unlink

    def _rename(self, call: Call) -> None:
        source, old, node = self._find(call.strings[0])
        folder, name, _ = self._find(call.strings[1])
        if source is None or folder is None or node is None:
            return
        if source is folder:
            folder.changes.append({old: None, name: node})
        else:
            folder.changes.append({name: node})
            source.changes.append({old: None})

    _rename2 = _rename

    # What may be left of it

    def nodes(self) -> dict[str, int]:
        """The node of each path, as it is now."""
        found: dict[str, int] = {}
        todo = [(self.root, 0)]
        while todo:
            path, node = todo.pop()
            found[os.fsdecode(path)] = node
            todo += [(path + b"/" + name, child) for name, child in self.all[node].listing().items()]
        return found

    def write(self, root: Path, policy: str, chance: random.Random, leave_out: Path) -> dict[int, int]:
        """Makes it below `root`; gives the inode of each node that is there."""
        made: dict[int, Path] = {}
        self._make(root, 0, policy, chance, leave_out, made)
        return {node: path.lstat().st_ino for node, path in made.items()}

    def _make(self, path: Path, number: int, policy: str, chance: random.Random, leave_out: Path,
              made: dict[int, Path]) -> None:
        node = self.all[number]
        if path == leave_out:
            return
        if stat.S_ISLNK(node.mode):
            path.symlink_to(os.fsdecode(node.data))
        elif node.is_folder:
            path.mkdir(mode=0o700)
            count = {"strict": 0, "data": 0, "torn": chance.randint(0, len(node.changes))}.get(policy)
            for name, child in sorted(node.listing(count).items()):
                self._make(path / os.fsdecode(name), child, policy, chance, leave_out, made)
        elif number in made:
            path.hardlink_to(made[number])
        else:
            count = {"strict": 0, "names": 0, "torn": chance.randint(0, len(node.writes))}.get(policy)
            path.write_bytes(node.content(count))
            path.chmod(stat.S_IMODE(node.mode))
        made.setdefault(number, path)
