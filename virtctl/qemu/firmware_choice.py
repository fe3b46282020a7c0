"""Firmware that a document asks for by kind only: chosen at start, by the domain model."""

from __future__ import annotations

from virtctl.domain.firmware import fill_firmware as choose_firmware

__all__ = ["choose_firmware"]
