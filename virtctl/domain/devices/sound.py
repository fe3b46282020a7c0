"""`<sound>`: the guest's sound card."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.errors import UnsupportedConfig, VirtctlError
from virtctl.schema.element import Child, Children, Element, Field, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Positive

UNKNOWN_CODEC = "unknown codec type '%s'"


class Codec(Element, tag="codec"):
    """A codec of an HDA card."""

    type = Field("@type", Enum("duplex", "micro", "output"), required=True, doc="kind of codec",
                 refused=(UnsupportedConfig, UNKNOWN_CODEC))

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a kind that is not there."""
        return UnsupportedConfig(UNKNOWN_CODEC % "(null)")


class AudioReference(Element, tag="audio"):
    """The host audio backend that plays a card."""

    number = Field("@id", Positive(), required=True, doc="number of the backend")


class Sound(Device, tag="sound"):
    """A sound card."""

    model = Field("@model", Enum("sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "ich7"), required=True,
                  doc="emulated card")
    codecs = Children("codec", Codec, doc="codecs (ich6, ich9)")
    audio = Child("audio", AudioReference, doc="host audio backend that plays it")

    @property
    def audio_id(self) -> int | None:
        """The number of that backend, None where the card does not tell."""
        return self.audio.number if self.audio else None

    def parsed(self, node: Node, mode: Mode) -> None:
        """Only HDA cards have codecs."""
        super().parsed(node, mode)
        if self.model not in ("ich6", "ich9"):
            self.codecs = []
