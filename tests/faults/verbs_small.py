"""More verbs that are swept: small changes of a guest, other ways of saving and copying, and recovery itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.faults.attempts import UUID, attempt
from tests.faults.verbs import BOTH, NAME, VERBS, Lab, Verb, _state, document
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import OperationFailed, VirtctlError
from virtctl.qemu.images import create
from virtctl.values import (
    Affect,
    BlockCopy,
    DumpOptions,
    RestoreOptions,
    SaveOptions,
    StartOptions,
    UndefineOptions,
)

RUNNING = frozenset({"running"})
EACH = Affect(live=True, config=True)
STORED = Affect(config=True)
MAC = "52:54:00:11:22:33"
SPACE = "urn:example:notes"
_MORE = f"""<disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/><target dev='hdc' bus='ide'/><readonly/>
    </disk>
    <interface type='user'><mac address='{MAC}'/><model type='virtio'/></interface>
    <input type='keyboard' bus='ps2'/><video><model type='vga' vram='1024'/></video><graphics type='vnc' port='-1'/>
    <memballoon model='virtio'/>"""


def furnished(disk: Path) -> str:
    """The same guest with a drive, a network card, a screen and a balloon."""
    return document(disk).replace("<memballoon model='none'/>", _MORE)


def disc(lab: Lab) -> Path:
    """What goes into the drive."""
    return lab.folder / "disc.iso"


def furnish(lab: Lab) -> None:
    """The furnished guest, defined and running."""
    disc(lab).write_bytes(bytes(2048))
    disc(lab).chmod(0o600)
    lab.driver.define(furnished(lab.disk))
    lab.driver.start(NAME, StartOptions())


def loaded(lab: Lab) -> None:
    """The same, with an image in the drive."""
    furnish(lab)
    lab.driver.change_media(NAME, "hdc", str(disc(lab)), EACH)


def renamed(lab: Lab) -> bool:
    """Whether the domain bears its second name."""
    try:
        return lab.driver.name_of(UUID) == "h"
    except VirtctlError:
        return False


def stored(lab: Lab) -> str:
    """The definition; empty when there is none."""
    try:
        return lab.driver.dumpxml(NAME, DumpOptions(inactive=True))
    except VirtctlError:
        return ""


def both(lab: Lab, words: str) -> bool:
    """Whether the words stand in the definition and in the running guest's document."""
    return words in stored(lab) and words in lab.driver.dumpxml(NAME, DumpOptions())


def drive(lab: Lab) -> str:
    """What QEMU has in the drive."""
    found = lab.driver.monitor_hmp(NAME, "info block").split("drive-ide0-1-0", 1)
    return found[1].splitlines()[0] if len(found) > 1 else ""


def inserted(lab: Lab) -> bool:
    """Whether QEMU has the disc in the drive; what is shown of the running guest must be the same."""
    name = str(disc(lab))
    found = name in drive(lab)
    if found != (name in lab.driver.dumpxml(NAME, DumpOptions())):
        raise OperationFailed(f"QEMU {'has' if found else 'lacks'} the disc, and dumpxml says otherwise")
    return found


def with_variables(lab: Lab) -> None:
    """The domain with a store of its firmware's variables, marked to start with the host."""
    code, store = lab.folder / "code.fd", lab.folder / "vars.fd"
    for path in (code, store):
        path.write_bytes(bytes(4096))
        path.chmod(0o600)
    firmware = f"<loader readonly='yes' type='pflash'>{code}</loader><nvram>{store}</nvram></os>"
    lab.driver.define(document(lab.disk).replace("</os>", firmware))
    lab.driver.set_autostart(NAME, True)


def interrupted(verb: str, number: int) -> Verb:
    """Recovery itself, after that verb was killed at that call."""
    cut = next(one for one in VERBS if one.name == verb)

    def prepare(lab: Lab) -> None:
        cut.prepare(lab)
        attempt(lab.driver, cut.act(lab), number, "KILL")

    return cut._replace(name=f"recover-{verb}", prepare=prepare, act=lambda lab: lambda d: d.recover(),
                        done=lambda lab: True, states=cut.states | {"shut off"} if cut.guest else cut.states)


def compressed(lab: Lab) -> None:
    """The guest, running where saved memory is compressed by the settings."""
    lab.running()
    settings = lab.folder.parent / "etc" / "qemu.conf"
    settings.write_text('save_image_format = "gzip"\n')
    settings.chmod(0o600)


def saved_over(lab: Lab) -> None:
    """The guest, running, and an older image where it will be saved."""
    lab.saved()
    lab.driver.restore(lab.image, RestoreOptions())


def gone(lab: Lab) -> bool:
    """Whether nothing is left of the domain with the variables."""
    return _state(lab) == "undefined" and not (lab.folder / "vars.fd").exists()


def saved(lab: Lab) -> bool:
    """Whether it was saved to the image."""
    return _state(lab) == "shut off" and lab.image.exists()


def with_spare(lab: Lab) -> None:
    """The guest, running, and an image that it does not have."""
    lab.running()
    lab.core.write_bytes(bytes(65536))
    lab.core.chmod(0o600)


def second(lab: Lab) -> str:
    """A disk to be plugged in."""
    return f"""<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{lab.core}'/>
        <target dev='vdb' bus='virtio'/></disk>"""


def plugged(lab: Lab) -> bool:
    """Whether QEMU has the second disk; what is shown of the running guest must be the same."""
    found = "drive-virtio-disk1" in lab.driver.monitor_hmp(NAME, "info block")
    if found != (str(lab.core) in lab.driver.dumpxml(NAME, DumpOptions())):
        raise OperationFailed(f"QEMU {'has' if found else 'lacks'} the disk, and dumpxml says otherwise")
    return found


