"""Arguments of calls: flags, text and numbers that make no sense are refused before anything is done."""

from __future__ import annotations

import pytest

from tierhost.workers.runtime.arguments import check_flags, check_text, check_whole
from tierhost.workers.runtime.contract import Code, DriverError


def test_known_flags_pass() -> None:
    assert check_flags(5, 7) == 5
    assert check_flags(0) == 0


@pytest.mark.parametrize("flags", [8, -1, True, "1", None, 1.0, [1]])
def test_other_flags_are_refused(flags: object) -> None:
    with pytest.raises(DriverError, match="flags") as caught:
        check_flags(flags, 7)
    assert caught.value.code is Code.INVALID_ARG


@pytest.mark.parametrize("value", [-1, 11, True, "5", None])
def test_numbers_have_bounds(value: object) -> None:
    with pytest.raises(DriverError, match="from 0 to 10"):
        check_whole(value, "offset", 0, 10)


@pytest.mark.parametrize("value", ["", b"x", 3, None])
def test_text_is_text(value: object) -> None:
    with pytest.raises(DriverError, match="expected text"):
        check_text(value, "path")
