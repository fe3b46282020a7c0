"""Nothing of ours is open to others and no secret shows, after every command of a whole life, whatever the umask."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.faults.goals import Result
from tests.faults.verbs import NAME, document
from tests.support.program import PROGRAM, Program, end_guests, pids_below
from virtctl.qemu import process

TITLE = "confidentiality: permission bits of group and others, secrets in argv, environment, logs and texts"
TRIALS = 400
SECRETS = ("vNcS3crt", "c00kieS3cr3t")
_DEVICES = f"""
  <graphics type='vnc' autoport='yes' passwd='{SECRETS[0]}'/><video><model type='vga'/></video>
  <serial type='pty'/><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
</devices>"""
_WEB = f"""<disk type='network' device='cdrom'><driver name='qemu' type='raw'/>
  <source protocol='http' name='image.iso'><host name='127.0.0.1' port='1'/>
    <cookies><cookie name='session'>{SECRETS[1]}</cookie></cookies></source>
  <target dev='hdc' bus='ide'/><readonly/></disk></devices>"""
# Documents have passwords in them; so have saved images and the trash. They are for their owner alone.
_DOCUMENTS = (".xml", ".save", ".used", ".core", ".img")


class Site(NamedTuple):
    """The state of one life, and what its commands run with."""

    root: Path
    files: Path
    program: Program
    umask: str
    account: str


def measure(trials: int, seed: int) -> Result:
    """A trial is a look at everything after one command."""
    chance = random.Random(seed)
    wrong: list[str] = []
    done = 0
    while done < trials:
        umask = chance.choice(("000", "022"))
        account = chance.choice(("", "nobody")) if os.geteuid() == 0 else ""
        for words, found in _life(umask, account):
            done += 1
            wrong += [f"seed {seed}, umask {umask}, user '{account}', after '{words}': {line}" for line in found]
    return Result(done, wrong)


def _life(umask: str, account: str) -> Iterator[tuple[str, list[str]]]:
    place = Path(tempfile.mkdtemp(prefix="virtctl-secret-"))
    place.chmod(0o711)
    root, files = place / "root", place / "files"
    files.mkdir()
    files.chmod(0o711)
    program = Program(root, ("sh", "-c", f'umask {umask}; exec "$@"', "sh", PROGRAM))
    site = Site(root, files, program, umask, account)
    try:
        yield from _commands(site)
    finally:
        end_guests(place)
        shutil.rmtree(place)


def _commands(site: Site) -> Iterator[tuple[str, list[str]]]:
    files = site.files
    disk = files / "disk.img"
    disk.write_bytes(bytes(65536))
    disk.chmod(0o600)
    text = document(disk).replace("</devices>", _DEVICES)
    _write(files / "g.xml", text)
    _write(files / "web.xml", text.replace(f"<name>{NAME}<", "<name>web<").replace("-1c5f0f9b2a11", "-1c5f0f9b2a12")
           .replace("</devices>", _WEB))
    _write(files / "broken.xml", text.replace("<vcpu>1", "<vcpu>many"))
    site.root.mkdir(mode=0o700)
    (site.root / "etc").mkdir(mode=0o700)
    _write(site.root / "etc" / "qemu.conf", f'user = "{site.account}"\n' if site.account else "")
    good = ("define g.xml", "start g", "dumpxml g", "domdisplay g", "vncdisplay g", "dominfo g", "suspend g",
            "resume g", "screenshot g picture.core", "dump g memory.core --memory-only",
            "blockcopy g vda copy.img --transient-job --wait --pivot", "save g memory.save", "restore memory.save",
            "managedsave g", "managedsave-dumpxml g", "start g", "history g", "list --all --output json",
            "domxml-to-native qemu-argv --domain g", "dumpxml g --inactive", "destroy g", "define g.xml",
            "autostart g", "recover g")
    bad = ("define broken.xml", "create web.xml", "save g /nowhere/image", "start g nonsense",
           "qemu-monitor-command g --hmp nonsense")
    for words, must in [(one, True) for one in good] + [(one, False) for one in bad] + [("undefine g", True)]:
        told = site.program(*(str(files / word) if "." in word and "/" not in word else word
                              for word in words.split()))
        found = [] if (told.status == 0) == must else [f"ended with status {told.status}: {told.err}"]
        yield words, found + [*_look(site)] + [f"says '{secret}'" for secret in SECRETS
                                               if secret in told.out + told.err]


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def _look(site: Site) -> Iterator[str]:
    """What others could read, and where a secret stands that is no document."""
    for path in (*site.root.rglob("*"), *site.files.rglob("*")):
        with suppress(FileNotFoundError):
            found = path.lstat()
            if not path.is_symlink() and found.st_mode & 0o077:
                yield f"{path.relative_to(site.root.parent)} has mode {found.st_mode & 0o777:o}"
            if path.is_file() and not path.is_symlink() and path.suffix not in _DOCUMENTS:
                yield from _secrets_in(path, path.read_bytes())
    for pid in pids_below(site.root):
        for name in ("cmdline", "environ"):
            yield from _secrets_in(Path(f"/proc/{pid}/{name}"), Path(f"/proc/{pid}/{name}").read_bytes())
        for pts in process.ptys(pid):
            if Path(pts).stat().st_mode & 0o077:
                yield f"{pts} has mode {Path(pts).stat().st_mode & 0o777:o}"


def _secrets_in(path: Path, data: bytes) -> Iterator[str]:
    for secret in SECRETS:
        if secret.encode() in data:
            yield f"'{secret}' stands in {path}"
