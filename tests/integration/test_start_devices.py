"""Every kind of device that Debian's QEMU has really starts: small guests, paused, a group of devices in each."""

from __future__ import annotations

import os
import re
import shutil
import socket
from pathlib import Path

import pytest

from tests.support.devices import Bench
from tests.support.program import Program
from tests.support.waiting import eventually

pytestmark = pytest.mark.qemu

Settings = dict[str, str | int]
HAS_SPICE = bool(list(Path("/usr/lib").glob("*/qemu/ui-spice-core.so")))


@pytest.fixture
def bench(virtctl: Program, tmp_path: Path) -> Bench:
    return Bench(virtctl, tmp_path)


def disk(bench: Bench, target: str, bus: str, extra: str = "", *, device: str = "disk", driver: str = "") -> str:
    return (f"<disk type='file' device='{device}'><driver name='qemu' type='raw' {driver}/>"
            f"<source file='{bench.image(target)}'/><target dev='{target}' bus='{bus}'/>{extra}</disk>")


def test_disks_on_every_bus_of_a_pc(bench: Bench) -> None:
    devices = "".join([
        disk(bench, "vda", "virtio"), disk(bench, "hda", "ide"),
        disk(bench, "hdc", "ide", "<readonly/>", device="cdrom"), disk(bench, "sda", "scsi"),
        disk(bench, "sdb", "scsi", device="cdrom"), disk(bench, "sdc", "sata"), disk(bench, "sde", "usb"),
        disk(bench, "fda", "fdc", device="floppy"), "<controller type='scsi' index='0' model='virtio-scsi'/>",
        "<disk type='file' device='cdrom'><target dev='sdd' bus='sata'/></disk>",
        "<disk type='file' device='floppy'><target dev='fdb' bus='fdc'/></disk>",
    ])
    assert not bench.start(devices, os="<boot dev='fd'/><boot dev='cdrom'/><boot dev='hd'/>")
    drives = bench.monitor("info block")
    for alias in ("virtio-disk0", "ide0-0-0", "ide0-1-0", "scsi0-0-0-0", "sata0-0-2", "usb-disk4", "fdc0-0-0"):
        assert f"drive-{alias} (" in drives
    assert "drive-fdc0-0-1: [not inserted]" in drives
    assert "drive-sata0-0-3: [not inserted]" in drives


def test_disks_on_pci_express(bench: Bench) -> None:
    bench.start(disk(bench, "vda", "virtio") + disk(bench, "sda", "scsi") + disk(bench, "sdc", "sata") +
                disk(bench, "fda", "fdc", device="floppy") +
                "<controller type='scsi' index='0' model='lsisas1078'/>",
                machine="q35", os="<boot dev='fd'/><boot dev='hd'/>")


def test_what_a_disk_may_be_told(bench: Bench) -> None:
    tune = "<iotune><total_bytes_sec>10485760</total_bytes_sec><read_iops_sec>500</read_iops_sec></iotune>"
    busy = ("cache='none' io='native' discard='unmap' detect_zeroes='unmap' error_policy='enospace' "
            "rerror_policy='stop' ioeventfd='on' event_idx='off' iothread='1' queues='2' queue_size='256' packed='on'")
    bench.start(
        disk(bench, "vda", "virtio", f"<serial>one two</serial>{tune}", driver=busy)
        + disk(bench, "vdb", "virtio", driver="cache='writethrough' io='io_uring' copy_on_read='off'")
        + disk(bench, "vdc", "virtio", "<shareable/>", driver="cache='directsync'")
        + disk(bench, "vdd", "virtio", "<transient/>", driver="cache='unsafe'")
        + disk(bench, "sda", "scsi", "<wwn>5000c50015ea71ac</wwn><vendor>SEAGATE</vendor><product>ST4000</product>")
        + disk(bench, "hda", "ide", "<geometry cyls='100' heads='16' secs='63' trans='lba'/>")
        + "<controller type='scsi' index='0' model='virtio-scsi'><driver queues='3' iothread='2'/></controller>",
        extra="<iothreads>2</iothreads>")
    throttled = bench.monitor("info block -v drive-virtio-disk0")
    assert "bps=10485760" in throttled
    assert "iops_rd=500" in throttled


