"""Programs that serve one guest beside QEMU: the TPM emulator and virtiofsd. They end with it, for they end when QEMU
closes their socket; a start that fails ends them itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from virtctl.domain.devices.filesystem import Filesystem
from virtctl.domain.devices.tpm import Backend, Tpm
from virtctl.errors import OperationFailed, SystemFault, UnsupportedConfig, VirtctlError
from virtctl.qemu.logfiles import open_own_log
from virtctl.qemu.passthrough import virtiofs_socket
from virtctl.qemu.plan import Plan
from virtctl.qemu.spawn import CLEAN_PATH
from virtctl.qemu.tpms import TPM_SOCKET
from virtctl.state.atomic import make_dir

VIRTIOFSD = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")
DEADLINE = 10.0  # seconds to open the socket
SETUP_DEADLINE = 60.0
_BANKS = ("sha1", "sha256", "sha384", "sha512")


def program(name: str, hint: str) -> str:
    """The path of a program of the host. Raises SystemFault with the package to install."""
    found = shutil.which(name, path=CLEAN_PATH)
    if found is None:
        raise SystemFault(f"Unable to find '{name}' binary in $PATH", FileNotFoundError(2, "No such file or directory"),
                          hint=hint)
    return found


def start_tpm(tpm: Tpm, state: Path, plan: Plan, log: Path, undo: ExitStack) -> None:
    """Starts the emulator; its state is made at the first start and stays in `state`."""
    backend = tpm.backend or Backend()
    if backend.encryption is not None:
        raise UnsupportedConfig("encryption of a TPM's state needs a secret store, which this connection does not have")
    hint = "the TPM emulator comes with Debian's packages swtpm and swtpm-tools"
    emulator = program("swtpm", hint)
    version = ["--tpm2"] if backend.version == "2.0" else []
    make_dir(state)
    permanent = state / ("tpm2-00.permall" if version else "tpm-00.permall")
    if not permanent.exists():
        _manufacture(backend, state, log, [program("swtpm_setup", hint), *version])
    argv = [emulator, "socket", "--ctrl", f"type=unixio,path={TPM_SOCKET},mode=0600",
            "--tpmstate", f"dir={state},mode=0600", *version, "--terminate"]
    _start(argv, plan, TPM_SOCKET, log, undo)


def _manufacture(backend: Backend, state: Path, log: Path, words: list[str]) -> None:
    """Makes a new TPM, as a factory would."""
    argv = [*words, "--tpmstate", f"dir://{state}", "--createek", "--lock-nvram", "--not-overwrite",
            "--runas", str(os.geteuid())]
    banks = [name for name in _BANKS if backend.banks is not None and getattr(backend.banks, name)]
    if banks:
        argv += ["--pcr-banks", ",".join(banks)]
    done = _run(argv, log)
    if done != 0:
        raise OperationFailed(f"Could not run '{argv[0]}'. exitstatus: {done}; Check error log '{log}' for details.")


def _run(argv: Sequence[str], log: Path) -> int:
    fd = open_own_log(log)
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=fd, stderr=fd, timeout=SETUP_DEADLINE,
                              env=_environment(), check=False).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperationFailed(f"Could not run '{argv[0]}': {error}") from error
    finally:
        os.close(fd)


def start_virtiofsd(shared: Filesystem, plan: Plan, log: Path, undo: ExitStack) -> None:
    """Starts the daemon that serves one folder."""
    if shared.source is None or shared.source.dir is None:
        return  # somebody else's daemon
    binary = shared.binary or next((path for path in VIRTIOFSD if os.access(path, os.X_OK)), None)
    if binary is None or not os.access(binary, os.X_OK):
        raise OperationFailed(f"filesystem '{shared.target}': virtiofsd was not found",
                              hint="it comes with QEMU's package qemu-system-common, or name it: <binary path='...'/>")
    folder = shared.source.dir
    if not Path(folder).is_dir():
        raise SystemFault(f"the virtiofs export directory '{folder}' does not exist",
                          FileNotFoundError(2, "No such file or directory"))
    link = plan.runtime / f"{shared.id}.source"  # the user's path may hold what the daemon's options cannot
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    name = virtiofs_socket(shared)
    argv = [binary, f"--socket-path={name}", *_virtiofs_options(shared, link)]
    _start(argv, plan, name, log, undo)


def _virtiofs_options(shared: Filesystem, source: Path) -> list[str]:
    words = [f"source={source}/."]  # the daemon does not follow a link by itself
    if shared.cache_mode is not None:
        words.append(f"cache={shared.cache_mode}")
    if shared.sandbox is not None:
        words.append(f"sandbox={shared.sandbox}")
    for value, name in ((shared.xattr, "xattr"), (shared.lock_flock, "flock"), (shared.lock_posix, "posix_lock")):
        if value is not None:
            words.append(name if value else f"no_{name}")
    pool = [] if shared.thread_pool is None else [f"--thread-pool-size={shared.thread_pool}"]
    return [*pool, "-o", ",".join(words)]


def _environment() -> dict[str, str]:
    return {"LC_ALL": "C", "PATH": CLEAN_PATH}


def _start(argv: list[str], plan: Plan, socket: str, log: Path, undo: ExitStack) -> None:
    """Starts a program in QEMU's folder and waits until its socket is there, which is QEMU's to connect to."""
    runtime = plan.runtime
    (runtime / socket).unlink(missing_ok=True)
    fd = open_own_log(log)
    try:
        child = subprocess.Popen(argv, cwd=runtime, stdin=subprocess.DEVNULL, stdout=fd, stderr=fd,
                                 start_new_session=True, umask=0o077, env=_environment())
    except OSError as error:
        raise SystemFault(f"Cannot run '{argv[0]}'", error) from error
    finally:
        os.close(fd)
    undo.push(lambda kind, error, trace: _end(child, failed=kind is not None))
    limit = time.monotonic() + DEADLINE
    while not (runtime / socket).exists():
        status = _ended(child)
        if status is not None:
            raise _failure(argv[0], f"ended with status {status}", log)
        if time.monotonic() > limit:
            raise _failure(argv[0], "did not open its socket", log)
    if plan.account is not None:  # nobody else is in that folder yet
        os.chown(runtime / socket, *plan.account.owner, follow_symlinks=False)


def _ended(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(0.005)
    except subprocess.TimeoutExpired:
        return None


def _failure(name: str, what: str, log: Path) -> VirtctlError:
    return OperationFailed(f"'{name}' {what}", hint=f"its words are in {log}")


def _end(child: subprocess.Popen[bytes], *, failed: bool) -> None:
    """Leaves the program to its guest, or ends it when there will be none."""
    if failed and child.poll() is None:
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(2)
    child.returncode = child.returncode if child.returncode is not None else 0  # the guest's from now on, not ours
