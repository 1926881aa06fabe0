"""Flags of libvirt's interface calls: what is not known is refused."""

from __future__ import annotations

from typing import Final

LIST_INACTIVE: Final = 1
LIST_ACTIVE: Final = 2
XML_INACTIVE: Final = 1
