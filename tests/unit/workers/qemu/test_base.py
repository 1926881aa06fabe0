"""Arguments of calls: refused in words when they mean nothing here."""

from __future__ import annotations

import pytest

from tierhost.workers.qemu.base import check_text
from tierhost.workers.runtime.arguments import check_flags
from tierhost.workers.runtime.contract import Code, DriverError


@pytest.mark.parametrize("flags", [0, 1, 2, 3])
def test_known_flags_are_taken(flags: int) -> None:
    assert check_flags(flags, 3) == flags


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (4, r"unsupported flags \(0x4\)"),
        (7, r"unsupported flags \(0x4\)"),
        (-1, "flags are -1"),
        (True, "flags are True"),
        (None, "expected a whole number"),
        ("1", "expected a whole number"),
        (1.0, "expected a whole number"),
        ([], "expected a whole number"),
    ],
)
def test_other_flags_are_refused(flags: object, words: str) -> None:
    with pytest.raises(DriverError, match=words) as refused:
        check_flags(flags, 3)
    assert refused.value.code is Code.INVALID_ARG


@pytest.mark.parametrize("text", [None, b"<domain/>", 7, ["<domain/>"]])
def test_what_is_no_text_is_refused(text: object) -> None:
    with pytest.raises(DriverError, match=r"the definition is a \w+, expected text") as refused:
        check_text(text, "the definition")
    assert refused.value.code is Code.INVALID_ARG