def asked(name: str, act: Callable[[QemuDriver], object], states: frozenset[str] = RUNNING) -> Verb:
    """A verb that only asks something of the furnished guest: nothing of it can be seen from outside afterwards."""
    return Verb(name, furnish, lambda lab: act, lambda lab: True, states, keeps=True)


SMALL = [
    Verb("undefine-nvram", with_variables, lambda lab: lambda d: d.undefine(NAME, UndefineOptions(nvram=True)), gone,
         defined=None),
    Verb("undefine-running", lambda lab: lab.running(), lambda lab: lambda d: d.undefine(NAME, UndefineOptions()),
         lambda lab: not lab.driver.info(NAME).persistent, RUNNING, keeps=True, defined=None),
    Verb("domrename", lambda lab: lab.define(), lambda lab: lambda d: d.rename(NAME, "h"), renamed, defined=None),
    Verb("desc", furnish, lambda lab: lambda d: d.describe(NAME, "new", EACH), lambda lab: both(lab, "new</desc"),
         RUNNING, keeps=True),
    Verb("metadata", lambda lab: lab.define(),
         lambda lab: lambda d: d.set_metadata(NAME, SPACE, ("n", "<note/>"), STORED), lambda lab: SPACE in stored(lab)),
    Verb("setmaxmem", lambda lab: lab.define(), lambda lab: lambda d: d.set_max_memory(NAME, 16384, STORED),
         lambda lab: "<memory unit='KiB'>16384<" in stored(lab)),
    Verb("setmem-config", lambda lab: lab.define(), lambda lab: lambda d: d.set_memory(NAME, 4096, STORED),
         lambda lab: "<currentMemory unit='KiB'>4096<" in stored(lab)),
    asked("setmem-live", lambda d: d.set_memory(NAME, 8192, Affect(live=True))),
    Verb("dommemstat-period", furnish, lambda lab: lambda d: d.set_memory_period(NAME, 5, EACH),
         lambda lab: both(lab, "period='5'"), RUNNING, keeps=True),
    Verb("change-media", furnish, lambda lab: lambda d: d.change_media(NAME, "hdc", str(disc(lab)), EACH, force=False),
         lambda lab: inserted(lab) and str(disc(lab)) in stored(lab), RUNNING, keeps=True),
    Verb("eject", loaded, lambda lab: lambda d: d.change_media(NAME, "hdc", None, EACH, force=True),
         lambda lab: not inserted(lab) and str(disc(lab)) not in stored(lab), RUNNING, keeps=True),
    Verb("domif-setlink", furnish, lambda lab: lambda d: d.set_link(NAME, MAC, "down", EACH),
         lambda lab: both(lab, "<link state='down'/>"), RUNNING, keeps=True),
    Verb("attach-device", with_spare, lambda lab: lambda d: d.attach_device(NAME, second(lab), EACH),
         lambda lab: plugged(lab) and str(lab.core) in stored(lab), RUNNING, keeps=True),
    asked("send-key", lambda d: d.send_keys(NAME, [28], "linux", 0)),
    asked("inject-nmi", lambda d: d.inject_nmi(NAME)),
    asked("screenshot", lambda d: d.screenshot(NAME, 0)),
    asked("shutdown", lambda d: d.shutdown(NAME), frozenset({"running", "in shutdown"})),
    asked("reboot", lambda d: d.reboot(NAME)),
    asked("reset", lambda d: d.reset(NAME)),
    Verb("destroy-graceful", lambda lab: lab.running(), lambda lab: lambda d: d.destroy(NAME, graceful=True),
         lambda lab: _state(lab) == "shut off", BOTH),
    Verb("save-gzip", lambda lab: lab.running(),
         lambda lab: lambda d: d.save(NAME, lab.image, SaveOptions(compression="gzip")), saved, BOTH),
    Verb("save-settings", compressed, lambda lab: lambda d: d.save(NAME, lab.image, SaveOptions()), saved, BOTH),
    Verb("save-over", saved_over, lambda lab: lambda d: d.save(NAME, lab.image, SaveOptions()), saved, BOTH),
    Verb("managedsave-define", lambda lab: lab.managed(),
         lambda lab: lambda d: d.define_image_xml(d.managed_image(NAME), document(lab.disk, "new")),
         lambda lab: "new" in lab.driver.image_xml(lab.driver.managed_image(NAME))),
    Verb("blockjob-speed", lambda lab: lab.copying(), lambda lab: lambda d: d.blockjob_speed(NAME, "vda", 1 << 20),
         lambda lab: (job := lab.driver.blockjob(NAME, "vda")) is not None and job.bandwidth == 1 << 20, RUNNING,
         keeps=True),
    Verb("blockcopy-reuse", lambda lab: (lab.running(), create(lab.copy, "raw", 65536))[0],
         lambda lab: lambda d: d.blockcopy(NAME, "vda", BlockCopy(str(lab.copy), format="raw", reuse_external=True)),
         lambda lab: lab.driver.blockjob(NAME, "vda") is not None, RUNNING, keeps=True),
    Verb("commit-abort", lambda lab: lab.committing(), lambda lab: lambda d: d.blockjob_abort(NAME, "vda"),
         lambda lab: lab.driver.blockjob(NAME, "vda") is None, RUNNING, keeps=True),
    interrupted("save", 40),
    interrupted("save", 66)._replace(name="recover-saved"),
    interrupted("pivot", 38),
    interrupted("start-managed", 40),
]
EVERY = [*VERBS, *SMALL]
