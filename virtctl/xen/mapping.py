"""The rest of the shared vocabulary: boot letters, processor flags, PCI and USB addresses, vNUMA, clocks, sound."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from uuid import uuid4

from virtctl.errors import UnsupportedConfig
from virtctl.schema.types import CpuSet, Uuid
from virtctl.xen.guest import Cell, Pci, Timer, Usb, UsbController

BOOT = {"a": "fd", "c": "hd", "d": "cdrom", "n": "network"}
_LETTERS = {name: letter for letter, name in BOOT.items()}
ACTIONS = ("destroy", "restart", "preserve", "rename-restart")
CRASH_ACTIONS = (*ACTIONS, "coredump-destroy", "coredump-restart")
SOUNDS = ("sb16", "es1370", "pcspk", "ac97", "hda")
ALL_SOUNDS = ("sb16", "es1370")
INPUTS = ("tablet", "mouse", "keyboard")
_SOUND_NAMES = {"hda": "ich6"}
_SOUND_WORDS = {"ich6": "hda"}
TSC_MODES = {"default": "auto", "always_emulate": "emulate", "native": "native", "native_paravirt": "paravirt"}
_TSC_WORDS = {mode: word for word, mode in TSC_MODES.items()}
_TSC_NUMBERS = tuple(TSC_MODES)
PASSTHROUGH = ("disabled", "enabled", "sync_pt", "share_pt")

# Xen's name of a processor flag beside libvirt's, where they differ.
_FLAGS = {"cmpxchg16": "cx16", "cntxid": "cid", "dscpl": "ds_cpl", "pclmulqdq": "pclmuldq", "sse3": "pni",
          "htt": "ht", "psn": "pn", "clfsh": "clflush", "sysenter": "sep", "cmpxchg8": "cx8", "nodeid": "nodeid_msr",
          "altmovcr8": "cr8legacy", "lahfsahf": "lahf_lm", "cmplegacy": "cmp_legacy", "ffxsr": "fxsr_opt",
          "page1gb": "pdpe1gb", "ibrsb": "spec-ctrl"}
_FLAG_WORDS = {name: word for word, name in _FLAGS.items()}
_POLICIES = {"1": "force", "0": "disable", "x": "optional", "k": "optional", "s": "require"}
_POLICY_WORDS = {"force": "1", "require": "1", "disable": "0", "forbid": "0", "optional": "x"}
VIRTUALIZATION_FLAGS = ("vmx", "svm")

_LONGEST_CPUSET = 4096
_LAST_CPU = 4095
MOST_NODES = 64

_PCI = re.compile(r"(?:([0-9a-fA-F]{1,8}):)?([0-9a-fA-F]{1,2}):([0-9a-fA-F]{1,2})\.([0-7])(?:[@=].*)?\Z")
_HOST_USB = re.compile(r"host:(?:([0-9a-fA-F]{1,4}):([0-9a-fA-F]{1,4})|([0-9]{1,3})\.([0-9]{1,3}))\Z")


def parse_uuid(text: str | None) -> str:
    """The UUID with dashes, whichever way it was written; a new one when there is none."""
    if not text:
        return str(uuid4())
    try:
        return Uuid().parse(text)
    except ValueError:
        raise UnsupportedConfig(f"malformed uuid '{text}'") from None


def parse_boot(letters: str) -> list[str]:
    """`dc` as the names of boot devices."""
    unknown = next((letter for letter in letters if letter not in BOOT), None)
    if unknown is not None:
        raise UnsupportedConfig(f"unknown boot device '{unknown}': expected a, c, d or n")
    return [BOOT[letter] for letter in letters]


def format_boot(names: list[str]) -> str:
    """The letters of boot devices."""
    unknown = next((name for name in names if name not in _LETTERS), None)
    if unknown is not None:
        raise UnsupportedConfig(f"unknown boot device '{unknown}': expected fd, hd, cdrom or network")
    return "".join(_LETTERS[name] for name in names)


def check_action(name: str, action: str) -> str:
    """An on_poweroff, on_reboot or on_crash action that libvirt knows, with dashes for the old underscores."""
    spelled = action.replace("_", "-")
    if spelled not in (CRASH_ACTIONS if name == "on_crash" else ACTIONS):
        raise UnsupportedConfig(f"unsupported {name} action '{action}'")
    return spelled


def check_count(count: int, what: str, most: int) -> int:
    """The count, unless it is beyond what any machine has; that also bounds the work on a hostile file."""
    if count > most:
        raise UnsupportedConfig(f"{count} {what}: more than {most}")
    return count


def note_words(words: Iterable[str], known: Container[str], what: str, notes: list[str]) -> None:
    """Notes the words of a list of settings that nobody here knows."""
    notes += [f"{what}: {word} has no place in a domain document" for word in words if word not in known]


def parse_sounds(text: str) -> list[str]:
    """`sb16,es1370` or `all` as sound models."""
    if text == "all":
        return list(ALL_SOUNDS)
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in SOUNDS:
            raise UnsupportedConfig(f"unknown sound model '{word}'")
    return [_SOUND_NAMES.get(word, word) for word in words]


def format_sounds(models: list[str]) -> str:
    """The models in one word."""
    words = [_SOUND_WORDS.get(model, model) for model in models]
    for word, model in zip(words, models, strict=True):
        if word not in SOUNDS:
            raise UnsupportedConfig(f"unsupported sound model '{model}'")
    return ",".join(words)


def parse_cpuset(text: str) -> str:
    """A set of processors in libvirt's shortest form. Raises UnsupportedConfig."""
    if len(text) > _LONGEST_CPUSET or any(int(digits[:9]) > _LAST_CPU for digits in re.findall(r"[0-9]+", text)):
        raise UnsupportedConfig(f"cpus '{text[:40]}': too long, or a number beyond {_LAST_CPU}")
    try:
        return CpuSet().format(CpuSet().parse(text))
    except ValueError:
        raise UnsupportedConfig(f"cpus '{text}': expected a set of numbers such as 0-3,^1") from None


