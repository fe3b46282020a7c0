"""`<redirdev>`: USB devices sent over a character device, and `<redirfilter>`: which ones."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.schema.element import Children, Element, Field
from virtctl.schema.types import Enum, Str, YesNo


class Redirdev(Device, tag="redirdev"):
    """A USB redirector."""

    bus = Field("@bus", Enum("usb"), default="usb", doc="kind of bus")
    type = Field("@type", Str(), required=True, doc="kind of character device")


class UsbRule(Element, tag="usbdev"):
    """One rule of the filter; -1 stands for any."""

    usb_class = Field("@class", Str(), default="-1", doc="USB class code")
    vendor = Field("@vendor", Str(), default="-1", doc="vendor id")
    product = Field("@product", Str(), default="-1", doc="product id")
    version = Field("@version", Str(), default="-1", doc="device revision, as 2.56")
    allow = Field("@allow", YesNo(), required=True, doc="whether such a device may be redirected")


class RedirFilter(Device, tag="redirfilter"):
    """Which USB devices may be redirected."""

    rules = Children("usbdev", UsbRule, doc="rules, the first match counts")
