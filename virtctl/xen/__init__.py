"""Xen's native configurations (xend's s-expressions, xm and xl files) to and from domain documents."""