def parse_pci(text: str, notes: list[str]) -> Pci:
    """The device of `0000:01:1a.1,permissive=1`."""
    address, *options = [part.strip() for part in text.split(",")]
    match = _PCI.match(address)
    if not match:
        raise UnsupportedConfig(f"pci '{text}': expected [DOMAIN:]BUS:SLOT.FUNCTION")
    filtered, managed = True, False
    for option in options:
        word, _, value = option.partition("=")
        if word == "permissive":
            filtered = value in ("0", "off", "false")
        elif word == "seize":
            managed = value not in ("0", "off", "false")
        else:
            notes.append(f"pci {address}: {option} has no place in a domain document")
    return Pci(int(match[1] or "0", 16), int(match[2], 16), int(match[3], 16), int(match[4]), filtered,
               managed)


def format_pci(pci: Pci) -> str:
    """The device as xl names it; xm takes the same words."""
    text = f"{pci.domain:04x}:{pci.bus:02x}:{pci.slot:02x}.{pci.function:x}"
    return text + ",permissive=1" * (not pci.filtered) + ",seize=1" * pci.managed


def parse_host_usb(text: str) -> Usb | None:
    """The host device of `host:VENDOR:PRODUCT` or `host:BUS.DEVICE`; None for another usbdevice word."""
    match = _HOST_USB.match(text)
    if not match:
        return None
    if match[1]:
        return Usb(vendor=int(match[1], 16), product=int(match[2], 16))
    return Usb(bus=int(match[3]), device=int(match[4]))


def format_host_usb(usb: Usb) -> str:
    """The `usbdevice` word of a host device."""
    if usb.vendor is not None:
        return f"host:{usb.vendor:04x}:{usb.product or 0:04x}"
    return f"host:{usb.bus}.{usb.device}"


def _numbers(text: str, what: str) -> dict[str, str]:
    words = dict(part.strip().partition("=")[::2] for part in text.split(",") if part.strip())
    if not words:
        raise UnsupportedConfig(f"{what} '{text}': expected NAME=VALUE")
    return words


def number(text: str, what: str) -> int:
    """A decimal number that is not negative. Raises UnsupportedConfig."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise UnsupportedConfig(f"{what}: '{text}' is not a number")
    return int(text)


def parse_usbdevice(words: list[str], notes: list[str]) -> tuple[list[str], list[Usb]]:
    """(inputs, host devices) of `usbdevice` words; others go to `notes`."""
    inputs, hosts = [], []
    for word in words:
        host = parse_host_usb(word)
        if word in INPUTS:
            inputs.append(word)
        elif host is not None:
            hosts.append(host)
        elif word:
            notes.append(f"usbdevice {word} has no place in a domain document")
    return inputs, hosts


def parse_usbdev(text: str, notes: list[str]) -> Usb:
    """The device of xl's `hostbus=1,hostaddr=3`."""
    words = _numbers(text, "usbdev")
    notes += [f"usbdev: {word}={value} has no place in a domain document" for word, value in words.items()
              if word not in ("type", "hostbus", "hostaddr")]
    return Usb(bus=number(words.get("hostbus", ""), "usbdev hostbus"),
               device=number(words.get("hostaddr", ""), "usbdev hostaddr"))


