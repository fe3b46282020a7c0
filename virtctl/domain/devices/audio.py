"""`<audio>`: where the guest's sound goes on the host."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.schema.element import Child, Element, Field
from virtctl.schema.types import Enum, Str, UInt, YesNo

TYPES = ("none", "alsa", "coreaudio", "jack", "oss", "pulseaudio", "sdl", "spice", "file", "dbus")
FORMATS = ("s8", "u8", "s16", "u16", "s32", "u32", "f32")


class Stream(Element):
    """One direction of sound."""

    mixing_engine = Field("@mixingEngine", YesNo(), doc="whether QEMU mixes")
    fixed_settings = Field("@fixedSettings", YesNo(), doc="whether the settings below hold for every stream")
    voices = Field("@voices", UInt(), doc="number of voices")
    buffer_length = Field("@bufferLength", UInt(), doc="microseconds of the buffer")
    dev = Field("@dev", Str(), doc="host device (alsa, oss)")
    buffer_count = Field("@bufferCount", UInt(), doc="number of buffers (coreaudio, oss, sdl)")
    try_poll = Field("@tryPoll", YesNo(), doc="whether polling is tried (oss)")
    server_name = Field("@serverName", Str(), doc="server (jack)")
    client_name = Field("@clientName", Str(), doc="name of the client (jack)")
    connect_ports = Field("@connectPorts", Str(), doc="pattern of ports to connect to (jack)")
    exact_name = Field("@exactName", YesNo(), doc="whether the name must not be changed (jack)")
    name = Field("@name", Str(), doc="sink or source (pulseaudio)")
    stream_name = Field("@streamName", Str(), doc="name of the stream (pulseaudio)")
    latency = Field("@latency", UInt(), doc="microseconds of latency (pulseaudio)")
    frequency = Field("settings/@frequency", UInt(), doc="Hz")
    channels = Field("settings/@channels", UInt(), doc="number of channels")
    format = Field("settings/@format", Enum(*FORMATS), doc="sample format")


class Audio(Device, tag="audio"):
    """A host audio backend."""

    number = Field("@id", UInt(), required=True, doc="number by which sound cards name it")
    type = Field("@type", Enum(*TYPES), required=True, doc="kind of backend")
    timer_period = Field("@timerPeriod", UInt(), doc="microseconds of the timer")
    try_mmap = Field("@tryMMap", YesNo(), doc="whether memory mapping is tried (oss)")
    exclusive = Field("@exclusive", YesNo(), doc="whether other programs are kept out (oss)")
    dsp_policy = Field("@dspPolicy", UInt(), doc="timing policy (oss)")
    driver = Field("@driver", Enum("esd", "alsa", "arts", "pulseaudio"), doc="SDL's driver (sdl)")
    server_name = Field("@serverName", Str(), doc="server (pulseaudio)")
    path = Field("@path", Str(), doc="file that is written (file)")
    input = Child("input", Stream, doc="sound into the guest")
    output = Child("output", Stream, doc="sound out of the guest")
