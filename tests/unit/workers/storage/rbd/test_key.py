"""What is a CephX key, and what is kept from the library because it is none."""

from __future__ import annotations

import base64

import pytest

from tierhost.workers.storage.rbd.key import wire_key

RAW = b"\1\0" + bytes(8) + b"\x10\0" + bytes(range(16))
TEXT = base64.b64encode(RAW).decode()


@pytest.mark.parametrize("value", [RAW, TEXT.encode(), TEXT.encode() + b"\n"])
def test_a_key_is_taken_raw_and_as_text(value: bytes) -> None:
    assert wire_key(value) == TEXT


@pytest.mark.parametrize("value", [b"", b"password", RAW[:-1], RAW + b"x", b"\3" + RAW[1:], TEXT[:-4].encode(), b"\xff" * 28])
def test_what_is_no_key_never_reaches_the_library(value: bytes) -> None:
    assert wire_key(value) == ""
