"""The log keeper: one small process beside a guest that has log files. It reads what QEMU prints and writes the files.

QEMU gets a pipe for each log instead of the file, so that whatever becomes of the file (too long, no space, its disk or
its folder gone, a disk that does not answer) never reaches the guest: the pipes are always drained. What could not be
written is counted, told in the file itself as soon as there is space again, and in `logs.json` for other commands.

It is run by path, `python -I -S logkeeper.py`, by `logkeeping.py`: it imports nothing of ours and little of Python, for
every module costs memory as long as the guest runs. It ends when QEMU has closed all pipes.
"""

from __future__ import annotations

import _thread
import errno
import marshal
import os
import select
import stat
import time

BUFFER = 1 << 16  # bytes read at once
BACKLOG = 1 << 20  # bytes kept for a disk that does not answer; more are lost
LINE = 256  # bytes at the end of a file that may stay empty, so that no line is cut in two
PACE = 0.01  # seconds between two looks: a guest that prints byte by byte does not keep the host busy
RETRY = 1.0  # seconds between two looks whether there is space again
ENDED = -1  # as a number of lost bytes: nobody counted them, because no keeper ran
_LATE = OSError(errno.EAGAIN, "the disk did not answer")

_guard = _thread.allocate_lock()
_wake = _thread.allocate_lock()


def open_plain(path: str | bytes, flags: int, *, devices: bool = False) -> int:
    """Opens a log for writing, made with mode 0600: never through a link, never what has a second name or another's
    file in a folder that all may write; nothing but a file, or with `devices` a character device. Raises OSError.
    """
    flags |= os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed") from error
        raise
    try:
        why = _unfit(os.fstat(fd), path, devices)
        if why:
            raise OSError(errno.EINVAL, f"{why}, which is not written to")
        os.set_blocking(fd, True)
    except OSError:
        os.close(fd)
        raise
    return fd


def _unfit(found: os.stat_result, path: str | bytes, devices: bool) -> str:
    if not stat.S_ISREG(found.st_mode):
        if devices:
            return "" if stat.S_ISCHR(found.st_mode) else "it is neither a file nor a character device"
        return "it is not a plain file"
    if found.st_nlink > 1:
        return "the file has another name (a hard link)"
    if found.st_uid not in (os.geteuid(), 0) and os.stat(os.path.dirname(path)).st_mode & stat.S_IWOTH:  # noqa: PTH116, PTH120 - bytes too
        return f"the file belongs to user {found.st_uid}, in a folder that everybody may write"
    return ""


def rotate(path: bytes, backups: int, newest: bytes) -> None:
    """Makes PATH.0 of `newest`, PATH.1 of PATH.0 and so on; the oldest of `backups` goes. Raises OSError."""
    for number in range(backups - 1, 0, -1):
        try:
            os.rename(b"%b.%d" % (path, number - 1), b"%b.%d" % (path, number))  # noqa: PTH104 - bytes
        except FileNotFoundError:
            continue
    os.rename(newest, path + b".0")  # noqa: PTH104 - bytes


