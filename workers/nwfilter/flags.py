"""Checks of the plain arguments of a call."""

from __future__ import annotations

from typing import Final

VALIDATE: Final = 1
"""Of define and create: hold the XML against libvirt's schema first."""
