"""`<seclabel>` of a whole domain."""

from __future__ import annotations

from virtctl.schema.element import Element, Field
from virtctl.schema.types import Enum, Str, YesNo


class Seclabel(Element, tag="seclabel"):
    """A label of a security driver of the host."""

    type = Field("@type", Enum("none", "dynamic", "static"), doc="who makes the label")
    model = Field("@model", Str(), doc="security driver")
    relabel = Field("@relabel", YesNo(), doc="whether the guest's files are relabelled")
    label = Field("label", Str(), doc="the label")
    imagelabel = Field("imagelabel", Str(), live=True, doc="label of the guest's files")
    baselabel = Field("baselabel", Str(), doc="label on which a dynamic one is built")