class Log:
    """One log file. `receive` is the reader's, all else the writer's, which alone ever waits for a disk.

    `limit` is in bytes and of one file, `backups` how many older ones there may be; `lost` counts the bytes that the
    file does not tell of yet, `ever` all.
    """

    def __init__(self, key: str, path: bytes, fd: int, limit: int, backups: int, lost: int, ever: int) -> None:
        self.key = key
        self.path = path
        self.fd = fd
        self.limit = limit
        self.backups = backups
        self.lost = lost
        self.ever = ever
        self.error = "the log keeper had ended" if lost else ""
        self._torn = bool(lost)  # the file ends within a line, or may
        self._waiting = bytearray()
        self._late = 0
        self._disk = mount_point(path)

    def receive(self, data: bytes) -> None:
        """Takes what QEMU printed; what is lost here stands between what comes before and after."""
        with _guard:
            room = 0 if self._late else BACKLOG - len(self._waiting)
            self._waiting += data[:room]
            self._late += max(0, len(data) - room)

    @property
    def missing(self) -> tuple[int, str]:
        """How many bytes the log lacks, and why the last of them; no reason where it lacks nothing."""
        late = self._late
        return self.ever + late, str(_LATE.strerror) if late else self.error

    @property
    def unsettled(self) -> bool:
        """Whether there is something to write, or to tell of."""
        return bool(self._waiting or self._late or self.lost)

    def write(self) -> None:
        """Writes what was received, or counts it as lost."""
        with _guard:
            data, late = bytes(self._waiting), self._late
            self._waiting.clear()
            self._late = 0
        try:
            while data or self.lost:
                data = data[self._put(data) :]
        except OSError as error:
            self._lose(len(data), error)
        if late:
            self._lose(late, _LATE)

    def _lose(self, size: int, error: OSError) -> None:
        self.lost = max(self.lost, 0) + size if size else self.lost
        self.ever += size
        self.error = error.strerror or str(error)

    def _put(self, data: bytes) -> int:
        """One write; how much of `data` it took. The file is opened anew each time: it may have been moved away, its
        disk unmounted, and an idle log keeps no disk busy.
        """
        if self._disk != b"/" and not os.path.ismount(self._disk):
            raise OSError(errno.ENODEV, f"nothing is mounted on {os.fsdecode(self._disk)}")
        fd = open_plain(self.path, os.O_APPEND)
        try:
            size = os.fstat(fd).st_size
            return self._tell(fd, size) if self.lost else self._append(fd, size, data)
        finally:
            os.close(fd)

    def _append(self, fd: int, size: int, data: bytes) -> int:
        room = max(0, self.limit - size)
        if len(data) > room:
            cut = data.rfind(b"\n", 0, room) + 1
            if not cut and (room >= LINE or not size):
                cut = max(room, 1)
            if not cut:
                self._make_room(fd, size)
                return 0
            data = data[:cut]
        written = os.write(fd, data)
        self._torn = data[written - 1 : written] != b"\n"
        return written

    def _tell(self, fd: int, size: int) -> int:
        """Notes in the file what is missing at this place, in a line of its own, whole or not at all."""
        what = "output" if self.lost == ENDED else f"{self.lost} bytes"
        note = ("\n" if self._torn else "") + f"[virtctl: {what} lost: {self.error}]\n"
        line = note.encode(errors="surrogateescape")
        if size and size + len(line) > self.limit:
            self._make_room(fd, size)
            return 0
        if os.write(fd, line) < len(line):
            os.ftruncate(fd, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.lost, self._torn = 0, False
        return 0

    def _make_room(self, fd: int, size: int) -> None:
        """The oldest goes; where names cannot be changed, that is what the file itself holds."""
        self._torn = False
        if self.backups:
            try:
                rotate(self.path, self.backups, self.path)
                return
            except OSError as error:
                os.ftruncate(fd, 0)
                self._lose(size, error)
                return
        os.ftruncate(fd, 0)


def mount_point(path: bytes) -> bytes:
    """Where the file system that holds this file is mounted."""
    folder = os.path.realpath(os.path.dirname(path))  # noqa: PTH120 - bytes
    while not os.path.ismount(folder):
        folder = os.path.dirname(folder)  # noqa: PTH120 - bytes
    return folder


class Report:
    """`logs.json`: rewritten in place, never made anew, so that a folder that is being cleared stays cleared."""

    def __init__(self, fd: int, logs: list[Log]) -> None:
        self._fd = fd
        self._logs = logs
        self._told = [(0, "") for _ in logs]
        self._length = 0
        self._next = 0.0

    def update(self, *, now: bool = False) -> None:
        """Writes what has changed, once a second at most unless `now`."""
        known = [log.missing for log in self._logs]
        if known == self._told or not (now or time.monotonic() >= self._next):
            return
        import json  # only where something is lost, for it costs memory

        found = {log.key: {"path": os.fsdecode(log.path), "lost": lost, "error": error}
                 for log, (lost, error) in zip(self._logs, known, strict=True) if error}
        text = json.dumps(found).encode() + b"\n"
        self._length = max(self._length, len(text))
        try:
            os.pwrite(self._fd, text.rjust(self._length), 0)
        except OSError:
            return  # the runtime folder is as full as all else: it is told later
        self._told, self._next = known, time.monotonic() + RETRY


def read_all(logs: list[Log], report: Report) -> None:
    """The reader: takes what QEMU prints, as long as anybody has the other sides of the pipes open."""
    poller = select.poll()
    for log in logs:
        poller.register(log.fd, select.POLLIN)
    open_ = {log.fd: log for log in logs}
    while open_:
        some = any(log.unsettled for log in logs)
        got = 0
        for fd, _ in poller.poll(RETRY * 1000 if some else None):
            data = os.read(fd, BUFFER)
            got += len(data)
            open_[fd].receive(data)
            if not data:
                poller.unregister(fd)
                del open_[fd]
        _rouse()
        report.update()
        if got < BUFFER // 4:
            time.sleep(PACE)


def _rouse() -> None:
    if _wake.locked():
        _wake.release()


def keep(logs: list[Log], report_fd: int) -> None:
    """The whole work: the reader in a thread beside, the writer here, until QEMU has ended and all is written."""
    report = Report(report_fd, logs)
    done: list[bool] = []

    def read() -> None:
        try:
            read_all(logs, report)
        finally:
            done.append(True)
            _rouse()

    _wake.acquire()
    _thread.start_new_thread(read, ())
    while True:
        last = bool(done)
        for log in logs:
            log.write()
        if last:
            break
        _wake.acquire(timeout=RETRY if any(log.lost for log in logs) else -1)
    report.update(now=True)


def main() -> None:
    """Reads from standard input what to keep, goes into the background, keeps it.

    The parent ends with status 0 when that is under way: then nothing can go wrong any more but the writing itself.
    """
    spec = b""
    while more := os.read(0, BUFFER):
        spec += more
    report, logs = marshal.loads(spec)  # of the virtctl that has just started us, by the same Python
    kept = [Log(*log) for log in logs]
    os.close(0)
    os.chdir("/")
    os.umask(0o077)
    if os.fork():
        os._exit(0)
    keep(kept, report)


if __name__ == "__main__":
    main()
