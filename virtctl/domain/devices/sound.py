"""`<sound>`: the guest's sound card."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.schema.element import Children, Element, Field
from virtctl.schema.types import Enum, UInt, YesNo


class Codec(Element, tag="codec"):
    """A codec of an HDA card."""

    type = Field("@type", Enum("duplex", "micro", "output"), required=True, doc="kind of codec")


class Sound(Device, tag="sound"):
    """A sound card."""

    model = Field("@model", Enum("sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "ich7"), required=True,
                  doc="emulated card")
    multichannel = Field("@multichannel", YesNo(), doc="whether it has more than two channels (usb)")
    audio_id = Field("audio/@id", UInt(), doc="host audio backend that plays it")
    codecs = Children("codec", Codec, doc="codecs (ich6, ich9)")