def parse_usbctrl(text: str, notes: list[str]) -> UsbController:
    """The controller of xl's `type=qusb,version=2,ports=6`."""
    words = _numbers(text, "usbctrl")
    note_words(words, ("type", "version", "ports"), "usbctrl", notes)
    kind, version = words.get("type", "auto"), words.get("version", "2")
    if kind not in ("auto", "qusb", "pv") or version not in ("1", "2"):
        raise UnsupportedConfig(f"usbctrl '{text}': only the types auto, pv and qusb of version 1 or 2 are known")
    model = None if kind == "auto" and "version" not in words else f"qusb{version}"
    return UsbController(model, number(words["ports"], "usbctrl ports") if "ports" in words else None)


def format_usbctrl(controller: UsbController) -> str:
    """The controller as xl writes it."""
    words = {"qusb1": ["type=qusb", "version=1"], "qusb2": ["type=qusb", "version=2"], None: ["type=auto"]}
    if controller.model not in words:
        raise UnsupportedConfig(f"unsupported usb controller model '{controller.model}'")
    return ",".join(words[controller.model] + ([f"ports={controller.ports}"] if controller.ports is not None else []))


def parse_cpuid(text: str) -> list[tuple[str, str]]:
    """(policy, name) pairs of xl's `host,tm=0,sse3=1`."""
    base, *pairs = [part.strip() for part in text.split(",")]
    if base != "host":
        raise UnsupportedConfig(f"cpuid '{text}': only the form 'host,FLAG=VALUE,...' can be converted")
    out = []
    for pair in pairs:
        word, _, value = pair.partition("=")
        if value not in _POLICIES:
            raise UnsupportedConfig(f"cpuid '{pair}': expected FLAG=0, 1, x, k or s")
        out.append((_POLICIES[value], _FLAGS.get(word, word)))
    return out


def format_cpuid(features: list[tuple[str, str]]) -> str | None:
    """xl's string; None when there is nothing to say. vmx and svm are `nestedhvm`'s to say."""
    pairs = []
    for policy, name in features:
        if name in VIRTUALIZATION_FLAGS:
            continue
        if policy not in _POLICY_WORDS:
            raise UnsupportedConfig(f"policy '{policy}' of the cpu feature '{name}' is not one that Xen has")
        pairs.append(f"{_FLAG_WORDS.get(name, name)}={_POLICY_WORDS[policy]}")
    return ",".join(["host", *pairs]) if pairs else None


def parse_tsc_mode(value: str | int) -> Timer:
    """The timer of xl's `tsc_mode`, by word or number."""
    word = _TSC_NUMBERS[value] if isinstance(value, int) and 0 <= value < len(_TSC_NUMBERS) else str(value)
    if word not in TSC_MODES:
        raise UnsupportedConfig(f"unknown tsc_mode '{value}'")
    return Timer("tsc", True, TSC_MODES[word])


def format_tsc_mode(timer: Timer) -> str:
    """The word of a tsc timer."""
    mode = timer.mode or "auto"
    if mode not in _TSC_WORDS:
        raise UnsupportedConfig(f"unsupported tsc mode '{mode}'")
    return _TSC_WORDS[mode]


def parse_vnuma(nodes: list[list[str]], notes: list[str]) -> list[Cell]:
    """The guest's NUMA nodes of xl's `vnuma`."""
    cells = []
    if len(nodes) > MOST_NODES:
        raise UnsupportedConfig(f"vnuma: {len(nodes)} nodes, of which a guest can have {MOST_NODES}")
    for index, node in enumerate(nodes):
        words = dict(part.partition("=")[::2] for part in node)
        memory = number(words.get("size", ""), f"vnuma node {index} size")
        cpus = ",".join(part.partition("=")[2] for part in node if part.startswith("vcpus="))
        given = [part for part in words.get("vdistances", "").split(",") if part.strip()]
        if len(given) > len(nodes):
            raise UnsupportedConfig(f"vnuma node {index}: {len(given)} vdistances for {len(nodes)} nodes")
        distances = tuple((to, number(value.strip(), "vdistances")) for to, value in enumerate(given))
        if words.get("pnode", str(index)) != str(index):
            notes.append(f"vnuma node {index}: pnode={words['pnode']} has no place in a domain document")
        cells.append(Cell(parse_cpuset(cpus), memory * 1024, distances))
    return cells


def format_vnuma(cells: list[Cell]) -> list[list[str]]:
    """xl's `vnuma`, with every distance said: the mirrored one where only that is known, else 10 and 20."""
    known = {(index, to): value for index, cell in enumerate(cells) for to, value in cell.distances}
    out = []
    for index, cell in enumerate(cells):
        row = [known.get((index, to), known.get((to, index), 10 if to == index else 20)) for to in range(len(cells))]
        out.append([f"pnode={index}", f"size={cell.memory // 1024}", f"vcpus={cell.cpus}",
                    "vdistances=" + ",".join(map(str, row))])
    return out
