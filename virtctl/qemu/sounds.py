"""Sound on QEMU's command line: the host's backends and the guest's cards."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.devices import Devices
from virtctl.domain.devices.audio import Audio, Stream
from virtctl.domain.devices.sound import Sound
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.build import builds, device_opt
from virtctl.qemu.plan import Plan

Pairs = list[tuple[str, Value]]
_DRIVERS = {"pulseaudio": "pa", "file": "wav"}
_STREAM = {"mixing_engine": "mixing-engine", "fixed_settings": "fixed-settings", "voices": "voices",
           "buffer_length": "buffer-length", "frequency": "frequency", "channels": "channels", "format": "format",
           "dev": "dev", "buffer_count": "buffer-count", "try_poll": "try-poll", "server_name": "server-name",
           "client_name": "client-name", "connect_ports": "connect-ports", "exact_name": "exact-name",
           "name_": "name", "stream_name": "stream-name", "latency": "latency"}
_OWN = {"try_mmap": "try-mmap", "exclusive": "exclusive", "dsp_policy": "dsp-policy", "server_name": "server",
        "path": "path"}


def _stream(prefix: str, stream: Stream | None) -> Pairs:
    if stream is None:
        return []
    return [(f"{prefix}.{name}", getattr(stream, field)) for field, name in _STREAM.items()]


@builds(Audio)
def build_audio(audio: Audio, plan: Plan) -> Iterator[Opt]:
    """A host backend. SDL's driver is chosen by an environment variable: see `sound_environment`."""
    own: Pairs = [(name, getattr(audio, field)) for field, name in _OWN.items()]
    yield Opt("audiodev", props(_DRIVERS.get(audio.type, audio.type), [
        ("id", f"audio{audio.number}"), ("timer-period", audio.timer_period), *own,
        *_stream("in", audio.input), *_stream("out", audio.output)]))


def sound_environment(devices: Devices) -> dict[str, str]:
    """What QEMU's environment must say for the host's backends."""
    drivers = {"pulseaudio": "pulse", "esd": "esd", "alsa": "alsa", "arts": "arts"}
    for audio in devices.all(Audio):
        if audio.type == "sdl" and audio.driver:
            return {"SDL_AUDIODRIVER": drivers[audio.driver]}
    return {}


_HDA = {"ich6": "intel-hda", "ich9": "ich9-intel-hda"}
_CODECS = {"duplex": "hda-duplex", "micro": "hda-micro", "output": "hda-output"}
_CARDS = {"es1370": "ES1370", "ac97": "AC97", "sb16": "sb16", "usb": "usb-audio"}


def audio_name(plan: Plan, number: int | None) -> str | None:
    """QEMU's id of a host audio backend; of the first where none is named."""
    backends = (plan.domain.devices or Devices()).all(Audio)
    if number is None and backends:
        number = backends[0].number
    return None if number is None else f"audio{number}"


def pc_speaker(plan: Plan) -> str | None:
    """The backend that plays the machine's own speaker, None where there is no such card."""
    cards = (plan.domain.devices or Devices()).all(Sound)
    return next((audio_name(plan, card.audio_id) for card in cards if card.model == "pcspk"), None)


@builds(Sound)
def build_sound(sound: Sound, plan: Plan) -> Iterator[Opt]:
    """A sound card; HDA ones with their codecs. The PC's speaker is part of the machine."""
    backend: Pairs = [("audiodev", audio_name(plan, sound.audio_id))]
    if sound.model == "pcspk":
        return
    if sound.model in _HDA:
        yield device_opt(_HDA[sound.model], sound, plan)
        kinds = [codec.type for codec in sound.codecs] or ["duplex"]
        for number, kind in enumerate(kinds):
            yield Opt("device", props(_CODECS[kind], [("id", f"{sound.id}-codec{number}"), ("bus", f"{sound.id}.0"),
                                                      ("cad", number), *backend]))
    elif sound.model in _CARDS:
        yield device_opt(_CARDS[sound.model], sound, plan, backend)
    else:
        raise UnsupportedConfig(f"sound card model '{sound.model}' is not supported by qemu")
