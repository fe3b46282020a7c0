"""`<audio>`: where the guest's sound goes on the host."""

from __future__ import annotations

from typing import Self

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.memballoon import PLACE
from virtctl.errors import UnsupportedConfig
from virtctl.schema.element import INACTIVE, Child, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant, without
from virtctl.schema.types import Enum, Int, Positive, Str, YesNo

# What each kind of backend reads beside what all read: of itself, and of each direction.
OWN: dict[str, tuple[str, ...]] = {
    "oss": ("try_mmap", "exclusive", "dsp_policy"),
    "pulseaudio": ("server_name",),
    "sdl": ("driver",),
    "file": ("path",),
}
STREAM: dict[str, tuple[str, ...]] = {
    "alsa": ("dev",),
    "coreaudio": ("buffer_count",),
    "jack": ("server_name", "client_name", "connect_ports", "exact_name"),
    "oss": ("dev", "buffer_count", "try_poll"),
    "pulseaudio": ("name_", "stream_name", "latency"),
    "sdl": ("buffer_count",),
}
TYPES = ("none", "alsa", "coreaudio", "jack", "oss", "pulseaudio", "sdl", "spice", "file", "dbus")
FORMATS = ("s8", "u8", "s16", "u16", "s32", "u32", "f32")
COMMON_STREAM = ("mixing_engine", "fixed_settings", "voices", "buffer_length", "frequency", "channels", "format")


class Stream(Element):
    """One direction of sound."""

    mixing_engine = Field("@mixingEngine", YesNo(), doc="whether QEMU mixes")
    fixed_settings = Field("@fixedSettings", YesNo(), doc="whether the settings below hold for every stream")
    voices = Field("@voices", Positive(), doc="number of voices")
    buffer_length = Field("@bufferLength", Positive(), doc="milliseconds of the buffer")
    dev = Field("@dev", Str(), doc="host device (alsa, oss)")
    buffer_count = Field("@bufferCount", Positive(), doc="number of buffers (coreaudio, oss, sdl)")
    try_poll = Field("@tryPoll", YesNo(), doc="whether polling is tried (oss)")
    server_name = Field("@serverName", Str(), doc="server (jack)")
    client_name = Field("@clientName", Str(), doc="name of the client (jack)")
    connect_ports = Field("@connectPorts", Str(), doc="pattern of ports to connect to (jack)")
    exact_name = Field("@exactName", YesNo(), doc="whether the name must not be changed (jack)")
    name_ = Field("@name", Str(), doc="sink or source (pulseaudio)")
    stream_name = Field("@streamName", Str(), doc="name of the stream (pulseaudio)")
    latency = Field("@latency", Positive(), doc="milliseconds of latency (pulseaudio)")
    frequency = Field("settings/@frequency", Positive(), doc="Hz")
    channels = Field("settings/@channels", Positive(), doc="number of channels")
    format = Field("settings/@format", Enum(*FORMATS), doc="sample format")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Settings are told to be fixed."""
        if node.find("settings") is not None and not self.fixed_settings:
            raise UnsupportedConfig("audio settings specified without fixed settings flag")

    def check(self) -> None:
        """Settings need the mixing engine, and the word that they are fixed."""
        if self.fixed_settings and not self.mixing_engine:
            raise UnsupportedConfig("fixed audio settings requires mixing engine")

    def written(self, node: Node, mode: Mode) -> None:
        """Fixed settings are told, even when there are none."""
        if self.fixed_settings:
            node.ensure("settings")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return any(value is not None for name, value in self.__dict__.items() if name != "_extras") or bool(self.extras)


class Audio(Device, tag="audio"):
    """A host audio backend."""

    number = Field("@id", Positive(), required=True, doc="number by which sound cards name it")
    type = Field("@type", Enum(*TYPES), required=True, doc="kind of backend")
    timer_period = Field("@timerPeriod", Positive(), doc="microseconds of the timer")
    try_mmap = Field("@tryMMap", YesNo(), doc="whether memory mapping is tried (oss)")
    exclusive = Field("@exclusive", YesNo(), doc="whether other programs are kept out (oss)")
    dsp_policy = Field("@dspPolicy", Int(), doc="timing policy (oss)")
    driver = Field("@driver", Enum("esd", "alsa", "arts", "pulseaudio"), doc="SDL's driver (sdl)")
    server_name = Field("@serverName", Str(), doc="server (pulseaudio)")
    path = Field("@path", Str(), doc="file that is written (file)")
    input = Child("input", Stream, doc="sound into the guest")
    output = Child("output", Stream, doc="sound out of the guest")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads what this kind of backend uses."""
        if "type" not in node.attrs:
            raise cls().missing(Audio.type)
        kind = node.attrs["type"]
        unused = [name for names in OWN.values() for name in names if name not in OWN.get(kind, ())]
        kept = relevant(without(node, PLACE), cls.plan,
                        [field.name for field in cls.fields if field.name not in unused])
        kept.children = [relevant(child, Stream.plan, COMMON_STREAM + STREAM.get(kind, ()))
                         if child.tag in ("input", "output") else child for child in kept.children]
        return super().parse(kept, mode)
