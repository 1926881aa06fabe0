"""Whether something is a CephX key at all: librados would print one that is not, whole, among its error messages."""

from __future__ import annotations

import base64
import struct
from typing import Final

HEAD: Final = struct.Struct("<HIIH")
TYPES: Final = (1, 2)
"""AES, and AES-256 of newer releases."""


def wire_key(value: bytes) -> str:
    """Return a secret's value as librados wants it, base64; nothing if it is no key.

    The value is the raw key, as libvirt keeps it; its base64 text, as ceph prints it, is taken as well.
    """
    if _is_key(value):
        return base64.b64encode(value).decode()
    try:
        raw = base64.b64decode(value.strip(), validate=True)
    except ValueError:
        return ""
    return base64.b64encode(raw).decode() if _is_key(raw) else ""


def _is_key(raw: bytes) -> bool:
    if len(raw) < HEAD.size:
        return False
    kind, _, _, length = HEAD.unpack_from(raw)
    return kind in TYPES and len(raw) == HEAD.size + length