def test_scsi_controllers(bench: Bench) -> None:
    models = ("lsilogic", "lsisas1068", "lsisas1078", "vmpvscsi", "am53c974", "dc390", "virtio-transitional")
    place = "<address type='drive' controller='{}' bus='0' target='0' unit='0'/>"
    bench.start("".join(
        f"<controller type='scsi' index='{number}' model='{model}'/>"
        + disk(bench, f"sd{chr(97 + number)}", "scsi", place.format(number)) for number, model in enumerate(models)))


def test_usb(bench: Bench) -> None:
    companions = "".join(f"<controller type='usb' index='0' model='ich9-uhci{number}'><master startport='{port}'/>"
                         "</controller>" for number, port in ((1, 0), (2, 2), (3, 4)))
    models = ("qemu-xhci", "nec-xhci", "piix4-uhci", "pci-ohci", "ehci")
    bench.start(
        f"<controller type='usb' index='0' model='ich9-ehci1'/>{companions}"
        + "".join(f"<controller type='usb' index='{place}' model='{model}'/>" for place, model in enumerate(models, 1))
        + "<hub type='usb'/><redirdev bus='usb' type='pty'/><redirfilter><usbdev class='0x08' vendor='0x15e1' "
        "version='1.10' allow='yes'/><usbdev allow='no'/></redirfilter>"
        "<smartcard mode='passthrough' type='unix'><source mode='bind' path='CARD'/></smartcard>"
        "<input type='tablet' bus='usb'/><input type='mouse' bus='usb'/><input type='keyboard' bus='usb'/>"
        "<sound model='usb'/>".replace("CARD", str(bench.folder / "card.sock")))


