"""Names and paths of every byte: exactly the file of that name is made, used and removed, or the command refuses."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from xml.parsers import expat

from tests.faults.goals import Result
from tests.faults.sweep import fresh_driver
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program, end_guests
from tests.support.waiting import eventually
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import VirtctlError
from virtctl.values import BlockCopy, RestoreOptions, SaveOptions, StartOptions, UndefineOptions

TITLE = "names of every byte through define, save, disks and copies: exactly that file, or a refusal without effect"
TRIALS = 10000  # definitions; a fiftieth as many paths of each kind with a running guest, a fiftieth by the program

FIXED = [b".", b"..", b"...", b"../x", b"../../canary/file", b"a/../b", b"/etc/x", b"./x", b"-x", b"--help", b"-",
         b" ", b"  x  ", b"\t", b"x\ty", b"x\ny", b"x\ry", b"\x1b[2J", b"%s%n%d", b"$(id)", b"`id`", b"${HOME}",
         b"a,b", b"a=b", b"a,,b", b"id=x,file=/etc/passwd", b"'", b'"', b"\\", b"\\n", b"a\\", b"*", b"?", b"~",
         b"#x", b";ls", b"|x", b"&", b"<x>", b"]]>", b"x.xml", b".xml", b"autostart", b"autostart.xml",
         b"definitions", b"x.save", b"x.used", b".tmp-1-2-3", b".tmp-4194305-1-abc", b".tmp-", b"12", b"0", b"-1",
         b"1e9", b"\xd9\x8a\xe2\x80\xae", b"7d4f1f0e-0f0a-4c4b-9a55-1c5f0f9b2a11",
         b"7d4f1f0e0f0a4c4b9a551c5f0f9b2a11", b"json:{}", b"nbd:x:1", b"fat:x", b"fd:3", b"/dev/fdset/0",
         b"\xe2\x80\x8b", b"x\xe2\x80\x8b", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80",
         b"\xef\xbf\xbe", b"\x9b31m", b"\xc2\x9b31m", b"\x7f", b"\xc3\x9b", b"U\xcc\x82", b"", b"\x00", b"a\x00b",
         b"Con", b"con", b"NUL", b"g ", b" g", b"G"]
PIECES = [b"/", b"..", b".", b"-", b" ", b",", b"=", b"%s", b"$(id)", b"`", b"'", b'"', b"\\", b"\xc3\xa9",
          b"e\xcc\x81", b"\xe2\x98\x83", b"\xff", b"\n", b"\r", b"\t", b"\x1b", b"\x00", b"canary", b"file", b"g",
          b".xml", b".save"]


def names(chance: random.Random) -> Iterator[bytes]:
    """Names without end: the known troublemakers, every single byte, lengths about the limits, then chance."""
    yield from FIXED
    yield from (b"a" + bytes([byte]) + b"z" for byte in range(256))
    yield from (letter * (length // len(letter)) for length in (250, 251, 252, 254, 255, 256, 1023, 1024, 4095, 4096)
                for letter in (b"x", b"\xc3\xa9", b"\xff"))
    while True:
        kind = chance.randrange(4)
        if kind == 0:
            yield bytes(chance.randrange(256) for _ in range(chance.randint(1, 24)))
        elif kind == 1:
            yield b"".join(chance.choice(PIECES) for _ in range(chance.randint(1, 8)))
        elif kind == 2:
            yield "".join(chr(chance.randrange(0x20, 0x3000)) for _ in range(chance.randint(1, 20))).encode()
        else:
            yield bytes(chance.randrange(0x20, 0x7F) for _ in range(chance.randint(1, 40)))


def written(name: bytes, chance: random.Random) -> bytes:
    """The name as it stands in a document: as it is, by numbers, or in a CDATA section."""
    kind = chance.randrange(3)
    text = name.decode(errors="ignore")
    if kind == 0 and text.encode() == name:
        return "".join(f"&#{ord(letter)};" for letter in text).encode()
    if kind == 1 and b"]]>" not in name:
        return b"<![CDATA[" + name + b"]]>"
    return name.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")


def read_by_another(text: bytes) -> str | None:
    """The name in a document as another parser reads it, None for one that is no document."""
    found: list[str] = []
    inside: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, _attributes: inside.append(tag)
    parser.EndElementHandler = lambda _tag: inside.pop()
    parser.CharacterDataHandler = lambda piece: found.append(piece) if inside == ["domain", "name"] else None
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, ValueError):
        return None
    return "".join(found)


Tree = dict[bytes, tuple[int, int, int]]
# What is named by a uuid or a number, and the logs of the two guests whose names are plain.
_OURS = (b"root/lib/qemu/history/", b"root/lib/qemu/trash", b"root/lib/qemu/running", b"root/lib/qemu/monitor",
         b"root/run/", b"root/log/qemu/g.log", b"root/log/qemu/d.log")


def tree(place: Path) -> Tree:
    """Every file below a folder: inode, size, time of its content. What bears no user's name is left out."""
    found: Tree = {}
    top = os.fsencode(place)
    for folder, folders, files in os.walk(top):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)  # noqa: PTH118 - bytes
            short = path[len(top) + 1:]
            if not short.startswith(_OURS):
                told = os.lstat(path)
                is_folder = name in folders
                found[short] = (told.st_ino, 0 if is_folder else told.st_size, 0 if is_folder else told.st_mtime_ns)
    return found


