"""The definitions of persistent domains: one plain XML file each, re-read at every command.

A change is made under `DefinitionsLock`, so that two processes never give one name to two uuids; it is durable when
the method returns. Reading takes no lock: files are old or new, never between.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from virtctl.errors import NoDomain, OperationFailed, SystemFault, VirtctlError
from virtctl.paths import Paths
from virtctl.state import history, trash
from virtctl.state.atomic import make_dir, reap, remove_file, sync_folder, temp_beside, write_file
from virtctl.state.journal import Journal, Record
from virtctl.state.lock import DEFAULT_TIMEOUT, DefinitionsLock
from virtctl.state.names import SUFFIX, Broken, Entry, check_name, identify, inspect, read_definition

__all__ = ["Broken", "Entry", "Store", "check_name"]


class Store:
    """The definitions below one `Paths`. `command` is what the history calls the command that makes the changes.

    `warnings` collects, once each, what is wrong in the folders but stops nobody: broken definitions, doubled uuids.
    """

    def __init__(self, paths: Paths, *, command: str = "", lock_timeout: float = DEFAULT_TIMEOUT) -> None:
        self.paths = paths
        self.command = command
        self.warnings: list[str] = []
        self._lock = DefinitionsLock(paths, command=command, timeout=lock_timeout)
        self._index: dict[str, str] = {}  # name -> uuid, as it was at _index_time
        self._index_time = -1

    # Reading

    def path_of(self, name: str) -> Path:
        """The definition file of `name`, whether or not there is one."""
        return self.paths.definitions / f"{name}{SUFFIX}"

    def names(self) -> list[str]:
        """The names of all definitions, sorted, broken ones included: one reading of the folder, no file is opened."""
        found = _file_names(self.paths.definitions)
        return sorted(name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX))

    def exists(self, name: str) -> bool:
        """Whether a definition of that name is there, broken or not."""
        return os.path.lexists(self.path_of(name))

    def entries(self) -> list[Entry]:
        """Name and uuid of every usable definition, sorted by name; the others become warnings."""
        found = []
        for name in self.names():
            try:
                entry = inspect(self.path_of(name))
            except FileNotFoundError:
                continue  # undefined by another process since we read the folder
            if isinstance(entry, Broken):
                self._warn(f"ignoring broken definition '{entry.path}': {entry.reason}")
            else:
                found.append(entry)
        self._warn_of_doubles(found)
        return found

    def load(self, name: str) -> bytes:
        """The stored XML text. Raises `NoDomain`, or the reason why the file is not read."""
        if not name or "/" in name or "\0" in name:
            raise NoDomain(f"no domain with matching name '{name}'")
        try:
            return read_definition(self.path_of(name))
        except FileNotFoundError as cause:
            raise NoDomain(f"no domain with matching name '{name}'") from cause
        except SystemFault as cause:
            if not self.exists(name):  # a name too long for any file
                raise NoDomain(f"no domain with matching name '{name}'") from cause
            raise

    def uuid_of(self, name: str) -> str | None:
        """The uuid of a defined domain; None when it is not defined or its file is broken (then with a warning)."""
        if not name or "/" in name or "\0" in name:
            return None
        try:
            entry = inspect(self.path_of(name))
        except FileNotFoundError:
            return None
        if isinstance(entry, Broken):
            if self.exists(name):
                self._warn(f"ignoring broken definition '{entry.path}': {entry.reason}")
            return None
        return entry.uuid

    def refuse_broken(self, name: str) -> None:
        """Raises OperationFailed when there is a definition of that name and it cannot be used."""
        if name and "/" not in name and "\0" not in name and self.exists(name):
            entry = inspect(self.path_of(name))
            if isinstance(entry, Broken):
                raise OperationFailed(f"definition '{entry.path}' is broken: {entry.reason}")

    def name_of(self, uuid: str) -> str | None:
        """The name of the domain with that (canonical) uuid."""
        return next((entry.name for entry in self.entries() if entry.uuid == uuid), None)

    # Changing

    def check(self, name: str, uuid: str, running: Iterable[Entry] = ()) -> None:
        """Refuses, in libvirt's words, a name or uuid that another domain has; `running` adds the transient ones."""
        check_name(name)
        self._check(name, uuid, {entry.name: entry.uuid for entry in (*running, *self.entries())})

    def save(self, name: str, uuid: str, xml_text: str, running: Iterable[Entry] = ()) -> bool:
        """Defines a domain, or replaces its definition; says whether there was one.

        `running` is looked at under the lock. Raises `OperationFailed` on a conflict (see `check`), `SystemFault` when
        the disk refuses: then the old definition stands.
        """
        check_name(name)
        with self._lock as lock:
            known = self._known(lock)
            self._check(name, uuid, known | {entry.name: entry.uuid for entry in running})
            replaced = name in known or self.exists(name)
            make_dir(self.paths.definitions)
            with history.Log(self.paths, uuid) as log:
                self._write(name, uuid, xml_text.encode(), replaced)
                log.add("redefined" if replaced else "defined", name, self.command)
            self._remember(name, uuid)
        return replaced

    def remove(self, name: str) -> None:
        """Undefines a domain: its definition goes to the trash, its autostart link goes away. Raises `NoDomain`."""
        with self._lock as lock:
            if not self.exists(name):
                raise NoDomain(f"no domain with matching name '{name}'")
            uuid = self._known(lock).get(name, "")
            with history.Log(self.paths, uuid or "broken") as log:
                self._discard(name, uuid)
                log.add("undefined", name, self.command)
            self._remember(name, None)

    def rename(self, old: str, new: str, xml_text: str, running: Iterable[Entry] = ()) -> None:
        """Gives a domain another name; `xml_text` already bears it. The autostart mark goes along.

        A crash in between leaves a journal record `rename`, for `finish_rename`.
        """
        check_name(new)
        with self._lock as lock:
            known = self._known(lock)
            if old not in known:
                raise NoDomain(f"no domain with matching name '{old}'")
            uuid = known[old]
            others = {name: taken for name, taken in known.items() if name != old}
            self._check(new, uuid, others | {e.name: e.uuid for e in running if e.name != old})
            self._index_time = -1
            with history.Log(self.paths, uuid) as log:
                operation = Journal(self.paths, command=self.command).open(uuid, "rename", old=old, new=new)
                marked = self.autostart(old)
                with operation:
                    try:
                        write_file(self.path_of(new), xml_text.encode())
                        self.finish_rename(operation.record)
                    except BaseException:
                        self._take_rename_back(old, new, marked)
                        operation.done()
                        raise
                log.add(f"renamed from {old}", new, self.command)

    def _take_rename_back(self, old: str, new: str, marked: bool) -> None:
        """After a failure: the domain has its old name, unless that is gone already and only a sync has failed."""
        if self.exists(old):
            remove_file(self.path_of(new))
            self._set_link(new, False)
            self._set_link(old, marked)

    def finish_rename(self, record: Record) -> None:
        """Completes a renaming whose new definition was written, or forgets one whose was not."""
        old, new = str(record.facts["old"]), str(record.facts["new"])
        with self._lock:
            if old != new and self.uuid_of(new) == record.uuid and self.exists(old):
                if self.autostart(old):
                    self._set_link(new, True)
                self._set_link(old, False)
                remove_file(self.path_of(old))
            record.done()
            self._index_time = -1

    def undo(self, wanted: str, running: Iterable[Entry] = ()) -> Entry:
        """Brings back the last overwritten or undefined definition of a domain, named by name or uuid.

        What it replaces goes to the trash in turn, so a second undo takes the first one back. Raises `NoDomain`.
        """
        with self._lock as lock:
            known = self._known(lock)
            found, entry, text = self._newest_discarded(wanted, known)
            current = next((name for name, uuid in known.items() if uuid == entry.uuid), None)
            others = {name: uuid for name, uuid in known.items() if name != current}
            self._check(entry.name, entry.uuid, others | {e.name: e.uuid for e in running})
            with history.Log(self.paths, entry.uuid) as log:
                if current is not None and current != entry.name:
                    self._discard(current, entry.uuid)
                make_dir(self.paths.definitions)
                self._write(entry.name, entry.uuid, text, current == entry.name)
                if found.autostart and current is None:
                    self._set_link(entry.name, True)
                trash.drop(found.path)
                log.add("brought back", entry.name, self.command)
            self._index_time = -1
            return entry

    # Autostart and managed saves

    def autostart(self, name: str) -> bool:
        """Whether the domain starts with the host. A link that points anywhere else does not count."""
        link = self.paths.autostart / f"{name}{SUFFIX}"
        try:
            return link.readlink() in (Path("..", f"{name}{SUFFIX}"), self.path_of(name))
        except OSError:
            return False

    def autostarted(self) -> set[str]:
        """The names of all domains that start with the host."""
        names = (name.removesuffix(SUFFIX) for name in _file_names(self.paths.autostart) if name.endswith(SUFFIX))
        return {name for name in names if self.autostart(name) and self.exists(name)}

    def set_autostart(self, name: str, on: bool) -> None:
        """Marks or unmarks a persistent domain to start with the host. Raises `NoDomain`, `SystemFault`."""
        with self._lock:
            if not self.exists(name):
                raise NoDomain(f"no domain with matching name '{name}'")
            self._set_link(name, on)

    def managed_save(self, name: str) -> Path:
        """Where the managed save of `name` lies when there is one."""
        return self.paths.saves / f"{name}.save"

    def has_managed_save(self, name: str) -> bool:
        """Whether a managed save is there; its content is not looked at."""
        return self.managed_save(name).is_file()

    def managed_saves(self) -> set[str]:
        """The names that have a managed save: one reading of the folder."""
        return {name.removesuffix(".save") for name in _file_names(self.paths.saves) if name.endswith(".save")}

    # The steps; the lock is held

    def _known(self, lock: object) -> dict[str, str]:
        """Name -> uuid of all definitions; read again only when somebody else may have changed them."""
        try:
            changed = self.paths.definitions.stat().st_mtime_ns
        except OSError:
            changed = 0
        if lock is not self._lock or not self._lock.undisturbed or changed != self._index_time:
            reap(self.paths.definitions)
            self._index = {entry.name: entry.uuid for entry in self.entries()}
            self._index_time = changed
        return self._index

    def _remember(self, name: str, uuid: str | None) -> None:
        """Keeps the index true after a change of our own."""
        if uuid is None:
            self._index.pop(name, None)
        else:
            self._index[name] = uuid
        with suppress(OSError):
            self._index_time = self.paths.definitions.stat().st_mtime_ns

    def _check(self, name: str, uuid: str, known: dict[str, str]) -> None:
        owner = known.get(name)
        if owner is not None and owner != uuid:
            raise OperationFailed(f"domain '{name}' already exists with uuid {owner}")
        if owner is None and uuid in known.values():
            other = next(other for other, taken in known.items() if taken == uuid)
            raise OperationFailed(f"domain '{other}' is already defined with uuid {uuid}")

    def _write(self, name: str, uuid: str, data: bytes, replaced: bool) -> None:
        path = self.path_of(name)
        kept = None
        if replaced:
            if path.is_file() and not path.is_symlink() and _content(path) != data:
                kept = trash.keep(self.paths, path, uuid, autostart=self.autostart(name))
        else:
            self._set_link(name, False)  # one that a crashed undefine left must not start a new domain
        try:
            write_file(path, data)
        except BaseException:
            if kept is not None:
                trash.drop(kept)
            raise

    def _discard(self, name: str, uuid: str) -> None:
        path = self.path_of(name)
        if path.is_file() and not path.is_symlink():
            trash.keep(self.paths, path, uuid or "broken", autostart=self.autostart(name))
        remove_file(path)
        self._set_link(name, False)

    def _newest_discarded(self, wanted: str, known: dict[str, str]) -> tuple[trash.Discarded, Entry, bytes]:
        """The newest file of the trash for that name or uuid which differs from what is defined now."""
        uuid = known.get(wanted, wanted)
        for found in trash.contents(self.paths):
            try:
                text = read_definition(found.path)
                entry = identify(text)
            except (FileNotFoundError, VirtctlError):
                continue
            if uuid not in (entry.uuid, entry.name):
                continue
            if known.get(entry.name) == entry.uuid and _content(self.path_of(entry.name)) == text:
                continue
            return found, entry, text
        raise NoDomain(f"no older definition of '{wanted}' is kept")

    def _set_link(self, name: str, on: bool) -> None:
        link = self.paths.autostart / f"{name}{SUFFIX}"
        if not on:
            if os.path.lexists(link):
                remove_file(link)
            return
        make_dir(self.paths.definitions)
        make_dir(self.paths.autostart)
        temp = temp_beside(link)
        try:
            temp.symlink_to(Path("..", f"{name}{SUFFIX}"))
            temp.rename(link)
        except OSError as cause:
            with suppress(OSError):
                temp.unlink()
            raise SystemFault(f"cannot create symbolic link '{link}'", cause) from cause
        sync_folder(link.parent)

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def _warn_of_doubles(self, entries: list[Entry]) -> None:
        if len({entry.uuid for entry in entries}) == len(entries):
            return
        first: dict[str, str] = {}
        for entry in entries:
            other = first.setdefault(entry.uuid, entry.name)
            if other != entry.name:
                self._warn(f"definitions '{other}' and '{entry.name}' both have uuid {entry.uuid}")


def _file_names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - a thousand names: Path objects would cost more than the reading
    except FileNotFoundError:
        return []
    except OSError as cause:
        raise SystemFault(f"cannot read folder '{folder}'", cause) from cause


def _content(path: Path) -> bytes | None:
    """The file's bytes; None when it cannot be read, which nobody asked about here."""
    try:
        return read_definition(path)
    except (FileNotFoundError, VirtctlError):
        return None