def test_character_devices(bench: Bench) -> None:
    folder = bench.folder
    usb = "<target type='usb-serial'/>"
    os.mkfifo(folder / "pipe.in")
    os.mkfifo(folder / "pipe.out")
    bench.start(
        f"<serial type='pty'/><serial type='file'><source path='{folder}/log' append='on'/></serial>"
        f"<serial type='unix'><source mode='bind' path='{folder}/s.sock'/></serial>"
        f"<serial type='pipe'><source path='{folder}/pipe'/></serial>"
        "<serial type='null'><target type='pci-serial'/></serial>"
        "<serial type='null'><target type='isa-debug'/></serial>"
        f"<serial type='tcp'><source mode='bind' host='127.0.0.1' service='{free_port()}'/><protocol type='telnet'/>"
        f"{usb}</serial><serial type='udp'><source mode='bind' host='127.0.0.1' service='{free_port()}'/>"
        f"<source mode='connect' host='127.0.0.1' service='9'/>{usb}</serial>"
        f"<serial type='vc'>{usb}</serial><serial type='stdio'>{usb}</serial>"
        f"<serial type='pty'><log file='{folder}/copy' append='off'/>{usb}</serial>"
        f"<serial type='tcp'><source mode='connect' host='127.0.0.1' service='9'><reconnect enabled='yes' timeout='3'/>"
        f"</source>{usb}</serial><parallel type='file'><source path='{folder}/lp'/></parallel>")
    shown = bench.program.ok("dumpxml", "bench")
    assert shown.count("<source path='/dev/pts/") >= 3  # two serial ports and the console
    for name in ("log", "copy", "lp"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(folder / "s.sock"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_consoles_and_channels(bench: Bench) -> None:
    bench.start(
        "<controller type='virtio-serial' index='0' ports='16' vectors='4'/>"
        "<console type='pty'><target type='serial'/></console><console type='pty'><target type='virtio'/></console>"
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        "<channel type='pty'><target type='guestfwd' address='10.0.2.1' port='4600'/></channel>"
        "<channel type='qemu-vdagent'><source><clipboard copypaste='yes'/></source><target type='virtio'/></channel>"
        "<graphics type='vnc'/>")
    shown = bench.program.ok("dumpxml", "bench", "--xpath", "//channel/source/@path")
    path = Path(re.findall("[\"'](/[^\"']+)", shown)[0])
    folder = os.open(path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(f"/proc/self/fd/{folder}/{path.name}")  # the whole path may be too long for a socket
    os.close(folder)


CARDS = ("virtio", "virtio-transitional", "virtio-non-transitional", "e1000", "e1000e", "rtl8139", "ne2k_pci",
         "pcnet", "vmxnet3", "i82551", "tulip")


def test_network_cards(bench: Bench) -> None:
    bench.start("".join(f"<interface type='user'><model type='{model}'/></interface>" for model in CARDS)
                + "<interface type='user'><model type='virtio'/><link state='down'/></interface>")
    shown = bench.monitor("info network")
    assert shown.count("type=user") == len(CARDS) + 1


def test_networks_without_the_host(bench: Bench) -> None:
    port = free_port()
    offloads = "csum='off' tso4='off' tso6='off' ecn='off' ufo='off'"
    bench.start(
        f"<interface type='server'><source address='127.0.0.1' port='{port}'/><model type='virtio'/></interface>"
        f"<interface type='udp'><source address='127.0.0.1' port='9'><local address='127.0.0.1' port='{free_port()}'/>"
        "</source><model type='e1000e'/></interface>"
        "<interface type='user'><model type='virtio'/><ip family='ipv4' address='172.17.2.0' prefix='24'/>"
        "<driver txmode='timer' ioeventfd='on' rx_queue_size='512' packed='on'>"
        f"<host gso='off' mrg_rxbuf='off' {offloads}/><guest {offloads}/></driver></interface>"
        "<interface type='user'><model type='rtl8139'/><rom enabled='no'/></interface>")


VIDEOS = ("cirrus", "vmvga", "vga", "bochs", "ramfb", "none", "virtio")


@pytest.mark.parametrize("model", VIDEOS)
def test_graphics_cards(bench: Bench, model: str) -> None:
    bench.start(f"<graphics type='vnc'/><video><model type='{model}'/></video>", machine="q35")


@pytest.mark.skipif(not HAS_SPICE, reason="the SPICE module of QEMU is not installed")
def test_spice(bench: Bench) -> None:
    bench.start(
        "<graphics type='spice' autoport='yes' passwd='sesame'><listen type='address' address='127.0.0.1'/>"
        "<image compression='auto_glz'/><jpeg compression='auto'/><zlib compression='never'/>"
        "<playback compression='on'/><streaming mode='filter'/><clipboard copypaste='no'/><mouse mode='client'/>"
        "<filetransfer enable='no'/></graphics>"
        "<channel type='spicevmc'><target type='virtio'/></channel><redirdev bus='usb' type='spicevmc'/>"
        "<channel type='spiceport'><source channel='org.example'/><target type='virtio' name='org.example'/></channel>"
        "<video><model type='qxl' heads='2'/></video><video><model type='qxl'/></video>"
        "<sound model='ich9'><codec type='micro'/><codec type='output'/></sound>", machine="q35")
    assert not any("sesame" in word for word in bench.words())
    assert "ticketing" not in " ".join(bench.words())
    assert "auth: spice" in bench.monitor("info spice")


def test_input_sound_and_display_bus(bench: Bench) -> None:
    sounds = "".join(f"<sound model='{model}'/>" for model in ("es1370", "ac97", "sb16", "ich6", "pcspk"))
    bench.start(f"<input type='mouse' bus='virtio'/><input type='tablet' bus='virtio'/>{sounds}"
                f"<input type='keyboard' bus='virtio'/><audio id='1' type='file' path='{bench.folder}/out,1.wav'/>"
                "<graphics type='dbus' p2p='yes'/>")


def test_watchers(bench: Bench) -> None:
    bench.start(
        "<watchdog model='i6300esb' action='poweroff'/><panic model='isa'/>"
        "<rng model='virtio'><rate bytes='1024' period='2000'/><backend model='random'>/dev/urandom</backend></rng>"
        "<rng model='virtio-transitional'><backend model='builtin'/></rng>"
        f"<rng model='virtio'><backend model='egd' type='udp'><source mode='bind' host='127.0.0.1' "
        f"service='{free_port()}'/><source mode='connect' host='127.0.0.1' service='9'/></backend></rng>"
        "<memballoon model='virtio' autodeflate='on' freePageReporting='on'><stats period='5'/></memballoon>",
        extra="<genid/>", features="<features><acpi/><vmcoreinfo state='on'/></features>")
    period = bench.monitor("qom-get /machine/peripheral/balloon0 guest-stats-polling-interval")
    assert period.strip() == "5"


def test_old_watchdog_and_hyperv_crash(bench: Bench) -> None:
    bench.start("<watchdog model='ib700' action='inject-nmi'/><panic model='hyperv'/>")


def test_shared_memory_is_removed_by_nobody_but_its_users(bench: Bench) -> None:
    name = f"virtctl-test-{os.getpid()}"
    try:
        bench.start(f"<shmem name='{name}'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>")
    finally:
        Path(f"/dev/shm/{name}").unlink(missing_ok=True)


def test_machine_settings(bench: Bench) -> None:
    bench.start("", machine="q35", features="<features><acpi/><apic/><pae/><vmport state='off'/><smm state='on'>"
                "<tseg unit='MiB'>16</tseg></smm><tcg><tb-cache unit='MiB'>64</tb-cache></tcg></features>",
                extra="<cpu mode='maximum'/><clock offset='absolute' start='1234567890'><timer name='rtc' "
                "tickpolicy='catchup' track='guest'/><timer name='hpet' present='no'/></clock>"
                "<on_reboot>destroy</on_reboot><pm><suspend-to-mem enabled='no'/></pm>")


def test_tables(bench: Bench) -> None:
    (bench.folder / "fw,cfg").write_text("x")
    bench.start(
        "<serial type='null'/>", os="<smbios mode='sysinfo'/><bios useserial='yes' rebootTimeout='500'/>"
        "<bootmenu enable='yes' timeout='3000'/>",
        extra="<sysinfo type='smbios'><bios><entry name='vendor'>A, Inc.</entry></bios><system><entry name='sku'>F"
        "</entry></system><baseBoard><entry name='asset'>L</entry></baseBoard><chassis><entry name='serial'>P</entry>"
        "</chassis><oemStrings><entry>one, two</entry></oemStrings></sysinfo><sysinfo type='fwcfg'>"
        "<entry name='opt/org.example/a'>text, more</entry>"
        f"<entry name='opt/org.example/b' file='{bench.folder}/fw,cfg'/></sysinfo>")


needs_ovmf = pytest.mark.skipif(not Path("/usr/share/OVMF/OVMF_CODE_4M.fd").exists(), reason="ovmf is not installed")


@needs_ovmf
def test_uefi_by_path_makes_its_variables(bench: Bench) -> None:
    store = bench.folder / "vars,1.fd"
    bench.start("", machine="q35", features="<features><acpi/><smm state='on'/></features>", os=(
        "<loader readonly='yes' secure='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.secboot.fd</loader>"
        f"<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>{store}</nvram>"))
    assert store.read_bytes() == Path("/usr/share/OVMF/OVMF_VARS_4M.fd").read_bytes()
    assert store.stat().st_mode & 0o777 == 0o600


@needs_ovmf
def test_uefi_by_kind_is_found(bench: Bench) -> None:
    document = bench.document("", machine="q35")
    document.write_text(document.read_text().replace("<os>", "<os firmware='efi'>"))
    bench.program.ok("create", document, "--paused")
    shown = bench.program.ok("dumpxml", "bench")
    assert "OVMF_CODE_4M" in shown
    assert "bench_VARS.fd" in shown
    bench.end()
    assert list(bench.program.root.rglob("bench_VARS.fd"))


@pytest.fixture
def tpm_programs() -> None:
    if shutil.which("swtpm") is None or shutil.which("swtpm_setup") is None:
        pytest.skip("swtpm and swtpm-tools are not installed")


@pytest.mark.parametrize(("model", "version"), [("tpm-crb", "2.0"), ("tpm-tis", "1.2")])
@pytest.mark.usefixtures("tpm_programs")
def test_tpm_emulator_lives_as_long_as_its_guest(bench: Bench, model: str, version: str) -> None:
    bench.start(f"<tpm model='{model}'><backend type='emulator' version='{version}'/></tpm>", machine="q35")
    (emulator,) = companions(bench, "swtpm")
    assert "tpm0" in bench.monitor("info tpm")
    bench.end()
    eventually(lambda: not Path(f"/proc/{emulator}").exists(), "the emulator ends with its guest")
    assert list(bench.program.root.glob("lib/qemu/swtpm/*/tpm*"))


def companions(bench: Bench, name: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = str(bench.program.root) in (process / "cmdline").read_text(errors="replace")
            if ours and (process / "comm").read_text().strip() == name:
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.fixture
def shared(bench: Bench) -> Path:
    folder = bench.folder / "shared, too"
    folder.mkdir()
    return folder


def test_folders_over_9p(bench: Bench, shared: Path) -> None:
    source = f"<source dir='{shared}'/>"
    bench.start(
        f"<filesystem type='mount' accessmode='passthrough'>{source}<target dir='one'/><readonly/></filesystem>"
        "<filesystem type='mount' accessmode='mapped' fmode='644' dmode='755' multidevs='remap'>"
        f"<driver type='path' wrpolicy='immediate'/>{source}<target dir='two'/></filesystem>"
        f"<filesystem type='mount' accessmode='squash'>{source}<target dir='three'/></filesystem>")


SHARED_MEMORY = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"


@pytest.mark.skipif(not Path("/usr/lib/qemu/virtiofsd").exists(), reason="virtiofsd is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="virtiofsd locks itself in as root only")
def test_folders_over_virtiofs(bench: Bench, shared: Path) -> None:
    bench.start("<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs' queue='512'/>"
                f"<binary xattr='on'><cache mode='always'/><sandbox mode='chroot'/></binary><source dir='{shared}'/>"
                "<target dir='four'/></filesystem>", extra=SHARED_MEMORY)
    served = companions(bench, "virtiofsd")
    assert served
    bench.end()
    eventually(lambda: not companions(bench, "virtiofsd"), "virtiofsd ends with its guest")


def test_virtiofs_without_its_program(bench: Bench, shared: Path) -> None:
    words = bench.refused("<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs'/>"
                          f"<binary path='/nowhere/virtiofsd'/><source dir='{shared}'/><target dir='x'/></filesystem>",
                          extra=SHARED_MEMORY)
    assert "virtiofsd" in words


def test_bridges(bench: Bench) -> None:
    kinds = ("pcie-root-port", "pcie-switch-upstream-port", "pcie-switch-downstream-port", "dmi-to-pci-bridge",
             "pci-bridge", "pcie-to-pci-bridge", "pcie-expander-bus")
    bench.start("".join(f"<controller type='pci' index='{number}' model='{kind}'/>"
                        for number, kind in enumerate(kinds, 1)) + "<iommu model='virtio'/>", machine="q35")


def test_bridges_of_a_pc(bench: Bench) -> None:
    bench.start("<controller type='pci' index='0' model='pci-root'><pcihole64 unit='KiB'>2097152</pcihole64>"
                "</controller><controller type='pci' index='1' model='pci-bridge'/>"
                "<controller type='pci' index='2' model='pci-expander-bus'><target busNr='128'/></controller>")


def test_own_words_reach_qemu(bench: Bench) -> None:
    document = bench.document(disk(bench, "vda", "virtio", "<alias name='ua-first'/>"))
    own = ("<qemu:commandline><qemu:arg value='-device'/><qemu:arg value='virtio-rng-pci,id=mine'/>"
           "<qemu:env name='VIRTCTL_SAYS' value='a b'/></qemu:commandline><qemu:override><qemu:device alias='ua-first'>"
           "<qemu:frontend><qemu:property name='num-queues' type='unsigned' value='3'/></qemu:frontend></qemu:device>"
           "</qemu:override></domain>")
    document.write_text(document.read_text().replace("</domain>", own))
    assert bench.program("create", document, "--paused").status == 0
    assert "mine" in bench.monitor("qom-list /machine/peripheral")
    assert bench.monitor("qom-get /machine/peripheral/ua-first num-queues").strip() == "3"
    (pid,) = [path for path in Path("/proc").glob("[0-9]*") if _runs_below(path, bench.program.root)]
    assert b"VIRTCTL_SAYS=a b" in (pid / "environ").read_bytes().split(b"\0")


def _runs_below(process: Path, root: Path) -> bool:
    try:
        return ((process / "cwd").readlink().is_relative_to(root.resolve())
                and (process / "comm").read_text().startswith("qemu"))
    except OSError:
        return False


@pytest.mark.skipif(not os.access("/dev/kvm", os.R_OK | os.W_OK), reason="there is no /dev/kvm")
def test_kvm_guests_start(bench: Bench) -> None:
    bench.start("", kind="kvm", features="<features><acpi/><apic eoi='on'/><pvspinlock state='on'/></features>",
                extra="<cpu mode='custom'><model>qemu64</model></cpu>")
    assert "kvm" in bench.words()