def changes(before: Tree, after: Tree) -> set[bytes]:
    """What came, went or changed."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


class Trial:
    """One place with canaries around the state, and what was not as it must be."""

    def __init__(self, place: Path, seed: int) -> None:
        self.place = place
        self.chance = random.Random(seed)
        self.wrong: list[str] = []
        self.refused = 0
        self.lab = Lab(place / "root" / "lab", fresh_driver(place / "root"))
        self.lab.folder.mkdir(parents=True, mode=0o700)
        (place / "canary").mkdir()
        for number in range(5):
            (place / "canary" / f"file{number}").write_text("precious")
        self.paths = 0
        self._make_folders()

    def _make_folders(self) -> None:
        """Every folder that the state has: none is news later."""
        self.lab.disk.write_bytes(bytes(65536))
        self.lab.managed()
        self.driver.start(NAME, StartOptions())
        self.driver.blockcopy(NAME, "vda", BlockCopy(str(self.lab.copy)))
        self.driver.set_autostart(NAME, True)
        self.lab.wipe()

    @property
    def driver(self) -> QemuDriver:
        return self.lab.driver

    def text(self, name: bytes, uuid: bytes = b"2a11") -> bytes:
        """A document with that name in it."""
        whole = document(self.place / "root" / "lab" / "disk.img").encode()
        return whole.replace(b"<name>g<", b"<name>" + name + b"<").replace(b"2a11</uuid>", uuid + b"</uuid>")

    def check(self, what: str, changed: set[bytes], wanted: set[bytes]) -> None:
        """Notes a violation unless exactly these files changed."""
        if changed != wanted:
            self.wrong.append(f"{what}: touched {sorted(changed)}, and not {sorted(wanted)}")

    def tried(self, act: Callable[[bytes], None], name: bytes) -> None:
        """One of the methods below; what it raises is a violation."""
        try:
            act(name)
        except Exception as error:
            self.wrong.append(f"{act.__name__} of {name!r} ended with {type(error).__name__}: {error}")

    def define(self, name: bytes) -> None:
        """Define and undefine, in this process."""
        text = self.text(written(name, self.chance))
        expected = read_by_another(text)
        before = tree(self.place)
        try:
            defined = self.driver.define(text)
        except VirtctlError:
            self.refused += 1
            self.check(f"refused define of {name!r}", changes(before, tree(self.place)), set())
            return
        file = b"root/etc/qemu/" + os.fsencode(defined.name) + b".xml"
        if defined.name != expected:
            self.wrong.append(f"define of {name!r} gave {defined.name!r}, and not {expected!r}")
        self.check(f"define of {name!r}", changes(before, tree(self.place)), {file})
        if self.driver.uuid_of(defined.name) != defined.uuid:
            self.wrong.append(f"{name!r} is not found by its name")
        if name.startswith(b"."):
            fresh_driver(self.place / "root").recover()  # which tidies up what begins with a dot
            self.check(f"tidying after {name!r}", changes(before, tree(self.place)), {file})
        self.driver.undefine(defined.name, UndefineOptions())
        self.check(f"undefine of {name!r}", changes(before, tree(self.place)), set())

    def twins(self) -> None:
        """Names that only look alike are two domains."""
        word = "é" + "".join(chr(self.chance.randrange(0xC0, 0x17F)) for _ in range(3))
        pair = {unicodedata.normalize(form, word) for form in ("NFC", "NFD")} | {word.upper()}
        before = tree(self.place)
        for number, name in enumerate(sorted(pair)):
            self.driver.define(self.text(name.encode(), b"%04x" % number))
        wanted = {b"root/etc/qemu/" + name.encode() + b".xml" for name in pair}
        self.check(f"define of {pair}", changes(before, tree(self.place)), wanted)
        for name in sorted(pair):
            self.driver.undefine(name, UndefineOptions())
        self.check(f"undefine of {pair}", changes(before, tree(self.place)), set())

    def act(self, what: str, act: Callable[[], object], wanted: set[bytes], before: Tree) -> bool:
        """Something done to a file with an odd path: those files are touched, or it is refused and none is."""
        self.paths += 1
        try:
            act()
        except VirtctlError as error:
            self.refused += 1
            if "mistake of the program" in str(error.hint):
                self.wrong.append(f"{what}: {error}")
            self.check(f"refused {what}", changes(before, tree(self.place)), set())
            return False
        self.check(what, changes(before, tree(self.place)), wanted)
        return True

    def path(self, name: bytes) -> Path:
        """A path in the lab with such a name; slashes lead into folders that are not there, or out of it."""
        return self.lab.folder / os.fsdecode(name.lstrip(b"/"))

    def short(self, path: Path) -> bytes:
        """As `tree` calls it; dots lead where the kernel follows them."""
        whole = os.path.realpath(os.fsencode(path.parent)) + b"/" + os.fsencode(path.name)
        return whole[len(os.fsencode(self.place)) + 1:]

    def save(self, name: bytes) -> None:
        """Save into such a path and restore from it."""
        path = self.path(name)
        before = tree(self.place)
        save = partial(self.driver.save, NAME, path, SaveOptions())
        if self.act(f"save to {name!r}", save, {self.short(path)}, before):
            saved = tree(self.place)
            self.act(f"restore from {name!r}", lambda: self.driver.restore(path, RestoreOptions()), set(), saved)
            path.unlink()

    def copy(self, name: bytes) -> None:
        """Copy the guest's disk to such a path, and give the copy up."""
        path = self.path(name)
        before = tree(self.place)
        if self.act(f"copy to {name!r}", lambda: self.driver.blockcopy(NAME, "vda", BlockCopy(os.fspath(path))),
                    {self.short(path)}, before):
            eventually(lambda: (job := self.driver.blockjob(NAME, "vda")) is not None and job.ready, "it is ready")
            self.driver.blockjob_abort(NAME, "vda")
            path.unlink()

    def disk(self, name: bytes) -> None:
        """A guest whose disk has such a path opens exactly that file."""
        path = self.path(name)
        try:
            path.write_bytes(bytes(65536))
        except (OSError, ValueError):
            return
        shown = os.fsencode(path).replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b"'", b"&apos;")
        for letter in b"\n\t\r":
            shown = shown.replace(bytes([letter]), b"&#%d;" % letter)
        text = self.text(b"d", b"0d0d").replace(os.fsencode(self.lab.disk), shown)
        before = tree(self.place)
        if self.act(f"define with {name!r}", lambda: self.driver.define(text), {b"root/etc/qemu/d.xml"}, before):
            defined = tree(self.place)
            if self.act(f"start on {name!r}", lambda: self.driver.start("d", StartOptions()), set(), defined):
                self.check_open(path)
                self.driver.destroy("d")
            self.driver.undefine("d", UndefineOptions())
        path.unlink()

    def check_open(self, path: Path) -> None:
        """QEMU has the file open, and none of the canaries."""
        pid = next(status.pid for status in self.driver.context.running() if status.name == "d")
        opened = {entry.stat().st_ino for entry in Path(f"/proc/{pid}/fd").iterdir()}
        if path.stat().st_ino not in opened:
            self.wrong.append(f"the guest does not use {path!r}")
        canaries = {canary.stat().st_ino for canary in (self.place / "canary").iterdir()} - {path.stat().st_ino}
        if opened & canaries:
            self.wrong.append(f"the guest of {path!r} has a canary open")

    def program(self, name: bytes) -> None:
        """The same on the command line, where a name is any bytes but NUL."""
        program = Program(self.place / "root")
        self.paths += 1
        file = self.place / "canary" / "document.xml"
        file.write_bytes(self.text(written(name, random.Random(2))))
        before = tree(self.place)
        shown = [self._run(program, b"define", os.fsencode(file)), self._run(program, b"domuuid", b"--domain=" + name),
                 self._run(program, b"undefine", b"--domain=" + name)]
        self.check(f"virtctl define and undefine of {name!r}", changes(before, tree(self.place)), set())
        if shown[0][0] == 0 and [status for status, _ in shown] != [0, 0, 0]:
            self.wrong.append(f"virtctl does not find what it defined: {name!r}: {shown}")
        if any(status not in (0, 1) or b"Traceback" in said or b"mistake" in said for status, said in shown):
            self.wrong.append(f"virtctl and {name!r}: {shown}")
        file.unlink()

    def _run(self, program: Program, *words: bytes) -> tuple[int, bytes]:
        done = subprocess.run([os.fsencode(program.command[0]), *words], capture_output=True, env=program.environ(),
                              cwd=self.place / "canary", timeout=60, check=False)
        return done.returncode, done.stderr


