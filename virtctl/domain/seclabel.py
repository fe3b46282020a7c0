"""`<seclabel>` of a whole domain."""

from __future__ import annotations

from virtctl.errors import UnsupportedConfig, XmlDetail, XmlError
from virtctl.schema.element import Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Str, YesNo


class Seclabel(Element, tag="seclabel"):
    """A label of a security driver of the host."""

    type = Field("@type", Enum("none", "dynamic", "static"), doc="who makes the label")
    model = Field("@model", Str(), doc="security driver")
    relabel = Field("@relabel", YesNo(), doc="whether the guest's files are relabelled")
    label = Field("label", Str(), doc="the label")
    imagelabel = Field("imagelabel", Str(), live=True, doc="label of the guest's files")
    baselabel = Field("baselabel", Str(), doc="label on which a dynamic one is built")

    def parsed(self, node: Node, mode: Mode) -> None:
        """The type decides what else counts; a model of none is no label."""
        if self.relabel is None:
            self.relabel = self.type != "static" and self.type != "none"
        if self.type == "dynamic" and not self.relabel:
            raise UnsupportedConfig("dynamic label type must use resource relabeling")
        if self.type == "none" and self.relabel:
            raise UnsupportedConfig("resource relabeling is not compatible with 'none' label type")
        if self.type == "static" and self.label is None and self.model != "none":
            raise XmlError("security label is missing")
        if self.type == "none" or self.model == "none":
            self.type, self.relabel = "none", False
        self._drop_unused(mode)

    def _drop_unused(self, mode: Mode) -> None:
        if self.type != "static" and not mode.live:
            self.label = None
        if self.type != "dynamic":
            self.baselabel = None

    def written(self, node: Node, mode: Mode) -> None:
        """No label is not relabelled."""
        if self.type == "none":
            node.attrs.pop("relabel", None)

    def visible(self, mode: Mode) -> bool:
        """One without a type is the host's own choice."""
        return self.type is not None


def complete_labels(labels: list[Seclabel], default: str) -> None:
    """Gives the only label the host's model where it names none. Raises for two of one model."""
    for place, label in enumerate(labels):
        if label.model is None and len(labels) > 1:
            raise XmlError("missing security model when using multiple labels")
        if label.model is not None and label.model in [other.model for other in labels[:place]]:
            raise XmlDetail(f"seclabel for model {label.model} is already provided")
    if len(labels) == 1 and labels[0].model is None:
        _complete_model(labels[0], default)


def _complete_model(label: Seclabel, default: str) -> None:
    if label.type is None or label.type == "static" or label.baselabel is not None:
        raise XmlError("missing security model in domain seclabel")
    label.model = default
    if default == "none":
        label.type, label.relabel = "none", False
