"""Whom QEMU runs as when `qemu.conf` names a user: found before anything is done, and acted as where QEMU's rights
count.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

from virtctl.errors import ConfigSyntaxError, OperationFailed, SystemFault, UnsupportedConfig
from virtctl.paths import Paths
from virtctl.state.atomic import make_dir
from virtctl.state.owners import Owner
from virtctl.state.settings import Settings, load_settings, settings_path

SETPRIV = ("/usr/bin/setpriv", "/bin/setpriv")
FACT = "account"  # the record of a running guest says here whom it runs as


class Account(NamedTuple):
    """A user as the kernel sees one: numbers, and the name for people."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str

    @property
    def owner(self) -> Owner:
        """As the owner of a file."""
        return Owner(self.uid, self.gid)

    @classmethod
    def read(cls, facts: dict[str, Any]) -> Account | None:
        """From the record of a guest; None for one that runs as whoever started it."""
        kept = facts.get(FACT)
        return None if kept is None else cls(int(kept[0]), int(kept[1]), tuple(map(int, kept[2])), str(kept[3]))


def chosen_account(paths: Paths) -> Account | None:
    """Whom the settings name, None when that is nobody but ourselves.

    Raises ConfigSyntaxError for a user or group that there is not, UnsupportedConfig when we may not become it.
    """
    settings = load_settings(paths)
    if settings.user is None and settings.group is None:
        return None
    account = _account(paths, settings)
    if (account.uid, account.gid) == (os.geteuid(), os.getegid()):
        return None
    if os.geteuid() != 0:
        what = "user" if account.uid != os.geteuid() else "group"
        raise UnsupportedConfig(f"{settings_path(paths)}: setting '{what}': only root can run QEMU as {what} "
                                f"'{settings.user if what == 'user' else settings.group}'",
                                hint=f"remove the setting, or set it to user {os.geteuid()}, group {os.getegid()}")
    return account


def _account(paths: Paths, settings: Settings) -> Account:
    entry = _user(paths, settings.user)
    if settings.group is not None:
        gid = _group(paths, settings.group)
    elif isinstance(entry, int):
        raise ConfigSyntaxError(f"{settings_path(paths)}: setting 'user': user {settings.user} has no group of its own",
                                hint="name one: group = \"...\"")
    else:
        gid = entry.pw_gid
    if isinstance(entry, int):
        return Account(entry, gid, (gid,), settings.user or "")
    return Account(entry.pw_uid, gid, tuple(sorted(os.getgrouplist(entry.pw_name, gid))), entry.pw_name)


def _user(paths: Paths, wanted: str | None) -> pwd.struct_passwd | int:
    """The user's entry, or the bare number where there is none."""
    number = os.geteuid() if wanted is None else _number(wanted)
    try:
        return pwd.getpwuid(number) if number is not None else pwd.getpwnam(wanted or "")
    except KeyError as cause:
        if number is not None:
            return number
        raise ConfigSyntaxError(f"{settings_path(paths)}: setting 'user': no user is called '{wanted}'") from cause


def _group(paths: Paths, wanted: str) -> int:
    number = _number(wanted)
    if number is not None:
        return number
    try:
        return grp.getgrnam(wanted).gr_gid
    except KeyError as cause:
        raise ConfigSyntaxError(f"{settings_path(paths)}: setting 'group': no group is called '{wanted}'") from cause


def _number(wanted: str) -> int | None:
    """`+107` is a number, and so is `107`; the kernel keeps the last one for itself."""
    digits = wanted.removeprefix("+")
    return int(digits) if digits.isdecimal() and digits.isascii() and int(digits) < 0xFFFFFFFF else None


def as_account(account: Account) -> list[str]:
    """The words before a command line that make it run as that user, with no way back: no capability, now or later."""
    program = next((path for path in SETPRIV if os.access(path, os.X_OK)), None)
    if program is None:
        raise SystemFault("cannot run QEMU as another user without 'setpriv'", FileNotFoundError(2, os.strerror(2)),
                          hint="it comes with Debian's package util-linux")
    words = [program, f"--reuid={account.uid}", f"--regid={account.gid}", "--no-new-privs",
             f"--groups={','.join(map(str, account.groups))}"]
    powers = [] if account.uid == 0 else ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
    return [*words, *powers, "--"]


@contextmanager
def acting_as(account: Account | None) -> Iterator[None]:
    """Files are opened and made with that user's rights in the block, where there is one to act as.

    What QEMU could have put in the way (a link, a file of another's) leads nowhere that it could not go itself.
    """
    if account is None or os.geteuid() != 0:
        yield
        return
    groups, gid = os.getgroups(), os.getegid()
    try:
        os.setgroups(account.groups)
        os.setegid(account.gid)
        os.seteuid(account.uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


@contextmanager
def inside(folder: Path, account: Account | None) -> Iterator[Path]:
    """The same for what is made in that user's working folder, which is given as a path that the user can go."""
    if account is None:
        yield folder
        return
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with acting_as(account):
            yield Path(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def account_facts(pid: int) -> dict[str, object]:
    """What the record of a guest says of whom it runs as, from the process; nothing when that is ourselves."""
    lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    told = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    uid, gid, groups = int(told["Uid"][0]), int(told["Gid"][0]), tuple(map(int, told["Groups"]))
    if uid == os.geteuid():
        return {}
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"+{uid}"
    return {FACT: list(Account(uid, gid, groups, name))}


def make_work(place: Path, account: Account) -> None:
    """An empty working folder of that user's, inside one that is shut to it. Raises SystemFault, OperationFailed."""
    make_dir(place.parent)
    rmtree(place, ignore_errors=True)
    try:
        place.mkdir(0o700)
        place.chmod(0o700)
        os.chown(place, *account.owner, follow_symlinks=False)
    except OSError as cause:
        raise SystemFault(f"cannot make folder '{place}' for user '{account.name}'", cause) from cause


def huge_folder(mount: str, account: Account) -> str:
    """A folder of that user's where huge pages are mounted, which others may not write to; it stays."""
    place = Path(mount, f"virtctl-{account.uid}")
    try:
        with suppress(FileExistsError):
            place.mkdir(0o700)
        found = place.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, account.uid):
            raise OperationFailed(f"'{place}' is not a folder of user '{account.name}'")
        os.chown(place, *account.owner, follow_symlinks=False)
    except OSError as cause:
        raise SystemFault(f"cannot make folder '{place}' for user '{account.name}'", cause) from cause
    return str(place)