def measure(trials: int, seed: int) -> Result:
    """Definitions, then a sample of paths and of the program."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), seed)
        try:
            source = names(trial.chance)
            for number in range(trials):
                trial.tried(trial.define, next(source))
                if number % 100 == 0:
                    trial.twins()
            refused = trial.refused
            _sample(trial, max(3, trials // 50))
        finally:
            end_guests(Path(folder) / "root")
    return Result(trials + trial.paths, trial.wrong, f"{trials} definitions, {refused} of them refused; {trial.paths} "
                  "commands with odd paths or by the program")


def _sample(trial: Trial, count: int) -> None:
    source = list(names_of_paths(trial.chance, count))
    for name in source:
        trial.tried(trial.program, name)
        trial.tried(trial.disk, name)
    trial.lab.running()
    for name in source:
        trial.tried(trial.save, name)
        trial.tried(trial.copy, name)


def names_of_paths(chance: random.Random, count: int) -> Iterator[bytes]:
    """A mixture of all kinds: those that are known for trouble are never left out of a longer run."""
    known = [name for name in FIXED if name.strip(b"/.") and b"\0" not in name]  # in which no path can be given
    chance.shuffle(known)
    source = names(chance)
    others = [name for name in (next(source) for _ in range(2000)) if b"\0" not in name][len(FIXED):]
    yield from known[: max(1, count // 2)]
    yield from chance.sample(others, count - min(len(known), max(1, count // 2)))
