"""`<seclabel>` below a source: a security label for one file, against the domain's own."""

from __future__ import annotations

from virtctl.errors import VirtctlError, XmlError
from virtctl.schema.element import Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Str, YesNo


class DeviceSeclabel(Element, tag="seclabel"):
    """How one file or socket is labelled."""

    model = Field("@model", Str(), doc="security driver: selinux, apparmor, dac")
    labelskip = Field("@labelskip", YesNo(), live=True, doc="whether labelling failed and was skipped")
    relabel = Field("@relabel", YesNo(), doc="whether to label at all")
    label = Field("label", Str(), doc="the label")

    def parsed(self, node: Node, mode: Mode) -> None:
        """An override relabels unless it says otherwise."""
        if self.relabel is None:
            self.relabel = True
        if self.label and not self.relabel:
            model = self.model or "(null)"
            raise XmlError(f"Cannot specify a label if relabelling is turned off. model={model}")

    def visible(self, mode: Mode) -> bool:
        """A definition does not say that a file may be labelled as the domain is."""
        return mode.live or self.label is not None or not self.relabel

    def written(self, node: Node, mode: Mode) -> None:
        """A label that was skipped says only that."""
        if node.attrs.get("labelskip") == "yes":
            node.attrs.pop("relabel", None)
        else:
            node.attrs.pop("labelskip", None)


def check_models(labels: list[DeviceSeclabel]) -> None:
    """One label a security driver."""
    models = [label.model for label in labels]
    for place, model in enumerate(models):
        if model is not None and model in models[:place]:
            raise VirtctlError(f"seclabel for model {model} is already provided")
